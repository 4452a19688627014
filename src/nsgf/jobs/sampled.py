"""Jobs that draw samples, for one data set of one study."""

from collections.abc import Iterator

from nsgf.codehash import stage_code
from nsgf.config.sample import SampleStage
from nsgf.jobs.branch import Branch, filled
from nsgf.jobs.job import Job
from nsgf.layout import Cell, sample_units
from nsgf.registry import METHODS, NETS, NETWORKS


def samplings(branch: Branch, cell: Cell) -> Iterator[Job]:
    """Sets of samples of one cell."""
    study, paths, dataset = branch.study, branch.layout, branch.dataset
    method = METHODS[cell.method]
    flow = study.flow_name(cell.nfe, method.backend) if method.needs_pool else None
    models = {
        n: paths.model(dataset, n, flow if NETWORKS[n].needs_pool else None)
        for n in method.networks
    }
    settings = SampleStage(
        seed=branch.seed,
        method=cell.method,
        nfe=cell.nfe,
        flow=study.trajectories[flow].flow if flow else None,
        sampling=study.sampling,
        compute=study.compute,
    )
    used = tuple({NETS[study.networks[n].net.kind] for n in method.networks})
    needed, options = [*models.values()], [("network", f"{n}={p}") for n, p in models.items()]
    if method.nfe_of:
        other = paths.samples(dataset, Cell(method.nfe_of, None), ".json")
        needed, options = [*needed, other], [*options, ("nfe-from", other)]
    made = [paths.samples(dataset, cell, e) for e in (".npy", ".npz", ".json")]
    for part, chunk in branch.chunks("sample", sample_units(study, dataset)):
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
        )
