"""One job: a process of one stage, and the files that it reads and writes."""

from dataclasses import dataclass, field

from nsgf.config.base import Model
from nsgf.config.compute import Resources

LIGHT = Resources(mem_mb=1500, runtime_min=30)  # tables, figures, downloads
REPORTED = ("table", "targets-table", "figure", "claims")  # stages that a complete run ends with


@dataclass(frozen=True)
class Job:
    """One process: its stage, settings and arguments, and the files that it reads and writes."""

    stage: str
    name: str
    study: str  # empty where all studies share it
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: str
    code: str
    resources: Resources = LIGHT
    threads: int = 1
    priority: int = 0
    config: tuple[str, Model] | None = None  # settings file that this job reads
    labels: dict[str, str] = field(default_factory=dict)  # in the HTML report
    caption: str = ""  # its page of workflow/report
    temporary: tuple[str, ...] = ()  # outputs that go when their last reader is done

    @property
    def shown(self) -> list[str]:
        """Outputs that the HTML report shows: tables as pages, figures as pictures and prints."""
        shown = (".html", ".png", ".pdf")
        return [p for p in self.outputs if self.stage in REPORTED and p.endswith(shown)]

    @property
    def kept(self) -> list[str]:
        """Outputs that stay."""
        return [p for p in self.outputs if p not in self.temporary]

    @property
    def others(self) -> list[str]:
        """Outputs that stay and that the HTML report leaves out."""
        return [p for p in self.kept if p not in self.shown]
