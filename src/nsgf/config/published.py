"""The printed numbers of a paper, as config/published/<paper>.yaml holds them."""

from pathlib import Path

from pydantic import Field, model_validator

from nsgf.config.base import Model, load


class PrintedRow(Model):
    """One printed row: a method at an NFE, with a value for each data set."""

    method: str
    nfe: int | None
    values: dict[str, float]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row):
        """In the file the data sets stand beside `method` and `nfe`."""
        if isinstance(row, dict) and "values" not in row:
            known = {k: row[k] for k in ("method", "nfe") if k in row}
            return known | {"values": {k: v for k, v in row.items() if k not in known}}
        return row


class PrintedMetric(Model):
    """Printed values of one metric."""

    tolerance: float = Field(gt=0)
    """Half-width of the band that counts as reproduced, in the metric's unit."""
    values: tuple[PrintedRow, ...]


class PrintedTable(PrintedMetric):
    """A table of the paper."""

    title: str
    metric: str
    protocol: str | None
    """How the print was measured; null where our number cannot be held against it."""
    why: str
    n_samples: int
    also: dict[str, PrintedMetric] = Field(default_factory=dict)
    """Further metrics of the same table."""

    def metrics(self) -> dict[str, PrintedMetric]:
        """All printed metrics by name, the main one first."""
        return {self.metric: self} | self.also


class Band(Model):
    """A printed figure that the paper gives as "about"."""

    value: float
    tolerance: float
    iterations: int | None = None


class Published(Model):
    """All that is quoted of a paper; empty for a study of none."""

    source: str = ""
    methods: dict[str, str] = Field(default_factory=dict)
    tables: dict[str, PrintedTable] = Field(default_factory=dict)
    claims: dict[int, str] = Field(default_factory=dict)
    cost: dict[str, Band] = Field(default_factory=dict)


def published_of(file: Path | None) -> Published:
    """What is printed in a paper; nothing for a study without one.

    Raises:
        NsgfError: the file is missing, or not of this form.
    """
    return load(file, Published) if file else Published()
