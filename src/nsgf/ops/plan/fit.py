"""Shipped figures, made anew from a finished run and from the blocks of the machine that ran it.

A rate r_k is fitted in logarithms: with a_jk the units of k in job j, which took t_j seconds, and
s_k the rate so far, at this machine's speed, sum_j (t_j / mean t) log^2(sum_k a_jk r_k / t_j) +
PULL^2 sum_k log^2(r_k / s_k) is least. So what the jobs do not tell apart moves together, and what
no job did stays.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import least_squares

from nsgf.artifact import write_text
from nsgf.config.preset import Preset
from nsgf.engine.provenance import machine
from nsgf.errors import NsgfError
from nsgf.ops.plan.calibrate import scaled, seconds
from nsgf.ops.plan.history import Measured, measured_jobs
from nsgf.ops.plan.reference import FILE, reference

PULL = 0.3


def refit(preset: Preset) -> str:
    """Write CPU rates and seconds of blocks to reference.yaml; what changed by how much, as a text.

    Raises:
        NsgfError: no job of the preset's has run to its end here, on this machine.
    """
    ran = [m for m in measured_jobs(preset) if m.work.device == "cpu"]
    if not ran:
        raise NsgfError(
            f"no job of preset {preset.name} has run here on a CPU",
            f"run make reproduce PRESET={preset.name} on a quiet machine, then fit again",
        )
    here, old = seconds(), reference()["seconds"]["cpu"]
    rates = fitted(ran, scaled(old, here))
    about = machine()
    name = f"{about['cores']} cores of {about['processor']} ({about['vectors']}), all busy"
    write_text(FILE, rewritten(FILE.read_text(), rates, here, name))
    changes = [f"{rate}: x {rates[rate] / old[rate]:.2f}" for rate in rates]
    return "\n".join([f"{FILE}, from {len(ran)} jobs of {preset.name}", *changes])


def fitted(ran: Sequence[Measured], rates: Mapping[str, float]) -> dict[str, float]:
    """The rates nearest to `rates` under which the jobs that `ran` take what they took."""
    names = list(rates)
    ran = [m for m in ran if m.seconds and m.work.known]
    costs = np.array([[_amount(m, k, rates) * rates[k] for k in names] for m in ran])
    taken = np.array([m.seconds for m in ran])
    weights = np.sqrt(taken / taken.mean())

    def off(logs: np.ndarray) -> np.ndarray:
        return np.concatenate([weights * np.log(costs @ np.exp(logs) / taken), PULL * logs])

    found = np.exp(least_squares(off, np.zeros(len(names))).x)
    return {name: rates[name] * factor for name, factor in zip(names, found, strict=True)}


def _amount(ran: Measured, rate: str, rates: Mapping[str, float]) -> float:
    """How much of a rate a job needs; "start default" is of stages without a rate of their own."""
    own = ran.work.amounts.get(rate, 0.0)
    if rate != "start default":
        return own
    others = (n for k, n in ran.work.amounts.items() if k.startswith("start") and k not in rates)
    return own + sum(others)


def rewritten(
    text: str, rates: Mapping[str, float], here: Mapping[str, float], machine: str
) -> str:
    """The text of reference.yaml with other CPU rates, seconds of blocks and machine."""
    lines = {rf"    {re.escape(rate)}: ": value for rate, value in rates.items()}
    lines |= {rf"  {re.escape(name)}: {{seconds: ": value for name, value in here.items()}
    for before, value in lines.items():  # the CPU's rates stand first
        figure = f"{value:.2e}" if value < 1e-3 else f"{value:.3g}"
        text = re.sub(rf"(?m)^({before})[\d.e+-]+", rf"\g<1>{figure}", text, count=1)
    return re.sub(r'(?m)^  cpu: ".*"', f'  cpu: "{machine}"', text, count=1)
