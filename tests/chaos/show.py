"""What a campaign prints: a line for each fault, and the table at its end."""

import time
from collections.abc import Sequence

from tests.chaos.faults import Fault
from tests.chaos.plan import LOCAL, SLURM, all_kinds


class Screen:
    """Live lines with the time gone and, in proportion, the time to go."""

    def __init__(self, total: int):
        self._total, self._done, self._begun = total, 0, time.monotonic()

    @property
    def minutes(self) -> float:
        """Since the campaign began."""
        return (time.monotonic() - self._begun) / 60

    def fault(self, fault: Fault) -> None:
        """A fault whose attempt has ended."""
        self._done += 1
        who = f"{fault.target} ({fault.pid})" if fault.pid else fault.target
        self.line(
            f"{fault.where} run {fault.run}, attempt {fault.attempt}, {fault.moment_s:.1f} s,"
            f" during {fault.stage}: {fault.kind}: {who} -> exit {fault.exit}, {fault.saw}"
        )

    def line(self, text: str) -> None:
        """Anything, with the progress before it."""
        gone = self.minutes
        left = gone * (self._total - self._done) / self._done if self._done else 0
        eta = f"{left:.0f} min left" if self._done else "..."
        print(f"[{self._done}/{self._total}, {gone:.1f} min, {eta}] {text}", flush=True)


def table(faults: Sequence[Fault]) -> str:
    """Faults that were injected and survived, by kind and place."""
    places = (LOCAL, SLURM)
    lines = ["| fault | local: injected | survived | SLURM: injected | survived |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for kind in [*all_kinds(), "all"]:
        mine = [f for f in faults if kind in (f.kind, "all")]
        counts = []
        for where in places:
            there = [f for f in mine if f.where == where]
            counts += [len(there), sum(bool(f.survived) for f in there)]
        lines.append(f"| {kind} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)
