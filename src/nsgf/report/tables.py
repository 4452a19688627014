"""A study's table: our cells with intervals, floors and verdicts beside every printed cell.

One row for each method x data set x NFE x metric. A method that shares its network with another
(`same_as` in the registry) prints that one's numbers with a mark; printed cells that were not run
say "not run".
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from nsgf.config.preset import Preset
from nsgf.config.published import PrintedRow, PrintedTable, Published
from nsgf.metrics.interval import Interval, student_t
from nsgf.registry import DATASETS, METHODS
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


def collect(measured: Sequence[Mapping]) -> pd.DataFrame:
    """One line a measurement from the metrics' JSON bodies.

    Numbers of the tests' stand-in for Inception are left out: they mean nothing.
    """
    return pd.DataFrame(
        [
            {
                "method": body["unit"]["method"],
                "dataset": body["unit"]["dataset"],
                "seed": body["unit"]["seed"],
                "sample": body["unit"]["sample"],
                "nfe": body["unit"]["nfe"],
                "spent": body["cost"]["nfe"],
                **row,
            }
            for body in measured
            for row in body["metrics"]
            if "standin" not in row["metric"]
        ]
    )


def interval_of(group: pd.DataFrame, column: str, confidence: float) -> Interval:
    """Student-t interval over training seeds; over sampling seeds where there is one training."""
    over_trainings = group["seed"].nunique() > 1
    values = group.groupby("seed")[column].mean() if over_trainings else group[column]
    return student_t(values.tolist(), confidence)


def table(
    study: str, measured: Sequence[Mapping], published: Published, preset: Preset
) -> pd.DataFrame:
    """The table of one study in the contract's columns."""
    lines = collect(measured)
    printed = published.tables[study]
    rows = [
        _row(study, keys, group, printed, preset)
        for keys, group in lines.groupby(
            ["method", "dataset", "nfe", "metric"], sort=False, dropna=False
        )
    ]
    rows += _aliases(rows, printed)
    rows += _not_run(study, rows, printed)
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found.iloc[_order(found, published, preset.studies[study].datasets)].reset_index(
        drop=True
    )


def _row(study: str, keys: tuple, group: pd.DataFrame, printed: PrintedTable, preset: Preset):
    method, dataset, nfe, metric = keys
    interval = interval_of(group, "value", preset.judging.confidence)
    one_training = group["seed"].nunique() == 1
    protocol = group["protocol"].iloc[0]
    if one_training:
        protocol += "; interval over sampling seeds of one training"
    n, spent = int(group["n"].iloc[0]), round(float(group["spent"].mean()), 1)
    target, row = _printed(printed, method, dataset, nfe, spent, metric)
    floor = group["floor"].mean() if group["floor"].notna().any() else None
    return {
        "table": study,
        "method": method,
        "dataset": dataset,
        "nfe": spent,
        "metric": metric,
        "protocol": protocol,
        "n_samples": n,
        "n_seeds": interval.n,
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "floor": floor,
        "published": target.value if target else None,
        "verdict": verdict(metric, interval, protocol, n, target) if target else "",
        "printed_row": row,
    }


def _printed(
    printed: PrintedTable, method: str, dataset: str, nfe, spent: float, metric: str
) -> tuple[Print | None, PrintedRow | None]:
    """The printed value of a cell; methods that find out their NFE match whatever is printed."""
    entry = printed.metrics().get(metric)
    for row in entry.values if entry else ():
        same_nfe = pd.isna(nfe) or row.nfe is None or row.nfe == round(spent)
        if row.method == method and same_nfe and dataset in row.values:
            value = row.values[dataset]
            return Print(value, entry.tolerance, printed.protocol, printed.n_samples), row
    return None, None


def _aliases(rows: list[dict], printed: PrintedTable) -> list[dict]:
    """Rows of methods that are another one's network under a second name."""
    found = []
    for name, method in METHODS.items():
        for row in (r for r in rows if r["method"] == method.same_as):
            target, printed_row = _printed(
                printed, name, row["dataset"], row["nfe"], row["nfe"], row["metric"]
            )
            if target:
                interval = Interval(row["mean"], row["ci_low"], row["ci_high"], row["n_seeds"])
                judged = verdict(row["metric"], interval, row["protocol"], row["n_samples"], target)
                mark = f"{row['protocol']}; same network as {method.same_as}"
                found.append(
                    row
                    | {
                        "method": name,
                        "protocol": mark,
                        "published": target.value,
                        "verdict": judged,
                        "printed_row": printed_row,
                    }
                )
    return found


def _not_run(study: str, rows: list[dict], printed: PrintedTable) -> list[dict]:
    """Printed cells without a row of ours that carries their value."""
    have = {(id(r["printed_row"]), r["dataset"], r["metric"]) for r in rows}
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


def _order(found: pd.DataFrame, published: Published, datasets: Sequence[str]) -> list[int]:
    """Paper's order of methods, ours after; run cells first."""
    methods = [*dict.fromkeys([*published.methods, *METHODS])]
    places = [*dict.fromkeys([*datasets, *DATASETS])]
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
