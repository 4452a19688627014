"""A claim of a paper, held against what a run measured.

A claim is reproduced, not_reproduced or inconclusive, with the evidence in one sentence. What a
reduced run measured of cost is evidence, never a verdict: a paper's costs are at its own scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nsgf.config.published import Published
from nsgf.metrics.interval import Interval

INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Finding:
    """One claim's verdict and the evidence for it."""

    claim: int
    text: str
    verdict: str
    evidence: str


def finding(number: int, published: Published, verdict: str, evidence: str) -> Finding:
    """A verdict on a claim in the paper's words."""
    return Finding(number, published.claims[number], verdict, evidence)


def at_scale(reduced: bool) -> str:
    """What stands behind evidence that a reduced run gives no verdict on."""
    return "; no verdict from a reduced run" if reduced else ""


def not_run(number: int, published: Published) -> Finding:
    """A claim for which the run has no evidence."""
    return finding(number, published, INCONCLUSIVE, "not run")


def interval_of_row(row: Mapping) -> Interval:
    """The interval in a row of a table."""
    return Interval(row["mean"], row["ci_low"], row["ci_high"], int(row["n_seeds"]))
