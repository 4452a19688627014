"""`nsgf plan`: what a preset will take before it runs, and how good that was afterwards."""

import json
from pathlib import Path

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.ops.plan.check import Compared, compare
from nsgf.ops.plan.forecast import forecast
from nsgf.ops.plan.history import history
from nsgf.ops.plan.show import columns, duration, size, table
from nsgf.ops.plan.store import described
from nsgf.ops.plan.total import limits_of, total


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
        print(table(whole, planned, limits, total(planned, limits)))


def _check(whole: Preset, as_json: bool) -> None:
    origin, found = compare(whole)
    if as_json:
        rows = [vars(c) | {"ratio": c.ratio} for c in found]
        print(json.dumps({"preset": whole.name, "origin": origin, "compared": rows}, indent=1))
        return
    print(f"{whole.name}: forecast / measured, from {origin}")
    rows = [("", "jobs", "forecast", "measured", "ratio"), *map(_row, found)]
    print("\n".join(columns(rows, left=(0,))))


def _row(c: Compared) -> tuple[str, ...]:
    if c.unit == "s":
        values = duration(c.forecast), duration(c.measured)
    else:
        scale = {"MB": 1e6, "bytes": 1}[c.unit]
        values = size(c.forecast * scale), size(c.measured * scale)
    return c.what, str(c.jobs), *values, "-" if c.ratio is None else f"{c.ratio:.2f}"
