"""Jobs that draw samples, for one data set of one study."""

from collections.abc import Iterator, Sequence

from nsgf.codehash import stage_code
from nsgf.config.sample import SampleStage
from nsgf.jobs.branch import Branch, filled, split
from nsgf.jobs.job import Job
from nsgf.layout import PART, Cell, Unit, sample_units, with_sidecars
from nsgf.registry import METHODS, NETS, NETWORKS


def samplings(branch: Branch, cell: Cell) -> Iterator[Job]:
    """Sets of samples of one cell; where jobs share a set, its parts and then the whole."""
    dataset, shards = branch.dataset, branch.study.shards.sample
    settings, units = _settings(branch, cell), sample_units(branch.study, dataset)
    whole = [branch.layout.samples(dataset, cell, e) for e in (".npy", ".npz", ".json")]
    if shards == 1:
        yield from _drawings(branch, cell, settings, units, whole)
    else:
        parts = [branch.layout.samples(dataset, cell, PART + e) for e in (".npy", ".npz")]
        yield from _drawings(branch, cell, settings, split(units, shards), parts)
        yield from _gatherings(branch, cell, settings, parts, whole)


def _settings(branch: Branch, cell: Cell) -> SampleStage:
    study, flow = branch.study, _flow(branch, cell)
    return SampleStage(
        seed=branch.seed,
        method=cell.method,
        nfe=cell.nfe,
        flow=study.trajectories[flow].flow if flow else None,
        sampling=study.sampling,
        compute=study.compute,
    )


def _flow(branch: Branch, cell: Cell) -> str | None:
    method = METHODS[cell.method]
    return branch.study.flow_name(cell.nfe, method.backend) if method.needs_pool else None


def _drawings(
    branch: Branch, cell: Cell, settings: SampleStage, units: list[Unit], made: Sequence[str]
) -> Iterator[Job]:
    """Jobs that draw `units`: sets of samples, or parts of sets where these are shared."""
    study, paths, dataset = branch.study, branch.layout, branch.dataset
    method, flow, shards = METHODS[cell.method], _flow(branch, cell), study.shards.sample
    models = {
        n: paths.model(dataset, n, flow if NETWORKS[n].needs_pool else None)
        for n in method.networks
    }
    used = tuple({NETS[study.networks[n].net.kind] for n in method.networks})
    needed, options = [*models.values()], [("network", f"{n}={p}") for n, p in models.items()]
    if method.nfe_of:
        other = paths.samples(dataset, Cell(method.nfe_of, None), ".json")
        needed, options = [*needed, other], [*options, ("nfe-from", other)]
    if shards > 1:
        options.append(("shards", str(shards)))
    for part, chunk in branch.chunks("sample", units):
        yield branch.job(
            "sample",
            "sample",
            f"{cell.name}-{part}",
            chunk,
            config=(f"sample-{cell.name}", settings),
            inputs=filled(needed, chunk) + branch.data("train_images", "train_labels"),
            outputs=filled(made, chunk),
            options=[*options, ("out", made[0])],
            code=stage_code("sample", dataset, method=cell.method, used=used),
            temporary=shards > 1,
        )


def _gatherings(
    branch: Branch, cell: Cell, settings: SampleStage, parts: Sequence[str], whole: Sequence[str]
) -> Iterator[Job]:
    """Jobs that join the parts of sets."""
    shards = branch.study.shards.sample
    for part, chunk in branch.chunks("gather", sample_units(branch.study, branch.dataset)):
        yield branch.job(
            "gather",
            "gather",
            f"{cell.name}-{part}",
            chunk,
            config=(f"sample-{cell.name}", settings),
            inputs=with_sidecars(filled(parts, split(chunk, shards))),
            outputs=filled(whole, chunk),
            options=[("parts", parts[0]), ("shards", str(shards)), ("out", whole[0])],
            code=stage_code("gather"),
        )
