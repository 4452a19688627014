"""`nsgf bench schemes`: seconds of SW-JKO, JKO-ICNN and Euler-Maruyama to the same divergence.

One target a dimension and the settings of the studies swjko-* of config/cpu.yaml, in one process.
The clock runs while a scheme works, which copies the states that are looked at; to look costs
nothing of it.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nsgf import numerics
from nsgf.artifact import atomic, write_json
from nsgf.config.base import load
from nsgf.config.cells import cells
from nsgf.config.compute import Compute
from nsgf.config.preset import Preset
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.device import set_up
from nsgf.engine import provenance
from nsgf.errors import NsgfError
from nsgf.ops.bench.record import record
from nsgf.ops.text import columns
from nsgf.progress import bar
from nsgf.registry import DATASETS, METHODS, NETWORKS, module_of
from nsgf.rng import stream
from nsgf.studies.diffusion.measure import LEAST, density_of, divergence
from nsgf.studies.diffusion.target import target_of
from nsgf.train.learner import Lesson, learner_of

PRESET = Path(__file__).parents[4] / "config/cpu.yaml"
ROWS = (  # study and row of the preset
    ("swjko-gaussians", "sw-jko"),
    ("swjko-icnn", "jko-icnn"),
    ("swjko-gaussians", "em-10k"),
    ("swjko-gaussians", "em-50k"),
)
DIMENSIONS = (2, 4, 8)
GOAL = -1.5  # log10 of nats
POINTS = 4000  # of either law, by which a divergence is estimated
LOOKS = 40  # at a scheme's state, count, at even distances
SEED = 2401
HEAD = ("d", "scheme", "first step, ms", "last step, ms", "whole, s", "to 10^-1.5, s", "at the end")
WIDTH, HEIGHT = 2.6, 2.7  # inches of a panel


@dataclass(frozen=True)
class Trace:
    """A scheme on its way to one target.

    Attributes:
        d: dimension. scheme: its row. label: as it is printed. steps: of time, count.
        at: steps of time after which it was looked at.
        seconds: of the scheme until then. log10_symkl: divergence from the target then.
        step_s: of each step of time.
    """

    d: int
    scheme: str
    label: str
    steps: int
    at: list[int]
    seconds: list[float]
    log10_symkl: list[float]
    step_s: list[float]

    @property
    def to_goal(self) -> float | None:
        """Seconds after which it was first found at the goal; None if it never was."""
        return next(
            (s for s, v in zip(self.seconds, self.log10_symkl, strict=True) if v <= GOAL), None
        )


def compare(threads: int, json: Path | None, plot: Path | None) -> None:
    """Run each scheme in each dimension, print a table, write its rows and draw them.

    Args:
        threads: that this process's libraries have.
        json: where to write the traces. plot: where to draw divergence over seconds.

    Raises:
        NsgfError: the plot is neither .png nor .pdf.
    """
    if plot and plot.suffix not in (".png", ".pdf"):
        raise NsgfError(f"cannot draw '{plot}'", "name a .png or a .pdf")
    mode = numerics.asked()
    preset = load(PRESET, Preset)
    about = f"{threads} thread(s) of {provenance.machine()['processor']}, numerics {mode}"
    print(f"Fokker-Planck equations to a Gaussian: {about}")
    found = []
    for d in DIMENSIONS:
        for study, row in ROWS:
            settings = preset.studies[study]
            compute = settings.compute.model_copy(update={"numerics": mode, "threads": threads})
            set_up(compute)
            cell = next(cell for cell in cells(settings) if cell.name == row)
            ((network, training),) = cell.networks.items()
            label = METHODS[row].label if row in METHODS else cell.label
            found.append(trace(d, row, label, network, training, compute))
    print(columns([HEAD, *map(_line, found)], right=range(2, len(HEAD))))
    if json:
        write_json(json, [vars(one) | {"to_goal_s": one.to_goal} for one in found])
        config = {"preset": PRESET.name, "rows": ROWS, "goal": GOAL, "points": POINTS}
        record(json, config, SEED, {"threads": threads, "numerics": mode}, [PRESET])
    if plot:
        _draw(plot, found, about)


def trace(
    d: int, scheme: str, label: str, network: str, training: Training, compute: Compute
) -> Trace:
    """A scheme, as a training of `network`, to the first target of dimension d."""
    inner = training.options.get("inner", 1)
    steps = training.iterations // inner
    every = max(1, steps // LOOKS)
    dataset = f"gaussian-{d}"
    target = target_of(SEED, dataset, 0, d)
    lesson = Lesson(
        problem=open_problem(dataset, None),
        pool=None,
        training=_kept(training, every),
        device=torch.device("cpu"),
        seed=SEED,
        names=("train", network, dataset, 0),
        others={},
        compute=compute,
    )
    learner = learner_of(module_of(NETWORKS[network].module), lesson)
    at, seconds, values, each = [], [], [], []
    with bar(steps, f"{scheme} d = {d}") as progress:
        for step in range(steps):
            began = time.perf_counter()
            for k in range(step * inner, (step + 1) * inner):
                learner.step(k, stream(SEED, *lesson.names, k))
            each.append(time.perf_counter() - began)
            if (step + 1) % every == 0 or step + 1 == steps:
                numbers = stream(SEED, "bench schemes", dataset, step)
                laws = density_of(learner.modules, step + 1)
                value = divergence(*laws, target, POINTS, numbers)
                values.append(math.log10(max(value, LEAST)))
                at.append(step + 1)
                seconds.append(sum(each))
            progress.update()
    return Trace(d, scheme, label, steps, at, seconds, values, each)


def _kept(training: Training, every: int) -> Training:
    """A training that keeps the states that are looked at, and no others."""
    if "keep_every" not in training.options:
        return training
    return training.model_copy(update={"options": dict(training.options) | {"keep_every": every}})


def _line(one: Trace) -> Sequence[str]:
    goal = "never" if one.to_goal is None else f"{one.to_goal:.2f}"
    first, last = 1e3 * one.step_s[0], 1e3 * sum(one.step_s[-5:]) / len(one.step_s[-5:])
    whole = f"{one.seconds[-1]:.1f}"
    return (
        *(str(one.d), one.label, f"{first:.1f}", f"{last:.1f}", whole),
        *(goal, f"{one.log10_symkl[-1]:.2f}"),
    )


def _draw(path: Path, found: Sequence[Trace], about: str) -> None:
    """A panel for each dimension: the divergence over the seconds that it took."""
    import seaborn
    from matplotlib.figure import Figure

    from nsgf.report.style import DPI, FONT, SMALL, look

    dimensions = list(dict.fromkeys(one.d for one in found))
    labels = list(dict.fromkeys(one.label for one in found))
    colours = dict(zip(labels, seaborn.color_palette("colorblind"), strict=False))
    with look():
        size = (WIDTH * len(dimensions), HEIGHT)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(dimensions), squeeze=False, sharey=True)[0]
        lines = {}
        for axes, d in zip(panels, dimensions, strict=True):
            for one in (t for t in found if t.d == d):
                style = {"color": colours[one.label], "linewidth": 1.2}
                (lines[one.label],) = axes.plot(one.seconds, one.log10_symkl, **style)
            axes.axhline(GOAL, color="#999999", linewidth=0.6, linestyle=":")
            axes.set(xscale="log", xlabel="seconds")
            axes.set_title(DATASETS[f"gaussian-{d}"].label, fontsize=SMALL)
        panels[0].set_ylabel("log10 of SymKL to the target")
        place = {"loc": "outside lower center", "ncols": 2, "frameon": False}
        figure.legend(lines.values(), lines, fontsize=SMALL, **place)
        figure.suptitle(about, fontsize=FONT)
        with atomic(path) as temporary:
            figure.savefig(temporary, dpi=DPI[path.suffix[1:]])
