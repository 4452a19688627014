"""The training loop of every learner.

Each step draws from its own random stream, so a resumed run needs no generator state: a checkpoint
holds the learner's state and the curve so far, and the run continues bit for bit.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from nsgf.artifact import sha256_json, write_text
from nsgf.config.train import Training
from nsgf.engine.state import keep, read_kept
from nsgf.errors import NsgfError
from nsgf.progress import bar
from nsgf.rng import stream
from nsgf.train.divergence import trouble
from nsgf.train.learner import Learner

CHECKPOINT = "checkpoint.pt"
CURVE = "curve.csv"  # of a training that was stopped


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: steps done. resumed_at: where a killed run was taken up, 0 for nowhere.
        curve: lines of the learning curve: the step, and its columns.
        since: columns of the steps since the last line.
        start: loss of the first step, None where there is none.
    """

    step: int = 0
    resumed_at: int = 0
    curve: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    since: dict[str, list[Tensor | float]] = field(default_factory=dict)
    start: float | None = None

    def add(self, columns: dict[str, Tensor | float]) -> None:
        """Count a step."""
        if self.step == 0 and "loss" in columns:
            self.start = float(columns["loss"])
        self.step += 1
        for name, value in columns.items():
            self.since.setdefault(name, []).append(value)

    def draw_line(self) -> None:
        """A line of the curve over the steps since the last one."""
        line = {
            name: float(torch.stack(v).mean()) if isinstance(v[-1], Tensor) else float(v[-1])
            for name, v in self.since.items()
        }
        self.curve.append((self.step, line))
        self.since = {}


def train(
    learner: Learner,
    training: Training,
    seed: int,
    names: tuple,
    state: Path,
    purpose: object,
    what: str,
) -> Progress:
    """Take the configured number of steps.

    Args:
        learner: with its initial weights, on its device.
        training: number of steps, checkpoints and lines of the curve.
        seed, names: step k draws from `stream(seed, *names, k)`.
        state: folder for the checkpoint; one that is in it is taken up.
        purpose: JSON value that names this training and its data: a checkpoint of another one is
            not taken up, whatever folder it lies in.
        what: title of the progress bar.

    Raises:
        NsgfError: it diverges; the curve is in `state` then.
    """
    checkpoint, key = state / CHECKPOINT, sha256_json(purpose)
    run = _restored(learner, checkpoint, key, training)
    if run.step:
        print(f"resumed {what} at step {run.step}", flush=True)
    device = _device_of(learner)
    with bar(training.iterations, what, run.step) as progress:
        while run.step < training.iterations:
            run.add(learner.step(run.step, stream(seed, *names, run.step, device=device)))
            progress.update()
            if run.step % training.log_every == 0 or run.step == training.iterations:
                run.draw_line()
                _refuse_divergence(run, training, what, state)
                if loss := next(iter(run.curve[-1][1].values()), None):
                    progress.set_postfix(loss=f"{loss:.4g}", refresh=False)
            if run.step % training.checkpoint_every == 0:
                _save(learner, run, checkpoint, key)
    learner.finish()
    return run


def _refuse_divergence(run: Progress, training: Training, what: str, state: Path) -> None:
    ended = run.step == training.iterations
    if wrong := trouble(run.curve, run.start, training.batch_size, ended):
        write_text(state / CURVE, curve_csv(run))
        raise NsgfError(
            f"the training of {what} diverges: at step {run.step}, lr {training.lr:g}, {wrong}",
            "give the network a lower lr, a warmup or a clip, or see whether its data are right",
            curve=state / CURVE,
        )


def curve_csv(run: Progress) -> str:
    """The learning curve; what is averaged is the mean since the line before."""
    columns = list(dict.fromkeys(name for _, line in run.curve for name in line))
    rows = [
        f"{k}," + ",".join(f"{line[c]:.6g}" if c in line else "" for c in columns)
        for k, line in run.curve
    ]
    return "\n".join([",".join(["step", *columns]), *rows, ""])


def _save(learner: Learner, run: Progress, path: Path, key: str) -> None:
    """Write a checkpoint, whole or not at all."""
    about = {"step": run.step, "curve": run.curve, "since": run.since, "start": run.start}
    keep(path, about | {"purpose": key, "learner": learner.state_dict()})


def _device_of(learner: Learner) -> torch.device:
    return next(p.device for net in learner.modules.values() for p in net.parameters())


def _restored(learner: Learner, path: Path, key: str, training: Training) -> Progress:
    """Where a checkpoint left off; one of another purpose, or that cannot be read, is dropped."""
    state = read_kept(path, _device_of(learner)) if path.exists() else None
    if state is None:
        return Progress()
    if state["purpose"] != key or state["step"] > training.iterations:
        print(f"dropped '{path}': it is of another training", flush=True)
        return Progress()
    learner.load_state_dict(state["learner"])
    step, curve = state["step"], list(state["curve"])
    return Progress(step, step, curve, state["since"], state.get("start"))
