"""A unit of work: which data set, seed, shard or sample a process is to make.

A stage command takes many units and a path template such as `pools/{dataset}/seed{seed}`; the
bytes of a unit's outputs do not depend on which units share its process.
"""

from pathlib import Path

from nsgf.errors import NsgfError

INTEGERS = ("seed", "shard", "sample")
Unit = dict[str, str | int]


def parse_unit(text: str) -> Unit:
    """`dataset=moons,seed=0` as a dictionary.

    Raises:
        NsgfError: the text is not of that form.
    """
    try:
        unit: Unit = dict(part.split("=", 1) for part in text.split(","))
        return unit | {k: int(v) for k, v in unit.items() if k in INTEGERS}
    except ValueError as error:
        raise NsgfError(
            f"'{text}' is not a unit of work", "write it as dataset=moons,seed=0"
        ) from error


def require(unit: Unit, *names: str) -> None:
    """Check that a unit says all that its stage needs.

    Raises:
        NsgfError: it does not.
    """
    missing = [name for name in names if name not in unit]
    if missing:
        raise NsgfError(
            f"unit '{unit_text(unit)}' lacks '{missing[0]}'", f"add ,{missing[0]}=0 to it"
        )


def unit_text(unit: Unit) -> str:
    """The inverse of `parse_unit`."""
    return ",".join(f"{k}={v}" for k, v in unit.items())


def fill(template: str, unit: Unit) -> Path:
    """The path of a unit.

    Raises:
        NsgfError: the template names something that the unit does not have.
    """
    try:
        return Path(template.format(**unit))
    except (KeyError, IndexError, ValueError) as error:
        raise NsgfError(
            f"path template '{template}' asks for {error}, which unit '{unit_text(unit)}' lacks",
            f"use {', '.join('{' + k + '}' for k in unit)}",
        ) from error
