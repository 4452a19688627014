"""The branch of the DAG that belongs to one data set of one study, and how its jobs are made."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nsgf.config.base import Model
from nsgf.config.preset import Study
from nsgf.data.arrays import ARRAYS
from nsgf.jobs.job import Job
from nsgf.layout import DATA, Layout, Unit, with_sidecars
from nsgf.registry import DATASETS


@dataclass(frozen=True)
class Branch:
    """One data set of one study."""

    layout: Layout
    seed: int
    name: str  # of the study
    study: Study
    dataset: str

    @property
    def image(self) -> bool:
        """Whether its points are images."""
        return DATASETS[self.dataset].is_image

    def seeds(self) -> list[Unit]:
        """Every training of a network."""
        return [{"dataset": self.dataset, "seed": s} for s in range(self.study.train_seeds)]

    def chunks(self, kind: str, units: list[Unit]) -> Iterator[tuple[str, list[Unit]]]:
        """Units that share a job, with the last part of its name."""
        size = self.study.resources_of(kind).units_per_job
        for i in range(0, len(units), size):
            yield str(i // size), units[i : i + size]

    def data(self, *arrays: str) -> list[str]:
        """Files of the image set; none for 2-D laws."""
        target = DATASETS[self.dataset].target
        return [f"{DATA}/{target}/{a}.npy" for a in arrays] if self.image else []

    def job(
        self,
        stage: str,
        kind: str,
        part: str,
        units: Sequence[Unit],
        *,
        config: tuple[str, Model],
        inputs: Sequence[str],
        outputs: Sequence[str],
        options: Sequence[tuple[str, str]],
        code: str,
        temporary: bool = False,
    ) -> Job:
        """A job of `stage` over `units`.

        Args:
            stage: the sub-command. kind: its name in `resources` and in the job's.
            part: the last part of the job's name.
            units: what it works through.
            config: name and content of its settings.
            inputs: files that it reads beside its settings. outputs: artefacts, without sidecars.
            options: further options of the sub-command with their values.
            code: hash of its code.
            temporary: whether the artefacts go when their last reader is done; their provenance
                stays, so that what was made from them can still be traced.
        """
        path = self.layout.config(f"{self.name}/{config[0]}")
        words = ["--config", path]
        for unit in units:
            words += ["--unit", ",".join(f"{k}={v}" for k, v in unit.items())]
        words += ["--data", DATA] if set(self.data(*ARRAYS)) & set(inputs) else []
        for option, value in options:
            words += [f"--{option}", value]
        return Job(
            stage,
            f"{self.dataset}-{kind}-{part}",
            self.name,
            inputs=(path, *inputs),
            outputs=with_sidecars(outputs),
            arguments=shlex.join(words),
            code=code,
            resources=self.study.resources_of(kind),
            threads=self.study.compute.threads,
            # Image stages are the longest chain: begun first, no core waits for them at the end.
            priority=50 if self.image else 0,
            config=(path, config[1]),
            temporary=tuple(outputs) if temporary else (),
        )


def split(units: Iterable[Unit], shards: int) -> list[Unit]:
    """The shards of all units."""
    return [unit | {"shard": k} for unit in units for k in range(shards)]


def filled(templates: Iterable[str], units: Iterable[Unit]) -> list[str]:
    """Paths of all units, each once, in a stable order."""
    return list(dict.fromkeys(t.format(**u) for u in units for t in templates))
