"""`nsgf sample`: sets of samples from trained networks, with their cost and some whole paths."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from nsgf.artifact import digest, read_json, record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.sample import SampleStage
from nsgf.data.problem import Problem, open_problem
from nsgf.device import set_up
from nsgf.errors import NsgfError
from nsgf.nets.build import load as load_network
from nsgf.progress import bar
from nsgf.registry import METHODS, lookup, module_of
from nsgf.rng import stream
from nsgf.sample.files import PART, SET, write_part, write_set
from nsgf.sample.run import Samples, Task, draw_all
from nsgf.shards import shard_rows
from nsgf.stages.unit import Unit, fill, require, unit_text
from nsgf.state import WorkState


def run(
    config: Path,
    units: Sequence[Unit],
    data: Path | None,
    networks: Mapping[str, str],
    nfe_from: str | None,
    shards: int | None,
    out: str,
) -> None:
    """Draw the samples of `units` (dataset, seed, sample; with `shards` also shard).

    Args:
        config: a SampleStage.
        units: what to sample; a killed one goes on after its last batch.
        data: folder of the image sets.
        networks: path template of each network of the method.
        nfe_from: template of another method's .json, whose mean NFE (rounded up) this one spends.
        shards: how many jobs share a set; each unit then is one part, for `nsgf gather` to join.
        out: template of the samples, ending in .npy; .npz (paths) and .json (cost) go beside it,
            or of a part only .npz, which holds both.
    """
    stage = load(config, SampleStage)
    missing = [n for n in lookup(METHODS, stage.method, "method").networks if n not in networks]
    if missing:
        raise NsgfError(
            f"method '{stage.method}' needs network '{missing[0]}'",
            f"give --network {missing[0]}=PATH",
        )
    device = set_up(stage.compute)
    for unit in units:
        require(unit, "dataset", "seed", "sample", *(["shard"] if shards else []))
        problem = open_problem(unit["dataset"], data)
        files = {name: fill(template, unit) for name, template in networks.items()}
        other = fill(nfe_from, unit) if nfe_from else None
        nfe = math.ceil(_read_nfe(other) - 1e-9) if other else stage.nfe
        _sample(stage, unit, shards, problem, files, nfe, device, fill(out, unit), other)


def _sample(stage, unit, shards, problem: Problem, files, nfe, device, out: Path, other) -> None:
    settings = stage.model_dump(mode="json")
    inputs = [*files.values(), *([other] if other else [])]
    networks = {name: load_network(p, device) for name, p in files.items()}
    used = {type(net).__module__ for net in networks.values()}
    code = stage_code("sample", unit["dataset"], method=stage.method, used=sorted(used))
    key = ["sample", settings, code, unit, shards, str(device), [digest(p) for p in inputs]]
    task, x0 = Task(networks, stage, nfe), _starts(stage, unit, shards, problem).to(device)
    draw = module_of(METHODS[stage.method].sampler).draw
    facts = {"unit": unit, "device": str(device)}
    with WorkState(key) as state:
        what = f"{stage.method} {unit_text(unit)}"
        with bar(len(x0), what) as progress, torch.no_grad():
            drawn = draw_all(draw, task, x0, state, what, progress.update)
        _check_finite(drawn, files)
        if shards:
            write_part(out, drawn)
            facts |= {"shards": shards}
        else:
            facts |= write_set(out, [drawn])
        record(
            *(out.with_suffix(ending) for ending in (PART if shards else SET)),
            stage="sample",
            config=settings,
            seed=stage.seed,
            code=code,
            inputs=inputs,
            facts=facts,
        )


def _starts(stage: SampleStage, unit: Unit, shards: int | None, problem: Problem) -> torch.Tensor:
    """Starting points of a set or of a part, (n, d); a part has those that it has in the set."""
    n, size = stage.sampling.n_samples, stage.sampling.batch_size
    rows = shard_rows(unit["shard"], shards, n, size) if shards else slice(n)
    # Always drawn whole: the numbers of a part depend on all that stand before them.
    numbers = stream(stage.seed, "sample", unit["dataset"], unit["seed"], unit["sample"])
    return problem.source(n, numbers)[rows]


def _read_nfe(path: Path) -> float:
    return read_json(path)["nfe"]


def _check_finite(drawn: Samples, files: Mapping[str, Path]) -> None:
    if not bool(torch.isfinite(drawn.x).all()):
        raise NsgfError(
            "sampling left the range of float32",
            "train longer or with a smaller lr; look at the learning curves beside the networks",
            networks=", ".join(str(p) for p in files.values()),
        )
