"""A study's table: our cells with intervals, floors and verdicts beside every printed cell.

One row for each cell x data set x metric; what a study varies is a column of its own. A method that
shares its network with another (`same_as` in the registry) prints that one's numbers with a mark;
printed cells that were not run say "not run".
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from nsgf.config.cells import Cell, cells
from nsgf.config.published import PrintedTable, Published
from nsgf.config.study import Study
from nsgf.metrics.interval import Interval, student_t
from nsgf.registry import DATASETS, METHODS
from nsgf.report.finding import interval_of_row
from nsgf.report.verdict import Print, verdict

COLUMNS = [
    "table",
    "method",
    "dataset",
    "nfe",
    "metric",
    "protocol",
    "n_samples",
    "n_seeds",
    "mean",
    "ci_low",
    "ci_high",
    "floor",
    "published",
    "verdict",
]
NOT_RUN = "not run"
ONE_TRAINING = "interval over sampling seeds of one training"
NOTHING_PRINTED = PrintedTable(
    title="", metric="", protocol=None, why="", n_samples=0, tolerance=1, values=()
)


def collect(measured: Sequence[Mapping]) -> pd.DataFrame:
    """One line a measurement from the metrics of cells; `cell` of a body names its row.

    Numbers of the tests' stand-in for Inception are left out: they mean nothing.
    """
    return pd.DataFrame(
        [
            {
                "cell": body["cell"].path if "cell" in body else body["method"],
                "dataset": body["dataset"],
                "seed": one["seed"],
                "sample": one["sample"],
                "spent": one["cost"]["nfe"],
                **row,
            }
            for body in measured
            for one in body["sets"]
            for row in one["metrics"]
            if "standin" not in row["metric"]
        ]
    )


def interval_of(group: pd.DataFrame, column: str, confidence: float) -> Interval:
    """Student-t interval over training seeds; over sampling seeds where there is one training."""
    over_trainings = group["seed"].nunique() > 1
    values = group.groupby("seed")[column].mean() if over_trainings else group[column]
    return student_t(values.tolist(), confidence)


def table(
    name: str,
    measured: Sequence[Mapping],
    published: Published,
    study: Study,
    confidence: float,
) -> pd.DataFrame:
    """The table of one study: the contract's columns, and one for each varied setting.

    Args:
        name: of the study, and of the printed table that it is held against.
        measured: metrics of all cells on all data sets, each with its `cell`.
        published: of the study's paper.
        study: its settings.
        confidence: of intervals.
    """
    lines, known = collect(measured), {cell.path: cell for cell in cells(study)}
    printed = published.tables.get(name) or NOTHING_PRINTED
    rows = []
    for (path, _, _), group in lines.groupby(["cell", "dataset", "metric"], sort=False):
        cell = known[path]
        # Where several settings spend as much, nobody says which of them is the paper's.
        alone = [c.name for c in known.values() if c.nfe == cell.nfe].count(cell.name) == 1
        against = printed if alone else NOTHING_PRINTED
        rows.append(_beside(_row(name, cell, group, confidence), against, cell.nfe))
    rows += _aliases(rows, printed)
    rows += _not_run(name, rows, printed)
    found = pd.DataFrame(rows, columns=[*COLUMNS, *varied(study)])
    return found.iloc[_order(found, published, study)].reset_index(drop=True)


def varied(study: Study) -> list[str]:
    """Settings that vary, but for the NFE, which has a column of its own."""
    keys = dict.fromkeys(key for cell in cells(study) for key in cell.varied)
    return [key for key in keys if key != "nfe"]


def labels_of(study: Study, published: Published) -> dict[str, str]:
    """Printed names of rows: the paper's, ours, and the study's own."""
    found = dict(published.methods) | {name: m.label for name, m in METHODS.items()}
    return found | {cell.name: cell.label for cell in cells(study)}


def _row(name: str, cell: Cell, group: pd.DataFrame, confidence: float) -> dict:
    """What was measured of a cell by one metric on one data set."""
    interval, first = interval_of(group, "value", confidence), group.iloc[0]
    one_training = group["seed"].nunique() == 1
    aside = f"; {ONE_TRAINING}" if one_training else ""
    return {
        "table": name,
        "method": cell.name,
        "dataset": first["dataset"],
        "nfe": round(float(group["spent"].mean()), 1),
        "metric": first["metric"],
        "protocol": first["protocol"] + aside,
        "n_samples": int(first["n"]),
        "n_seeds": interval.n,
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "floor": group["floor"].mean() if group["floor"].notna().any() else None,
        **cell.varied,
    }


def _beside(row: dict, printed: PrintedTable, nfe: float | None) -> dict:
    """A row with the printed value of its method, if there is one, and the verdict.

    Args:
        row: of ours.
        printed: the printed table.
        nfe: of the cell; where a method finds out its own (None), any that is printed will do.
    """
    entry = printed.metrics().get(row["metric"])
    for line in entry.values if entry else ():
        same_nfe = nfe is None or line.nfe is None or line.nfe == round(row["nfe"])
        if line.method == row["method"] and same_nfe and row["dataset"] in line.values:
            value, judged = line.values[row["dataset"]], (row["protocol"], row["n_samples"])
            target = Print(value, entry.tolerance, printed.protocol, printed.n_samples)
            said = verdict(row["metric"], interval_of_row(row), *judged, target)
            return row | {"published": value, "verdict": said, "line": line}
    return row | {"published": None, "verdict": "", "line": None}


def _aliases(rows: list[dict], printed: PrintedTable) -> list[dict]:
    """Rows of methods that are another one's network under a second name."""
    found = []
    for name, method in METHODS.items():
        for row in (r for r in rows if r["method"] == method.same_as):
            mark = f"{row['protocol']}; same network as {method.same_as}"
            found.append(_beside(row | {"method": name, "protocol": mark}, printed, row["nfe"]))
    return [row for row in found if row["line"]]


