"""The table on training targets: how wrong each solver's are, and what exact ones change.

One row for each data set x solver setting. Errors are those of `nsgf.metrics.targets`: relative at
the first step, its mean and its largest over the flow; bias and gain at the first step, where
velocities are largest; intervals over minibatch problems. A setting that NSGF was also trained on
carries that network's W2, and GeomLoss's the change: W2 with exact targets less W2 with GeomLoss's,
paired by training and sampling seed, which share noise, test points and initial weights.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nsgf.artifact import read_json
from nsgf.config.figure import TableStage
from nsgf.metrics.interval import Interval, student_t
from nsgf.registry import DATASETS
from nsgf.report.render import Page
from nsgf.report.tables import collect, interval_of
from nsgf.report.verdict import MIN_SEEDS

ABOUT = ["dataset", "solver", "scaling", "n", "blur", "step_size", "steps", "n_problems"]
ERRORS = {  # column: as it is printed
    "first": "velocity error, first step",
    "mean": "velocity error, mean over the flow",
    "largest": "largest",
    "bias": "shared by all particles",
}
ENDS = ("", "_low", "_high")
COLUMNS = [
    *ABOUT,
    *(f"{name}{end}" for name in (*ERRORS, "gain", "w2", "change") for end in ENDS),
    "n_seeds",
    "verdict",
]
EXACT = ["newton", None]  # solver and scaling; one that converges has no scaling
SMALLEST = 0.001  # per cent that is printed
SENTENCES = {
    "lower": "exact targets lower W2",
    "higher": "exact targets raise W2",
    "same": "exact targets do not measurably change W2",
    "few": f"fewer than {MIN_SEEDS} seeds: no verdict",
}


def page(settings: TableStage, inputs: Mapping[str, list[Path]]) -> Page:
    """Rows of every data set: its targets' `errors`, and `metrics` of NSGFs trained on them.

    Of each data set at most two solver settings were trained on, the exact one and another.
    """
    confidence = settings.judging.confidence
    measured = [read_json(file) for file in inputs["errors"]]
    trained: dict[tuple, Mapping] = {}
    for body in map(read_json, inputs["metrics"]):
        flow = body["parameters"]["flow"]
        scaling = None if flow["backend"] == EXACT[0] else flow["scaling"]
        trained[body["dataset"], flow["backend"], scaling] = body
    rows = []
    for body in measured:
        for setting in body["settings"]:
            about = {"dataset": body["dataset"], "solver": setting["backend"], **body["flow"]}
            about |= {"scaling": setting["scaling"], "n": body["n"]}
            about["n_problems"] = len(setting["problems"])
            errors = _errors(setting["problems"], confidence)
            rows.append(about | errors | _w2(about, trained, confidence))
    found = pd.DataFrame(rows, columns=COLUMNS)
    title = f"How wrong the training targets were - {settings.title}"
    return Page(title, _notes(settings, measured, trained), found, display(found))


def _notes(settings: TableStage, measured: Sequence[Mapping], trained: Mapping) -> list[str]:
    """What a reader must know before the numbers."""
    percent = round(100 * settings.judging.confidence)
    problems = {len(setting["problems"]) for body in measured for setting in body["settings"]}
    found = [
        *settings.reduced,
        "Targets are the velocities that a trajectory pool stores. Velocity error: |v - v*| / |v*|"
        f" over all particles; {measured[0]['protocol']}.",
        "Shared by all particles: |mean(v - v*)| over the root mean square of v*; length: v's along"
        " v*, 1 if exact. Both at the first step, where velocities are largest.",
        f"Errors: {percent} % Student-t intervals over {' or '.join(map(str, sorted(problems)))}"
        " minibatch problems.",
    ]
    if trained:
        sets = next(iter(trained.values()))["sets"]
        train, sample = (len({one[seed] for one in sets}) for seed in ("seed", "sample"))
        found.append(
            f"W2: {percent} % Student-t over {train} training seeds, each the mean of {sample}"
            " sampling seeds. Both NSGFs have the same problems, network, steps, noise and test"
            " points, so that their difference is taken seed by seed."
        )
    return found


def _errors(problems: Sequence[Mapping], confidence: float) -> dict:
    """Each measure with its interval over problems."""
    relative = np.array([p["relative"] for p in problems])
    values = {
        "first": relative[:, 0],
        "mean": relative.mean(1),
        "largest": relative.max(1),
        "bias": [p["bias"][0] for p in problems],
        "gain": [p["gain"][0] for p in problems],
    }
    flat = [_flat(name, student_t(v, confidence)) for name, v in values.items()]
    return {column: value for columns in flat for column, value in columns.items()}


def _w2(about: Mapping, trained: Mapping[tuple, Mapping], confidence: float) -> dict:
    """W2 of the NSGF trained on a setting, with the change that exact targets make."""
    dataset, *setting = key = about["dataset"], about["solver"], about["scaling"]
    if key not in trained:
        return {}
    exact, mine = (
        lines.loc[lines["metric"] == "w2", ["seed", "sample", "value"]]
        for lines in (collect([trained[k]]) for k in ((dataset, *EXACT), key))
    )
    w2 = interval_of(mine, "value", confidence)
    found = _flat("w2", w2) | {"n_seeds": w2.n}
    if setting != EXACT:
        pairs = exact.merge(mine, on=["seed", "sample"], validate="1:1")
        pairs["value"] = pairs["value_x"] - pairs["value_y"]
        change = interval_of(pairs, "value", confidence)
        found |= _flat("change", change) | {"verdict": verdict(change)}
    return found


def _flat(name: str, interval: Interval) -> dict[str, float]:
    """An interval as three columns."""
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def verdict(change: Interval) -> str:
    """What exact targets do to W2, in words."""
    if change.n < MIN_SEEDS:
        return SENTENCES["few"]
    if change.high < 0:
        return SENTENCES["lower"]
    return SENTENCES["higher" if change.low > 0 else "same"]


def display(found: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it."""
    rows = found.to_dict("records")
    shown = {"data": [DATASETS[d].label for d in found["dataset"]]}
    shown["targets by"] = [
        "ours (newton), float32" if pd.isna(scaling) else f"GeomLoss, {scaling:.2f}"
        for scaling in found["scaling"]
    ]
    shown |= {head: [_share(row, name) for row in rows] for name, head in ERRORS.items()}
    shown |= {
        "length": [_plain(row, "gain") for row in rows],
        "problems": [f"{n:d}" for n in found["n_problems"]],
        "W2 of NSGF": [_plain(row, "w2") for row in rows],
        "exact less GeomLoss": [_plain(row, "change", "+.3f") for row in rows],
        "seeds": ["" if pd.isna(n) else f"{n:g}" for n in found["n_seeds"]],
        "verdict": found["verdict"].fillna(""),
    }
    return pd.DataFrame(shown)


def _share(row: Mapping, name: str) -> str:
    """An error in per cent."""
    middle, low, high = (100 * row[f"{name}{end}"] for end in ENDS)
    if max(middle, 0 if pd.isna(high) else high) < SMALLEST:
        return f"< {SMALLEST} %"
    # An error is not negative, whatever a symmetric interval says.
    around = "one problem" if pd.isna(low) else f"{max(low, 0.0):.2g}, {high:.2g}"
    return f"{middle:.2g} % [{around}]"


def _plain(row: Mapping, name: str, form: str = ".3f") -> str:
    """A number in its own unit; nothing where there is none."""
    middle, low, high = (row[f"{name}{end}"] for end in ENDS)
    if pd.isna(middle):
        return ""
    around = "one value" if pd.isna(low) else f"{low:{form}}, {high:{form}}"
    return f"{middle:{form}} [{around}]"
