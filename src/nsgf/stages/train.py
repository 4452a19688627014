"""`nsgf train`: one network for each unit, resumed bit for bit after a kill."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import digest, record, write_text
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.train import TrainStage
from nsgf.data.problem import Problem, open_problem, training_files
from nsgf.device import set_up
from nsgf.errors import NsgfError
from nsgf.flows.pool import open_pool, storage_of
from nsgf.nets.build import initialise, save
from nsgf.registry import BACKENDS, NETS, NETWORKS, SHARD_META, STORAGES, lookup, module_of
from nsgf.stages.unit import Unit, fill, require
from nsgf.state import WorkState
from nsgf.train.loop import curve_csv, train


def run(
    config: Path, units: Sequence[Unit], data: Path | None, pools: Sequence[str], out: str
) -> None:
    """Train the networks of `units` (dataset, seed) into files `out`; curves go beside them.

    Args:
        config: a TrainStage.
        units: what to train.
        data: folder of the image sets.
        pools: path templates of the pool's shards, for networks that learn from a pool.
        out: path template of the network, ending in .safetensors.
    """
    stage = load(config, TrainStage)
    entry = lookup(NETWORKS, stage.network, "network")
    if entry.needs_pool and not pools and stage.streaming is None:
        raise NsgfError(
            f"network '{stage.network}' learns from a pool",
            "give --pool, or the settings of a streaming one",
        )
    for unit in units:
        require(unit, "dataset", "seed")
        problem = open_problem(unit["dataset"], data)
        _train(stage, unit, problem, pools, training_files(unit["dataset"], data), fill(out, unit))


def _train(
    stage: TrainStage, unit: Unit, problem: Problem, pools: Sequence[str], data: list, out: Path
) -> None:
    device, training = set_up(stage.compute), stage.training
    shards = [fill(pool, unit) for pool in pools]
    pool, pool_files, pool_code = _open_pool(stage, unit, problem, shards)
    used = (NETS[training.net.kind], *pool_code)
    code = stage_code("train", unit["dataset"], network=stage.network, used=used)
    inputs = data + pool_files
    settings = stage.model_dump(mode="json")
    names = ("train", stage.network, unit["dataset"], unit["seed"])
    net = initialise(training.net, problem.shape, stage.seed, *names).to(device)
    loss = module_of(NETWORKS[stage.network].module).objective(
        problem, pool, training.batch_size, device
    )
    key = ["train", settings, code, unit, str(device), [digest(p) for p in inputs]]
    with WorkState(key) as state:
        what = f"{stage.network} {unit['dataset']} seed {unit['seed']}"
        result = train(net, loss, training, stage.seed, names, state, what)
        save(out, result.net, training.net, problem.shape)
        write_text(out.with_suffix(".csv"), curve_csv(result))
        facts = {
            "unit": unit,
            "parameters": sum(p.numel() for p in net.parameters()),
            "resumed_at": result.resumed_at,
            "device": str(device),
        }
        record(
            out,
            out.with_suffix(".csv"),
            stage="train",
            config=settings,
            seed=stage.seed,
            code=code,
            inputs=inputs,
            facts=facts,
        )


def _open_pool(stage: TrainStage, unit: Unit, problem: Problem, shards: list[Path]):
    """The pool to learn from (or None), the files that it reads, and the modules that it runs."""
    if stage.streaming:
        used = (
            STORAGES["streaming"].module,
            lookup(BACKENDS, stage.streaming.flow.backend, "backend"),
        )
        return module_of(used[0]).StreamingPool(problem, stage.streaming, unit), [], used
    if not shards:
        return None, [], ()
    storage = storage_of(shards[0])
    files = [shard / name for shard in shards for name in (*storage.files, SHARD_META)]
    return open_pool(shards, problem), files, (storage.module,)