def _not_run(study: str, rows: list[dict], printed: PrintedTable) -> list[dict]:
    """Printed cells without a row of ours that carries their value."""
    have = {(id(r["line"]), r["dataset"], r["metric"]) for r in rows}
    return [
        dict.fromkeys(COLUMNS)
        | {
            "table": study,
            "method": row.method,
            "dataset": dataset,
            "nfe": row.nfe,
            "metric": metric,
            "published": value,
            "verdict": NOT_RUN,
        }
        for metric, entry in printed.metrics().items()
        for row in entry.values
        for dataset, value in row.values.items()
        if (id(row), dataset, metric) not in have
    ]


def _order(found: pd.DataFrame, published: Published, study: Study) -> list[int]:
    """Paper's order of methods, ours after; run cells first."""
    methods = [*dict.fromkeys([*published.methods, *METHODS, *study.methods])]
    places = [*dict.fromkeys([*study.datasets, *DATASETS])]
    key = pd.DataFrame(
        {
            "run": found["verdict"].eq(NOT_RUN),
            "dataset": found["dataset"].map(places.index),
            "metric": found["metric"].map({m: i for i, m in enumerate(found["metric"].unique())}),
            "nfe": found["nfe"].fillna(0).astype(float),
            "method": found["method"].map(methods.index),
        }
    )
    return key.sort_values(list(key.columns), kind="stable").index.tolist()


def display(found: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """The table as people read it: numbers with their interval, names as printed.

    Args:
        found: a study's table.
        labels: printed names of methods.
    """
    named = zip(found["method"], aside(found), strict=True)
    return pd.DataFrame(
        {
            "method": [labels.get(m, m) + (f" ({told})" if told else "") for m, told in named],
            "data": [DATASETS[d].label for d in found["dataset"]],
            "NFE": found["nfe"].map(_count),
            "metric": found["metric"],
            "ours [interval]": [_interval(row) for _, row in found.iterrows()],
            "floor": found["floor"].map(_number),
            "published": found["published"].map(_number),
            "verdict": found["verdict"].replace("", "no printed value"),
            "seeds": found["n_seeds"].map(_count),
            "samples": found["n_samples"].map(_count),
            "protocol": found["protocol"].fillna(""),
        }
    )


def aside(found: pd.DataFrame) -> list[str]:
    """For each line, in words, the settings that tell it from others of its method and NFE.

    An NFE that a method finds out itself, and that is a mean, tells nothing.
    """
    run, words = found[found["mean"].notna()], dict.fromkeys(found.index, "")
    chosen = run["nfe"].where(run["nfe"] % 1 == 0)
    for _, alike in run.groupby(["method", chosen], dropna=False):
        keys = [k for k in found.columns[len(COLUMNS) :] if alike[k].nunique(dropna=False) > 1]
        for at, row in alike.iterrows():
            words[at] = ", ".join(f"{k} {_value(row[k])}" for k in keys if not pd.isna(row[k]))
    return list(words.values())


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _interval(row: pd.Series) -> str:
    if row["verdict"] == NOT_RUN:
        return NOT_RUN
    if pd.isna(row["ci_low"]):
        return f"{row['mean']:.3g} [one seed]"
    return f"{row['mean']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _count(value: float) -> str:
    return "" if pd.isna(value) else f"{value:g}"
