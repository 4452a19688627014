"""What a GPU is measured by, a function for each piece that `tests.gpu.kit` starts.

A piece emits a row for everything that it has found, at once, so that a limit
that cuts it off costs no more than the row at hand; a unit ends each number's name.
"""

import contextlib
import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn.functional import mse_loss

from nsgf import numerics
from nsgf.config.base import load
from nsgf.config.compute import Compute
from nsgf.config.pool import PoolStage
from nsgf.config.preset import Preset
from nsgf.config.train import Training
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS

ROOT = Path(__file__).parents[2]
PAPER = load(ROOT / "config/paper.yaml", Preset)
STUDIES = {"table3": "mnist", "table2": "cifar10"}
EVALUATIONS = {"table3": 60, "table2": 59}  # a sample, as the paper prints
JOB = SimpleNamespace(device="cpu", scale=0.02)  # of who imports this without a kit
vars(JOB).update(json.loads(os.environ.get("NSGF_GPU_JOB", "{}")))
MiB = 1 << 20


def emit(**row) -> None:
    """Add a row to what this piece has found."""
    line = json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()})
    print(line, flush=True)
    with Path(JOB.rows).open("a") as rows:
        rows.write(line + "\n")


def left() -> float:
    """Seconds until this piece is ended."""
    return JOB.ends - time.time()


def scaled(count: int, least: int) -> int:
    """A size of the paper's at this run's scale."""
    return max(least, round(count * JOB.scale))


def compute(**changes) -> Compute:
    """How stages here compute: what serves them all goes in here."""
    return Compute(device=JOB.device, numerics=numerics.asked(), **changes)


def fast() -> dict:
    """How trainings do that are to get far: a GPU's fastest products that need no compiling."""
    return {"precision": "bfloat16"} if JOB.device == "cuda" else {}


def training(study: str, name: str, **changes) -> Training:
    """How the paper trains a network; narrower and on fewer samples below full scale."""
    found = PAPER.studies[study].networks[name]
    net = found.net
    if JOB.scale < 1 and net.kind == "unet":
        small = {"channels": 32, "depth": 1, "multipliers": (1, 2), "patch": 2}
        net = net.model_copy(update=small)
    return found.model_copy(
        update={"net": net, "batch_size": scaled(found.batch_size, 4)} | changes
    )


def pool_stage(study: str, batches: int) -> PoolStage:
    """The paper's pool, of so many minibatches and in one shard."""
    about = PAPER.studies[study]
    changes = {"batch_size": scaled(about.pool.batch_size, 16), "batches": batches, "shards": 1}
    pool = about.pool.model_copy(update=changes)
    return PoolStage(seed=PAPER.seed, flow=about.flow, pool=pool, compute=compute())


def clock() -> float:
    """Seconds, when all that was asked of the device is done."""
    if JOB.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_per_call(call: Callable[[int], object], at_most: float = 2.0) -> float:
    """Of as many calls as fit, after three; at least one. A call is given its number."""
    first = clock()
    for k in range(3):
        call(k)
        if clock() - first > at_most:
            break
    count, began = 0, clock()
    while not count or time.perf_counter() - began < at_most * min(1, 10 * JOB.scale):
        for _ in range(5 if count else 1):
            call(3 + count)
            count += 1
    return (clock() - began) / count


