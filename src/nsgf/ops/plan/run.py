"""`nsgf plan`: what a preset will take before it runs, and how good that was afterwards."""

import json
from pathlib import Path

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.ops.plan import check as checking
from nsgf.ops.plan import total
from nsgf.ops.plan.forecast import best_forecast
from nsgf.ops.plan.schedule import limits_of


def run(
    preset: Path,
    only: str | None,
    profile: str | None,
    cores: int | None,
    gpu: str | None,
    as_json: bool,
    check: bool,
    fit: bool,
) -> None:
    """Print the forecast of a preset or a part of it, or with `check` the last run's beside what it
    took.

    With `fit` the shipped figures are made anew from that run.

    Raises:
        NsgfError: nothing is known of that kind of GPU, or as what it calls.
    """
    whole = load(preset, Preset).part(only)
    if fit:
        from nsgf.ops.plan.fit import refit

        print(refit(whole))
        return
    if check:
        origin, found = checking.compare(whole)
        told = {"preset": whole.name, "origin": origin, "compared": found}
        print(json.dumps(told, indent=1) if as_json else checking.text(whole.name, origin, found))
        return
    limits = limits_of(profile, cores)
    planned = best_forecast(whole, limits.jobs is None, gpu), limits, whole
    if as_json:
        print(json.dumps(total.described(*planned), indent=1))
        return
    print(total.text(*planned))
    if gpu:
        print(f"all times are the reference's, those of GPUs scaled to the kind {gpu}")
