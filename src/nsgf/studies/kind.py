"""What a kind of study says of itself; its folder's `__init__` has one as `KIND`."""

from collections.abc import Callable
from dataclasses import dataclass

from nsgf.config.base import Model


class Measures(Model):
    """Settings of the metrics of a kind, as `metrics:` of a study holds them."""

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks that are trained to measure with; one of each serves all seeds."""
        return ()

    @property
    def asks_for_inception(self) -> bool:
        """Whether numbers depend on the Inception weights being here."""
        return False


@dataclass(frozen=True)
class Kind:
    """A kind of study.

    Attributes:
        metrics: class of its settings.
        measure: module that measures: `reference(settings, unit, files)` writes what samples are
            compared with, `Instrument(settings, unit, files)` measures sets of samples.
        arrays: whether the reference has arrays (.npz) beside its numbers (.json).
        by_set: whether each set of samples has a reference of its own.
        neighbours: whether samples are shown with the nearest training points.
        table: module of its table: `table(...)` and `display(...)` as in nsgf.report.tables.
        notes: module whose `notes(...)` says what a reader of its table must know; "" for none.
        print: module whose `page(settings, inputs)` holds a table against print as a whole; "" for
            none.
        claims: module whose `judge(table, given, reduced, published)` judges claims; "" for the
            folder's own `claims`, if it has one (nsgf.registry.claims_of).
        evidence: module with `inputs(outline, study)`: what they are judged on beside the table, by
            name; and with `CLAIMS`, number to words, where they are of no paper. Likewise.
        check: given a study of this kind, raises ValueError where it is not possible.
    """

    metrics: type[Measures]
    measure: str
    arrays: bool = False
    by_set: bool = False
    neighbours: bool = False
    table: str = "nsgf.report.tables"
    notes: str = ""
    print: str = ""
    claims: str = ""
    evidence: str = ""
    check: Callable[..., None] = lambda study: None
