"""Clouds on their way, small enough for a page: what the player shows.

Clouds of more than two coordinates are seen along the target's first two principal axes.
"""

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nsgf.artifact import readable
from nsgf.config.cells import beside_nfe
from nsgf.config.figure import PanelOf
from nsgf.engine.branch import Branch
from nsgf.report.source import Panel, read, state_at
from nsgf.stages.figure import shown

FRAMES, POINTS = 41, 400
HALF = 32767  # int16 from edge to edge of the window
STRAY = 2e-3  # share of points that may lie beyond a side
ROOM = 1.06


def clouds(seed: int, branches: Sequence[Branch]) -> list[dict]:
    """For each data set with points that are no images: its label, the target's, each method's
    frames.

    Frame k shows every sample at the share k / 40 of its own path in evaluations, as figures do.
    Points are int16 in the window's units, base64: (points, 2), and (frames, points, 2).
    """
    found = []
    for branch in branches:
        spec = branch.spec
        wide = spec.is_drawn and math.prod(spec.shape) >= 2 and len(spec.shape) < 3
        if wide and (panels := list(_panels(branch))):
            found.append(_of(branch, seed, panels))
    return found


def _panels(branch: Branch) -> Iterator[Panel]:
    """Paths of the first set of each cell that keeps them."""
    aside = beside_nfe([placed.cell for placed in branch.cells])
    for placed in branch.cells:
        first = placed.samples.format(**branch.sets[0])
        file, cost = Path(f"{first}.npz"), Path(f"{first}.json")
        if placed.cell.sampling.solver != "dopri5" and file.exists() and cost.exists():
            with readable(f"'{cost}'"):  # paths see to themselves
                of = PanelOf(dataset=branch.dataset, cell=shown(placed.cell, aside))
                panel = read("paths", file, cost, of)
            yield panel


def _of(branch: Branch, seed: int, panels: list[Panel]) -> dict:
    from nsgf.report.planar import target_points  # loads torch
    from nsgf.report.style import method_colour

    whole, flat = target_points(seed, branch.dataset), lambda x: x
    if whole.shape[1] > 2:
        flat = _on_principal_axes(branch.dataset, whole)
    whole = flat(whole)
    target = whole[:: -(-len(whole) // POINTS)]  # of all of it: some laws draw in an order
    frames = [
        np.stack([flat(state_at(p, k / (FRAMES - 1))[:POINTS]) for k in range(FRAMES)])
        for p in panels
    ]
    ends = np.concatenate([target, *(f[j] for f in frames for j in (0, -1))])
    low, high = np.quantile(ends, [STRAY, 1 - STRAY], axis=0)
    centre, half = (low + high) / 2, ROOM * float((high - low).max()) / 2

    def packed(points: np.ndarray) -> str:
        whole = np.rint((points - centre) / half * HALF).clip(-HALF, HALF).astype("<i2")
        return base64.b64encode(whole.tobytes()).decode()

    methods = [
        {
            "label": panel.method_title,
            "colour": "#"
            + "".join(f"{round(255 * c):02x}" for c in method_colour(panel.cell.method)),
            "points": len(f[0]),
            "frames": packed(f),
        }
        for panel, f in zip(panels, frames, strict=True)
    ]
    label = branch.spec.label + (", two principal axes" if branch.spec.shape != (2,) else "")
    return {"label": label, "target": packed(target), "methods": methods}


def _on_principal_axes(dataset: str, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What takes points (n, d) to the two axes (n, 2) of a target (m, d), in standardised units."""
    import torch

    from nsgf.data.problem import open_problem
    from nsgf.report.projection import principal

    problem = open_problem(dataset, None)

    def standard(points: np.ndarray) -> np.ndarray:
        return problem.standard(torch.from_numpy(points)).numpy()

    mean, axes, _ = principal(standard(target))
    return lambda points: (standard(points) - mean) @ axes
