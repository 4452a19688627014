"""The table of a study's probes: bias and deviation of minibatch velocities, errors of sweeps.

A row for each data set and setting; intervals over populations, and over problems.
"""

import math

import pandas as pd

from nsgf.artifact import read_json
from nsgf.config.figure import TableStage
from nsgf.metrics.interval import student_t
from nsgf.registry import DATASETS
from nsgf.report.render import Page

ABOUT = ["dataset", "what", "blur", "step", "n", "sweeps"]
MEASURED = {  # by what is looked at
    "minibatch": ("bias_squared", "variance"),
    "sweeps": ("first", "mean"),
}
ENDS = ("", "_low", "_high")
WORDS = {"minibatch": "velocity from minibatches of n", "sweeps": "velocity after plain sweeps"}


def page(settings: TableStage, inputs) -> Page:
    """From the `probes` of data sets."""
    found = table([read_json(file) for file in inputs["probes"]], settings.judging.confidence)
    notes = [
        *settings.reduced,
        "Bias: |E[v_n | x] - v|, root mean square over particles x, v the velocity of a population"
        " from which minibatches of n are drawn; deviation: that of v_n about E[v_n | x]. Both over"
        " the root mean square of v. A squared bias is estimated without bias and may come out"
        " below 0: it then is not told from none.",
        "Sweeps: |v - v*| / |v*| over all particles of a problem, v after so many plain Sinkhorn"
        " sweeps from a potential of 0, at the start of the exact flow and as a mean over it.",
    ]
    title = f"Velocities of minibatches and of few sweeps - {settings.title}"
    return Page(title, notes, found, display(found))


def table(bodies: list[dict], confidence: float) -> pd.DataFrame:
    """Means with intervals, one row a setting.

    Args:
        bodies: what was found on each data set. confidence: of intervals.
    """
    rows = []
    for body in bodies:
        lines = pd.DataFrame(body["rows"])
        for what, columns in MEASURED.items():
            mine = lines[lines["what"] == what]
            keys = [k for k in ABOUT[1:] if mine[k].notna().any()] if len(mine) else []
            for values, group in mine.groupby(keys, sort=False) if keys else ():
                row = {"dataset": body["dataset"]} | dict(zip(keys, values, strict=True))
                for column in columns:
                    one = student_t(group[column].tolist(), confidence)
                    ends = {f"{column}_low": one.low, f"{column}_high": one.high}
                    row |= {column: one.mean} | ends
                rows.append(row | {"repeats": len(group)})
    measured = [f"{c}{e}" for columns in MEASURED.values() for c in columns for e in ENDS]
    return pd.DataFrame(rows, columns=[*ABOUT, *measured, "repeats"])


def display(found: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it."""
    rows = found.to_dict("records")
    return pd.DataFrame(
        {
            "data": [DATASETS[row["dataset"]].label for row in rows],
            "what": [WORDS[row["what"]] for row in rows],
            "blur": [_count(row["blur"]) for row in rows],
            "step": [_count(row["step"]) for row in rows],
            "n": [_count(row["n"]) for row in rows],
            "sweeps": [_count(row["sweeps"]) for row in rows],
            "bias": [_root(row, "bias_squared") for row in rows],
            "deviation": [_root(row, "variance") for row in rows],
            "error at the start": [_share(row, "first") for row in rows],
            "error over the flow": [_share(row, "mean") for row in rows],
            "repeats": [_count(row["repeats"]) for row in rows],
        }
    )


def said(found: pd.DataFrame) -> list[str]:
    """Nothing in sentences: the figure tells it."""
    return []


def main(shown: pd.DataFrame) -> pd.DataFrame:
    """What a reader sees first."""
    columns = ["data", "blur", "step", "n", "sweeps", "bias", "deviation", "error over the flow"]
    return shown[columns]


def _count(value: float) -> str:
    return "" if pd.isna(value) else f"{value:g}"


def _root(row: dict, name: str) -> str:
    """A square as what it is the square of."""
    return _shown(*(math.sqrt(max(v, 0.0)) if v == v else v for v in _ends(row, name)))


def _share(row: dict, name: str) -> str:
    return _shown(*_ends(row, name))


def _ends(row: dict, name: str) -> tuple[float, ...]:
    return tuple(row[f"{name}{end}"] for end in ENDS)


def _shown(middle: float, low: float, high: float) -> str:
    """A number with its interval in per cent; nothing where there is none."""
    if math.isnan(middle):
        return ""
    around = "one value" if math.isnan(low) else f"{100 * max(low, 0.0):.2g}, {100 * high:.2g}"
    return f"{100 * middle:.2g} % [{around}]"
