"""Sets of samples from trained networks, with their cost and some whole paths."""

from collections.abc import Iterator

from nsgf.config.sample import SampleStage
from nsgf.engine.branch import Branch, Placed, split
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.errors import NsgfError
from nsgf.layout import PART
from nsgf.registry import METHODS, NETS, module_of

SET = {"samples": ".npy", "paths": ".npz", "cost": ".json"}
PARTS = {"samples": ".npy", "paths": ".npz"}


def tasks(outline: Outline) -> Iterator[Task]:
    """Every set of samples of every cell; where jobs share a set, its parts."""
    for branch in outline.branches:
        shards = branch.study.shards.sample
        for placed in branch.cells:
            if shards == 1:
                units, ends = branch.sets, {k: placed.samples + e for k, e in SET.items()}
            else:
                units = [part for whole in branch.sets for part in split(whole, shards)]
                ends = {k: placed.samples + PART + e for k, e in PARTS.items()}
            for unit in units:
                yield _task(branch, placed, unit, ends, shards)


def settings_of(branch: Branch, placed: Placed, shards: int = 1) -> SampleStage:
    """What decides the samples of a cell."""
    cell = placed.cell
    return SampleStage(
        seed=branch.seed,
        method=cell.method,
        nfe=cell.nfe,
        flow=cell.flow,
        sampling=cell.sampling,
        compute=branch.study.compute,
        shards=shards,
    )


def _task(branch: Branch, placed: Placed, unit, ends, shards: int = 1) -> Task:
    method, cell = METHODS[placed.cell.method], placed.cell
    inputs = {name: path.format(**unit) for name, path in placed.models.items()}
    inputs["data"] = branch.problem_files
    if method.nfe_of:
        inputs["spent"] = f"{branch.cell(method.nfe_of).samples}.json".format(**unit)
    nets = {NETS[training.net.kind] for training in cell.networks.values()}
    return branch.task(
        "sample",
        placed.samples,
        unit,
        settings=settings_of(branch, placed, shards),
        inputs=inputs,
        outputs={name: template.format(**unit) for name, template in ends.items()},
        modules=(method.sampler, *sorted(nets)),
        entries=(method,),
        temporary=shards > 1,
    )


def make(settings: SampleStage, unit, files) -> dict:
    """Draw one set (dataset, seed, sample), or one part of it (shard)."""
    from nsgf.data.problem import problem_from
    from nsgf.sample.files import write_part, write_set

    problem = problem_from(unit["dataset"], files.inputs.get("data"))
    drawn, device = draw(settings, unit, files, problem)
    if settings.shards > 1:
        write_part(files.outputs["samples"], drawn)
        return {"device": device}
    return {"device": device} | write_set(files.outputs["samples"], [drawn])


def draw(settings: SampleStage, unit, files, problem, x0=None):
    """Samples of a problem as a Batch in data units, and the name of their device.

    `x0` (n, d) are starting points, by default the set's own.

    Raises:
        NsgfError: they left the range of float32.
    """
    import math
    from dataclasses import replace

    import torch

    from nsgf.artifact import read_json
    from nsgf.device import as_computed, set_up
    from nsgf.nets.build import load
    from nsgf.progress import bar
    from nsgf.sample.run import Task as Drawing
    from nsgf.sample.run import draw_all

    device, method = set_up(settings.compute), METHODS[settings.method]
    nfe = settings.nfe
    if "spent" in files.inputs:  # another method's mean NFE, rounded up
        nfe = math.ceil(read_json(files.inputs["spent"])["nfe"] - 1e-9)
    models = {name: files.inputs[name] for name in method.networks}
    networks = {
        name: {n: as_computed(net, settings.compute) for n, net in load(path, device).items()}
        for name, path in models.items()
    }
    x0 = _starts(settings, unit, problem, device) if x0 is None else x0.to(device)
    what = f"{settings.method} {','.join(f'{k}={v}' for k, v in unit.items())}"
    with bar(len(x0), what) as progress, torch.no_grad():
        task = Drawing(networks, settings, nfe)
        drawn = draw_all(
            module_of(method.sampler).draw, task, x0, files.state, what, progress.update
        )
    if not bool(torch.isfinite(drawn.x).all()):
        raise NsgfError(
            "sampling left the range of float32",
            "train longer or with a smaller lr; look at the learning curves beside the networks",
            networks=", ".join(str(p) for p in models.values()),
        )
    path = problem.in_units(drawn.path) if len(drawn.path) else drawn.path
    return replace(drawn, x=problem.in_units(drawn.x), path=path), str(device)


def _starts(settings: SampleStage, unit, problem, device):
    """Starting points of a set or of a part, (n, d); a part has those that it has in the set."""
    from nsgf.rng import stream
    from nsgf.shards import shard_rows

    n, size = settings.sampling.n_samples, settings.sampling.batch_size
    shared = settings.shards > 1
    rows = shard_rows(unit["shard"], settings.shards, n, size) if shared else slice(n)
    # Always drawn whole: the numbers of a part depend on all that stand before them.
    names = ("sample", unit["dataset"], unit["seed"], unit["sample"])
    numbers = stream(settings.seed, *names, device=device)
    return problem.to(device).source(n, numbers)[rows]
