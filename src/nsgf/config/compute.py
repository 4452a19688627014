"""Where and with what a stage runs."""

from typing import Literal

from pydantic import Field

from nsgf.config.base import Model
from nsgf.numerics import Mode


class Compute(Model):
    """What can change a result's bytes is configuration, not the machine's."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes CUDA where there is a device."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of one process, count."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of products in networks: tf32 on GPUs that have it; bfloat16 by autocast, weights and sums in
    float32."""
    compile: bool = False
    """Whether networks are compiled before they run, which takes a minute and a C++ compiler."""
    numerics: Mode = "portable"
    """portable: the same bits on every x86-64 with AVX2 and FMA; native: what this processor does
    fastest."""


class Resources(Model):
    """What a stage asks of the scheduler; never part of a result."""

    mem_mb: int = Field(default=2000, ge=200)
    """Memory of one job, MB."""
    runtime_min: int = Field(default=60, ge=1)
    """Longest run of one job, minutes."""
    gpu: int = Field(default=0, ge=0)
    """GPUs of one job, count."""
    units_per_job: int = Field(default=1, ge=1)
    """How many units (data set, seed, shard) one process works through, count."""
