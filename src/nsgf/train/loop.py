"""The training loop of every network.

Each step draws from its own random stream, so a resumed run needs no generator state: weights,
Adam's moments, averaged weights and the curve so far are all that a checkpoint holds, and the run
continues bit for bit.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from nsgf.config.train import Training
from nsgf.progress import bar
from nsgf.rng import stream
from nsgf.state import keep, read_kept

Objective = Callable[[nn.Module, Generator, int], Tensor]
CHECKPOINT = "checkpoint.pt"
CURVE_HEADER = "step,loss,lr\n"


class TrainingRun:
    """A network, its optimiser and its curve at one step."""

    def __init__(self, net: nn.Module, config: Training):
        self.net, self.config, self.step, self.resumed_at = net, config, 0, 0
        self.optimiser = torch.optim.Adam(net.parameters(), lr=config.lr, fused=True)
        self.average = [p.detach().clone() for p in net.parameters()] if config.ema else []
        self.curve: list[tuple[int, float, float]] = []
        self._losses: list[Tensor] = []

    def advance(self, loss: Tensor) -> None:
        """One optimiser step on `loss`."""
        config, rate = self.config, learning_rate(self.config, self.step)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad()
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), config.clip)
        self.optimiser.step()
        if config.ema:
            with torch.no_grad():
                torch._foreach_lerp_(self.average, list(self.net.parameters()), 1 - config.ema)
        self.step += 1
        self._losses.append(loss.detach())
        if self.step % config.log_every == 0 or self.step == config.iterations:
            self.curve.append((self.step, float(torch.stack(self._losses).mean()), rate))
            self._losses = []

    def finish(self) -> nn.Module:
        """The trained network: averaged weights if averaging is on."""
        with torch.no_grad():
            for weights, average in zip(self.net.parameters(), self.average, strict=False):
                weights.copy_(average)
        return self.net.eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "curve": self.curve,
            "losses": self._losses,
        }
        keep(path, state)

    def restore(self, path: Path) -> None:
        """Take up a checkpoint; one that cannot be read is dropped, and the run starts anew."""
        device = next(self.net.parameters()).device
        state = read_kept(path, device)
        if state is None:
            return
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.average = state["step"], state["average"]
        self.curve, self._losses = state["curve"], state["losses"]
        self.resumed_at = self.step


def learning_rate(config: Training, step: int) -> float:
    """Adam's rate at `step`: linear warm-up, then constant or cosine to 0."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.decay == "cosine":
        progress = (step - config.warmup) / (config.iterations - config.warmup)
        return config.lr * (1 + math.cos(math.pi * progress)) / 2
    return config.lr


def train(
    net: nn.Module,
    objective: Objective,
    config: Training,
    seed: int,
    names: tuple,
    state: Path,
    what: str,
) -> TrainingRun:
    """Minimise `objective` for the configured number of steps.

    Args:
        net: the network with its initial weights, on its device.
        objective: (net, stream, step) to a scalar loss.
        config: architecture and training.
        seed, names: step k draws from `stream(seed, *names, k)`.
        state: folder for the checkpoint; a checkpoint in it is taken up.
        what: title of the progress bar.
    """
    run, checkpoint = TrainingRun(net.train(), config), state / CHECKPOINT
    if checkpoint.exists():
        run.restore(checkpoint)
        if run.step:
            print(f"resumed {what} at step {run.step}", flush=True)
    with bar(config.iterations, what, run.step) as progress:
        while run.step < config.iterations:
            run.advance(objective(net, stream(seed, *names, run.step), run.step))
            progress.update()
            if run.curve and run.step % config.log_every == 0:
                progress.set_postfix(loss=f"{run.curve[-1][1]:.4g}", refresh=False)
            if run.step % config.checkpoint_every == 0:
                run.save(checkpoint)
    run.finish()
    return run


def curve_csv(run: TrainingRun) -> str:
    """The learning curve; loss is the mean since the line before."""
    return CURVE_HEADER + "".join(f"{k},{loss:.6g},{rate:.6g}\n" for k, loss, rate in run.curve)
