"""A posterior that is another one for each split (nsgf.studies.logistic.split)."""

from nsgf.errors import NsgfError


def log_density(x):
    """There is no one density.

    Raises:
        NsgfError: always.
    """
    raise NsgfError(
        "this data set has a posterior of its own for each split",
        "use the methods of study kind logistic on it",
    )
