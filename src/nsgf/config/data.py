"""Points of one's own, which a preset brings along; `nsgf new` writes them and their entry."""

from pydantic import Field

from nsgf.config.base import Model
from nsgf.registry import Cloud, Dataset


class OwnData(Model):
    """A cloud of points in a file (nsgf.data.cloud)."""

    label: str = Field(min_length=1)
    """Its name in tables and figures."""
    file: str = Field(pattern=r"^[^/].*\.npz$")
    """Where it lies, from the project's folder."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the file."""
    shape: tuple[int, ...] = Field(min_length=1, max_length=3)
    """Of one point."""
    train: int = Field(ge=2)
    """Points that are learnt from, count."""
    test: int = Field(ge=2)
    """Points that are held out, count."""
    columns: tuple[str, ...] = ()
    """Names of the coordinates; numbers where empty."""

    @property
    def dataset(self) -> Dataset:
        """Its entry in the registry."""
        cloud = Cloud(self.sha256, self.train, self.test, self.columns)
        return Dataset(self.label, self.shape, "cloud", files=(self.file,), cloud=cloud)
