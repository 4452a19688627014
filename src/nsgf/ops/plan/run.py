"""`nsgf plan`: what a preset will take before it runs, and how good that was afterwards."""

import json
from pathlib import Path

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.ops.plan.check import compare
from nsgf.ops.plan.forecast import forecast
from nsgf.ops.plan.history import history
from nsgf.ops.plan.show import table
from nsgf.ops.plan.total import described, limits_of
from nsgf.ops.text import columns, duration, size


def run(preset: Path, profile: str | None, cores: int | None, as_json: bool, check: bool) -> None:
    """Print the forecast of `preset`, or with `check` the last run's beside what it took."""
    whole = load(preset, Preset)
    if check:
        _check(whole, as_json)
        return
    limits, planned = limits_of(profile, cores), forecast(whole, history())
    if as_json:
        print(json.dumps(described(planned, limits, whole), indent=1))
    else:
        print(table(whole, planned, limits))


def _check(whole: Preset, as_json: bool) -> None:
    origin, found = compare(whole)
    if as_json:
        print(json.dumps({"preset": whole.name, "origin": origin, "compared": found}, indent=1))
        return
    print(f"{whole.name}: forecast / measured, from {origin}")
    rows = [("", "jobs", "forecast", "measured", "ratio"), *map(_row, found)]
    print(columns(rows, right=range(1, 5)))


def _row(found: dict) -> tuple[str, ...]:
    scale = {"MB": 1e6, "bytes": 1}.get(found["unit"])
    told = [found["forecast"], found["measured"]]
    values = [duration(v) if scale is None else size(v * scale) for v in told]
    ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
    return found["what"], str(found["jobs"]), *values, ratio
