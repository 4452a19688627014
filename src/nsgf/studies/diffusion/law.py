"""A Gaussian that is another one for each training (nsgf.studies.diffusion.target)."""

from nsgf.errors import NsgfError


def log_density(x):
    """There is no one density.

    Raises:
        NsgfError: always.
    """
    raise NsgfError(
        "this data set has a target of its own for each training",
        "use the methods of study kind diffusion on it",
    )