def machine() -> None:
    """The machine, the versions and the commit."""
    from importlib import metadata

    from nsgf.engine import provenance

    found = provenance.machine() | {"numerics": numerics.asked(), "torch": torch.__version__}
    for name in ("numpy", "scipy", "numba", "triton", "POT", "geomloss", "jax"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    if JOB.device == "cuda":
        about = torch.cuda.get_device_properties(0)
        found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        found |= {"gpu_memory_mib": about.total_memory // MiB}
        ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        with contextlib.suppress(OSError):
            found["driver"] = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
    packed = ROOT / "COMMIT"
    found["commit"] = packed.read_text().strip() if packed.exists() else provenance.commit()
    emit(**found)


def kernels() -> None:
    """Compile the CPU's loops, once on a machine."""
    from nsgf import compiled

    compiled.ensure()


def rates(compiled: bool = False) -> None:
    """Training and sampling rates of the paper's networks, on points that lie on the device."""
    order = ["float32", "tf32", "bfloat16"]
    if compiled:  # the fastest first: each costs a minute of compiling
        order.reverse()
    for precision in order if JOB.device == "cuda" else ("float32", "bfloat16"):
        for study in STUDIES:
            case = {"data": STUDIES[study], "precision": precision, "compiled": compiled}
            if left() < (30 if compiled else 5) * min(1, 10 * JOB.scale):
                emit(**case, skipped="no time left")
                continue
            torch.compiler.reset()
            _rate(study, case)
            if JOB.device == "cuda":
                torch.cuda.empty_cache()


def compiled_rates() -> None:
    """The same with torch.compile; on a CPU without its code generator."""
    rates(compiled=True)


def _rate(study: str, case: dict) -> None:
    """Rows of one network: training at the paper's batch, evaluating at its sampling batch."""
    from nsgf.device import as_computed, set_up
    from nsgf.nets.build import initialise
    from nsgf.train.learner import Regression

    config, shape = training(study, "velocity"), DATASETS[case["data"]].shape
    on_gpu, device = JOB.device == "cuda", torch.device(JOB.device)
    how = compute(precision=case["precision"], compile=case["compiled"] and on_gpu)
    if on_gpu:
        set_up(how)
    else:  # some of this has no portable numerics on a CPU; nothing rests on its bits
        how = how.model_copy(update={"numerics": "native"})
    net, d = initialise(config.net, shape, 0).to(device), math.prod(shape)
    run = as_computed(net, how)
    if case["compiled"] and not on_gpu:
        run = torch.compile(run, backend="eager")

    def points(n: int) -> list[torch.Tensor]:
        return [torch.randn(n, d, device=device), torch.rand(n, device=device)]

    given, target = points(config.batch_size), torch.randn(config.batch_size, d, device=device)
    learner = Regression(net, lambda *_: mse_loss(run(*given), target), config)
    _reset_peak()
    began = clock()
    learner.step(0, None)
    first, step = clock() - began, seconds_per_call(lambda k: learner.step(k, None))
    size = {"batch": config.batch_size, "first_step_s": first, "step_ms": 1e3 * step}
    emit(**case, what="training", **size, steps_per_s=1 / step, **_peak())
    n = scaled(PAPER.studies[study].sampling.batch_size, 8)
    given = points(n)
    _reset_peak()
    with torch.no_grad():
        once = seconds_per_call(lambda k: run(*given))
    images = n / once / EVALUATIONS[study]
    about = {"batch": n, "evaluation_ms": 1e3 * once, "evaluations_per_image": EVALUATIONS[study]}
    emit(**case, what="sampling", **about, images_per_s=images, **_peak())


def _reset_peak() -> None:
    if JOB.device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak() -> dict:
    on_gpu = JOB.device == "cuda"
    return {"peak_gpu_memory_mib": torch.cuda.max_memory_allocated() // MiB} if on_gpu else {}


CASE_ORDER = ("2d-blur0.5", "2d-batch", "mnist", "cifar10", "2d-blur0.05", "2d-1024", "2d-large")
PEERS = ("geomloss", "flash-sinkhorn", "ott", "geomloss-online", "pot-batch", "pot")


def bench() -> None:
    """Velocities beside other solvers', errors against a float64 flow, the quick first."""
    from nsgf.ops.bench.cases import CASES, inputs, reference
    from nsgf.ops.bench.measure import DEFAULT_TOL, Measurement, at_goal, measure
    from nsgf.ops.bench.solvers import SOLVERS, Method, paper

    device, exact = torch.device(JOB.device), {}
    for name in CASE_ORDER if JOB.scale == 1 else CASE_ORDER[:2]:
        case = CASES[name]
        batch = case.batch and scaled(case.batch, 2)
        case = replace(case, n=scaled(case.n, 32), batch=batch)
        try:
            points = [p.to(device) for p in inputs(case, Path(JOB.data))]
            path = reference(case, *points)
        except NsgfError as error:
            emit(case=name, skipped=error.what)
            continue
        exact[name] = case, path
        fixed = [Method("ours", "ours", DEFAULT_TOL), paper(case)]
        _emit_bench(name, measure(case, [Measurement(case, m) for m in fixed], path, name))
    for solver in PEERS if JOB.scale == 1 else PEERS[:2]:
        if why := SOLVERS[solver].missing(device):
            emit(method=solver, skipped=why)
            continue
        for name, (case, path) in exact.items():
            try:
                one = at_goal(case, solver, path)
                slow = one.pass_s > 3  # that pass is its time then
                _emit_bench(name, [one] if slow else measure(case, [one], path, name))
            except Exception as error:  # others' code on a device that it may not know
                emit(case=name, method=solver, failed=f"{type(error).__name__}: {error}"[:500])


def _emit_bench(name: str, measured) -> None:
    for m in measured:
        about = {"effort": m.method.effort, "n": m.case.n, "problems": m.case.batch or 1}
        found = {"ms_per_velocity": m.ms_per_velocity, "max_rel_error": f"{m.max_rel_error:.2e}"}
        emit(case=name, method=m.method.name, **about, **found)
