"""Jobs that build pools and train networks, for one data set of one study."""

from collections.abc import Iterator

from nsgf.codehash import stage_code
from nsgf.config.pool import Pool, PoolStage
from nsgf.config.preset import Study
from nsgf.config.train import TrainStage
from nsgf.jobs.branch import Branch, filled, split
from nsgf.jobs.job import Job
from nsgf.layout import cells
from nsgf.registry import BACKENDS, METHODS, NETS, NETWORKS, SHARD_CURVE, SHARD_META, STORAGES


def networks_of(study: Study) -> list[tuple[str, str | None]]:
    """Networks that the cells and feature spaces of a study need, each with its flow if it has one.

    A network that two methods share is trained once.
    """
    found: dict[tuple[str, str | None], None] = {}
    for cell in cells(study):
        method = METHODS[cell.method]
        for network in method.networks:
            pooled = NETWORKS[network].needs_pool
            flow = study.flow_name(cell.nfe, method.backend) if pooled else None
            found[network, flow] = None
    if "classifier" in study.metrics.features:
        found["classifier", None] = None
    return list(found)


def pools(branch: Branch) -> Iterator[Job]:
    """Trajectory pools on disk of every flow that a cell uses."""
    for flow in [flow for _, flow in networks_of(branch.study) if flow]:
        settings = _pool_stage(branch, flow)
        pool, storage = settings.pool, STORAGES[settings.pool.storage]
        if not storage.files:
            continue
        units = split(branch.seeds(), pool.shards)
        template, files = branch.layout.pool(branch.dataset, flow), _shard_files(pool)
        used = (BACKENDS[settings.flow.backend], storage.module)
        for part, chunk in branch.chunks("pool", units):
            yield branch.job(
                "build-pool",
                "pool",
                f"{flow}-{part}",
                chunk,
                config=(f"pool-{flow}", settings),
                inputs=branch.data("train_images", "train_labels"),
                outputs=[f"{template.format(**u)}/{f}" for u in chunk for f in files],
                options=[("out", template)],
                code=stage_code("build-pool", branch.dataset, used=used),
            )


def trainings(branch: Branch) -> Iterator[Job]:
    """Every network that a cell or a feature space needs."""
    for network, flow in networks_of(branch.study):
        source = _pool_stage(branch, flow) if flow else None
        streams = source is not None and not STORAGES[source.pool.storage].files
        shards = range(source.pool.shards) if source and not streams else ()
        pools = [branch.layout.pool(branch.dataset, flow, k) for k in shards]
        template = branch.layout.model(branch.dataset, network, flow)
        settings = TrainStage(
            seed=branch.seed,
            network=network,
            training=branch.study.networks[network],
            compute=branch.study.compute,
            streaming=source if streams else None,
        )
        used = [NETS[settings.training.net.kind]]
        if source:
            used.append(STORAGES[source.pool.storage].module)
        if streams:
            used.append(BACKENDS[source.flow.backend])
        name = f"{network}-{flow}" if flow else network
        # The classifier is a measuring instrument: one serves all seeds.
        seeds = branch.seeds()[:1] if network == "classifier" else branch.seeds()
        for part, chunk in branch.chunks("train", seeds):
            read = [f"{p}/{f}" for p in pools for f in _shard_files(source.pool)[:-1]]
            networks = [template.format(**u) for u in chunk]
            curves = [n.replace(".safetensors", ".csv") for n in networks]
            yield branch.job(
                "train",
                "train",
                f"{name}-{part}",
                chunk,
                config=(f"train-{name}", settings),
                inputs=[*branch.data("train_images", "train_labels"), *filled(read, chunk)],
                outputs=[*networks, *curves],
                options=[*(("pool", p) for p in pools), ("out", template)],
                code=stage_code("train", branch.dataset, network=network, used=used),
            )


def _pool_stage(branch: Branch, flow: str) -> PoolStage:
    chosen = branch.study.trajectories[flow]
    return PoolStage(
        seed=branch.seed, flow=chosen.flow, pool=chosen.pool, compute=branch.study.compute
    )


def _shard_files(pool: Pool) -> list[str]:
    """Files of a shard; the last one is a record for people, which training does not read."""
    return [*STORAGES[pool.storage].files, SHARD_META, SHARD_CURVE]
