"""`nsgf sample`: sets of samples from trained networks, with their cost and some whole paths."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, digest, read_json, record, write_json, write_npy
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
from nsgf.sample.run import Samples, Task, draw_all
from nsgf.stages.unit import Unit, fill, require
from nsgf.state import WorkState


def run(
    config: Path,
    units: Sequence[Unit],
    data: Path | None,
    networks: Mapping[str, str],
    nfe_from: str | None,
    out: str,
) -> None:
    """Draw the samples of `units` (dataset, seed, sample).

    Args:
        config: a SampleStage.
        units: what to sample; a killed one goes on after its last batch.
        data: folder of the image sets.
        networks: path template of each network of the method.
        nfe_from: template of another method's .json, whose mean NFE (rounded up) this one spends.
        out: template of the samples, ending in .npy; .npz (paths) and .json (cost) go beside it.
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
        require(unit, "dataset", "seed", "sample")
        problem = open_problem(unit["dataset"], data)
        files = {name: fill(template, unit) for name, template in networks.items()}
        other = fill(nfe_from, unit) if nfe_from else None
        nfe = math.ceil(_read_nfe(other) - 1e-9) if other else stage.nfe
        _sample(stage, unit, problem, files, nfe, device, fill(out, unit), other)


def _sample(stage, unit, problem: Problem, files, nfe, device, out: Path, other) -> None:
    settings, n = stage.model_dump(mode="json"), stage.sampling.n_samples
    inputs = [*files.values(), *([other] if other else [])]
    networks = {name: load_network(p, device) for name, p in files.items()}
    used = {type(net).__module__ for net in networks.values()}
    code = stage_code("sample", unit["dataset"], method=stage.method, used=sorted(used))
    key = ["sample", settings, code, unit, str(device), [digest(p) for p in inputs]]
    what = f"{stage.method} {unit['dataset']} seed {unit['seed']}-{unit['sample']}"
    numbers = stream(stage.seed, "sample", unit["dataset"], unit["seed"], unit["sample"])
    task = Task(networks, stage, nfe)
    draw = module_of(METHODS[stage.method].sampler).draw
    with WorkState(key) as state:
        with bar(n, what) as progress, torch.no_grad():
            x0 = problem.source(n, numbers).to(device)
            drawn = draw_all(draw, task, x0, state, what, progress.update)
        _check_finite(drawn, files)
        cost = {"nfe": drawn.nfe, "nfe_max": drawn.nfe_max} | drawn.facts
        with atomic(out) as temporary:
            write_npy(temporary, drawn.x.numpy())
        with atomic(out.with_suffix(".npz")) as temporary:
            np.savez(temporary, path=drawn.path.numpy(), times=drawn.times.numpy())
        write_json(out.with_suffix(".json"), cost)
        record(
            *(out.with_suffix(ending) for ending in (".npy", ".npz", ".json")),
            stage="sample",
            config=settings,
            seed=stage.seed,
            code=code,
            inputs=inputs,
            facts={"unit": unit, "device": str(device)} | cost,
        )


def _read_nfe(path: Path) -> float:
    return read_json(path)["nfe"]


def _check_finite(drawn: Samples, files: Mapping[str, Path]) -> None:
    if not bool(torch.isfinite(drawn.x).all()):
        raise NsgfError(
            "sampling left the range of float32",
            "train longer or with a smaller lr; look at the learning curves beside the networks",
            networks=", ".join(str(p) for p in files.values()),
        )
