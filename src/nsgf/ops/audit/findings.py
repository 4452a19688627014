"""What an audit finds wrong with a file, and how it is said."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[  # causes before effects
    "not the commit's",  # a tracked file that differs from the commit
    "foreign data",  # not the data set that upstream publishes
    "not recorded",  # the commit says nothing of it
    "missing",  # a job of the DAG makes it, but it is not there
    "altered",  # its bytes are not what its own provenance states
    "no provenance",  # none, or none that can be read
    "forged",  # in itself consistent, but not what the commit records
    "unknown",  # no job of the DAG makes it
    "not repeated",  # made again from its inputs, it had other bytes
    "stale",  # made by other code, settings or command than the DAG's
    "remade",  # the commit's bytes, with the provenance of another run
    "rests on",  # made from a file that has a finding of its own, or from other bytes of it
]
ORDER = {kind: i for i, kind in enumerate(Kind.__args__)}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file."""

    kind: Kind
    path: str
    why: str

    @property
    def rank(self) -> tuple:
        """Causes before what rests on them."""
        return (ORDER[self.kind], self.path)
