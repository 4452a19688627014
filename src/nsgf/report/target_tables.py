"""The table on training targets: how wrong each solver's are, and what exact ones change.

One row for each data set x solver setting. Errors are those of `nsgf.metrics.targets`: relative at
the first step, its mean and its largest over the flow; bias and gain at the first step, where
velocities are largest; intervals over minibatch problems. A setting that NSGF was also trained on
carries that network's W2, and GeomLoss's the change: W2 with exact targets less W2 with GeomLoss's,
paired by training and sampling seed, which share noise, test points and initial weights.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nsgf.metrics.interval import Interval, student_t
from nsgf.registry import DATASETS
from nsgf.report.tables import collect, interval_of
from nsgf.report.verdict import MIN_SEEDS

ABOUT = ["dataset", "solver", "scaling", "n", "blur", "step_size", "steps", "n_problems"]
MEASURES = ["first", "mean", "largest", "bias", "gain"]
TRAINED = ["w2", "change"]
COLUMNS = [
    *ABOUT,
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
    *(f"{name}{end}" for name in TRAINED for end in ("", "_low", "_high")),
    "n_seeds",
    "verdict",
]
SMALLEST = 0.001  # per cent that is printed
SENTENCES = {
    "lower": "exact targets lower W2",
    "higher": "exact targets raise W2",
    "same": "exact targets do not measurably change W2",
    "few": f"fewer than {MIN_SEEDS} seeds: no verdict",
}


def table(
    measured: Sequence[Mapping],
    trained: Mapping[str, Mapping[str, Mapping]],
    confidence: float,
) -> pd.DataFrame:
    """Rows of every data set in `measured`, in its order.

    Args:
        measured: bodies of the stage `targets`.
        trained: data set -> key of a setting (`key_of`) -> metrics of the NSGF that was trained on
            it; the newton setting's and one other's.
        confidence: of the intervals.
    """
    rows = []
    for body in measured:
        changes = _changes(trained.get(body["dataset"], {}), confidence)
        for setting in body["settings"]:
            about = {"dataset": body["dataset"], "solver": setting["backend"], **body["flow"]}
            about |= {"scaling": setting["scaling"], "n": body["n"]}
            about["n_problems"] = len(setting["problems"])
            row = about | _errors(setting["problems"], confidence)
            rows.append(row | changes.get(key_of(setting), {}))
    return pd.DataFrame(rows, columns=COLUMNS)


def key_of(setting: Mapping) -> str:
    """A setting's name: `newton`, `geomloss 0.8`."""
    scaling = setting["scaling"]
    return setting["backend"] if scaling is None else f"{setting['backend']} {scaling:g}"


def verdict(change: Interval) -> str:
    """What exact targets do to W2, in words."""
    if change.n < MIN_SEEDS:
        return SENTENCES["few"]
    if change.high < 0:
        return SENTENCES["lower"]
    return SENTENCES["higher" if change.low > 0 else "same"]


def display(found: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it."""
    errors = {
        "velocity error, first step": "first",
        "velocity error, mean over the flow": "mean",
        "largest": "largest",
        "shared by all particles": "bias",
    }
    shown = {
        "data": [DATASETS[d].label for d in found["dataset"]],
        "targets by": [label(row) for _, row in found.iterrows()],
    }
    shown |= {head: [_share(r, name) for _, r in found.iterrows()] for head, name in errors.items()}
    shown |= {
        "length": [_plain(r, "gain") for _, r in found.iterrows()],
        "problems": [f"{n:d}" for n in found["n_problems"]],
        "W2 of NSGF": [_plain(r, "w2") for _, r in found.iterrows()],
        "exact less GeomLoss": [_plain(r, "change", signed=True) for _, r in found.iterrows()],
        "seeds": ["" if pd.isna(n) else f"{n:g}" for n in found["n_seeds"]],
        "verdict": found["verdict"].fillna(""),
    }
    return pd.DataFrame(shown)


def label(row: Mapping) -> str:
    """A setting as it is printed."""
    return (
        "ours (newton), float32" if pd.isna(row["scaling"]) else f"GeomLoss, {row['scaling']:.2f}"
    )


def _errors(problems: Sequence[Mapping], confidence: float) -> dict:
    """Each measure with its interval over problems."""
    relative = np.array([p["relative"] for p in problems])
    values = {
        "first": relative[:, 0],
        "mean": relative.mean(1),
        "largest": relative.max(1),
        "bias": np.array([p["bias"][0] for p in problems]),
        "gain": np.array([p["gain"][0] for p in problems]),
    }
    return _flat({name: student_t(v, confidence) for name, v in values.items()})


def _changes(trained: Mapping[str, Mapping], confidence: float) -> dict[str, dict]:
    """W2 of each trained setting, with the change beside GeomLoss's."""
    w2 = {key: _w2(body) for key, body in trained.items()}
    found = {key: _flat({"w2": interval_of(v, "value", confidence)}) for key, v in w2.items()}
    for key in w2:
        if key != "newton":
            pairs = w2["newton"].merge(w2[key], on=["seed", "sample"], validate="1:1")
            pairs["value"] = pairs["value_x"] - pairs["value_y"]
            change = interval_of(pairs, "value", confidence)
            found[key] |= _flat({"change": change}) | {"verdict": verdict(change)}
    for key, values in w2.items():
        found[key]["n_seeds"] = interval_of(values, "value", confidence).n
    return found


def _w2(body: Mapping) -> pd.DataFrame:
    lines = collect([body])
    return lines.loc[lines["metric"] == "w2", ["seed", "sample", "value"]]


def _flat(intervals: Mapping[str, Interval]) -> dict[str, float]:
    found = {}
    for name, interval in intervals.items():
        found |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _share(row: pd.Series, name: str) -> str:
    middle, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if max(middle, 0 if pd.isna(high) else high) < SMALLEST:
        return f"< {SMALLEST} %"
    # An error is not negative, whatever a symmetric interval says.
    around = "one problem" if pd.isna(low) else f"{max(low, 0.0):.2g}, {high:.2g}"
    return f"{middle:.2g} % [{around}]"


def _plain(row: pd.Series, name: str, signed: bool = False) -> str:
    middle, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(middle):
        return ""
    sign = "+" if signed else ""
    around = "one value" if pd.isna(low) else f"{low:{sign}.3f}, {high:{sign}.3f}"
    return f"{middle:{sign}.3f} [{around}]"
