"""What a job has to do, in units that a machine has a rate for.

`amounts` maps the name of a rate (see reference.yaml) to how often it is due: a job costs the sum
of amount x rate. Amounts add over units and `start` is due once a process: regrouping units
changes nothing but the number of starts.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nsgf.config.net import NetModel
from nsgf.config.pool import Flow
from nsgf.config.preset import Preset, Study
from nsgf.engine.task import Job, Unit
from nsgf.metrics.weights import inception_file
from nsgf.ops.plan.nets import LIKE, is_known, size_of
from nsgf.ops.plan.reference import reference
from nsgf.ops.plan.schemes import amounts_of, measured_of
from nsgf.registry import DATASETS, METHODS, NETWORKS, Dataset

TRAIN_IMAGES, ALL_IMAGES = 60_000, 70_000  # of an image set, about
HANDOVER = 0.5  # interpolation time where NSGF++ hands over, before anyone has measured it
FLOW_STEPS = 5  # of the method whose evaluations another one spends
ADAPTIVE_NFE = 100  # evaluations of dopri5, likewise
FEATURES = {"inception": 2048, "effnet_lite0": 1280, "classifier": 128}
PASSES = {"inception": 2, "effnet_lite0": 1, "classifier": 2}  # features, and probabilities if any
# Forward passes a sample of a training step, backward counted as two: both clouds' ratios and a
# gradient's gradient; the map and the potential on both clouds. 3 for all others.
LEARNT = {"ept": 8, "jko_flow": 6.6}
OT_POWER = 2.3  # of n in the time of exact optimal transport, as measured from 256 to 1024 points
FLOAT = 4  # bytes
SCHEMES = ("diffusion", "aggregation", "logistic")  # kinds of studies of the second paper
MEASURED = ("planar", "images", *SCHEMES)  # kinds of studies whose measuring has a model


@dataclass(frozen=True)
class Work:
    """The work of one job, or of one of its units.

    Attributes:
        kind: what differs in amounts alone is of one kind.
        amounts: how often each rate is due.
        host_mb, net_mb: memory that grows with the configuration, of the machine and of the device
            that runs networks, MB.
        disk: bytes of its arrays.
        device: cpu or cuda.
        known: whether there is a model of it, or its start is all that can be said.
    """

    kind: str = ""
    amounts: dict[str, float] = field(default_factory=Counter)
    host_mb: float = 0.0
    net_mb: float = 0.0
    disk: float = 0.0
    device: str = "cpu"
    known: bool = True


def work_of(job: Job, preset: Preset) -> Work:
    """The work of `job`; of a stage without a model, its start alone."""
    study, constants = preset.studies.get(job.study), reference()["disk"]
    start = f"start {job.stage}"
    amounts = Counter({start: 1.0})
    # A small file or a sidecar takes a block.
    disk = constants["file_bytes"] * len(job.outputs) + constants.get(job.stage, 0)
    if job.stage == "fetch":
        images = [task.unit["dataset"] for task in job.tasks if "table" not in task.outputs]
        disk += sum(ALL_IMAGES * math.prod(DATASETS[name].shape) for name in images)
    if study is None or not _has_model(job, study):
        # The start says all of a stage without a model, but not of an unknown network.
        known = job.stage not in MODELS and start in reference()["seconds"]["cpu"]
        return Work(job.stage, amounts, disk=disk, known=known)
    # Exact transport is the host's work, wherever its job runs.
    hosted = job.stage == "build-pool" and job.settings.flow.backend == "exact"
    asks = job.resources.gpu and study.compute.device != "cpu"
    device = "cuda" if asks and not hosted else "cpu"
    data = DATASETS[job.units[0]["dataset"]]
    parts = [MODELS[job.stage](job.settings, study, unit, data) for unit in job.units]
    slower = reference()["precision"][study.compute.precision] if device == "cuda" else 1
    for part in parts:
        macs = {k: v * slower for k, v in part.amounts.items() if k.startswith("mac ")}
        amounts.update(Counter(part.amounts | macs))
    image = "image" if data.is_image else "planar"
    return Work(
        f"{job.stage} {image} {parts[0].kind}".strip(),
        amounts,
        max(part.host_mb for part in parts),
        max(part.net_mb for part in parts),
        disk + sum(part.disk for part in parts),
        device,
    )


def _has_model(job: Job, study: Study) -> bool:
    """Whether there is one of its stage, and of the networks or the metrics that it is about."""
    if job.stage in ("reference", "features", "evaluate"):
        return study.kind in MEASURED
    nets = [job.settings.training] if job.stage == "train" else []
    if job.stage == "sample":
        nets = [study.networks[name] for name in METHODS[job.settings.method].networks]
    return job.stage in MODELS and all(is_known(training.net) for training in nets)


def _solves(where: str, flow: Flow, backend: str, count: float, n: int, d: int) -> Counter:
    """`count` velocities of n particles in d dimensions, made in stage `where`."""
    if backend == "exact":
        return Counter({"transport": count * n**OT_POWER})
    sweeps = 3 - 1 / math.log(flow.scaling) if backend.startswith("geomloss") else 1
    return Counter(
        {f"{where} {backend} pair": count * n**2 * sweeps, f"{backend} mac": count * n**2 * d}
    )


def _pool(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    flow, pool, d = stage.flow, stage.pool, math.prod(data.shape)
    batches = pool.batches / pool.shards
    solves = _solves("pool", flow, flow.backend, batches * flow.steps, pool.batch_size, d)
    held = 16 * 2 * pool.batch_size * d * flow.steps * FLOAT / 1e6  # a group of minibatches
    rows, width = batches * flow.steps * pool.batch_size, int(pool.dtype.removeprefix("float")) // 8
    if pool.storage == "points":
        disk = 2 * rows * d * width
    else:
        entries = reference()["disk"]["row_entries"] * (2 + width)
        disk = rows * (8 + entries) + 9 * batches * pool.batch_size
    return Work(f"{flow.backend} {pool.storage}", solves, held, disk=disk)


def _train(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    training = stage.training
    size, rows = size_of(training.net, data.shape), training.iterations * training.batch_size
    options = training.options
    alone = _alone(stage.network, options)
    macs = (LEARNT.get(stage.network, 3) * rows + alone) * size.macs
    amounts = amounts_of(stage.network, training, data)
    if amounts is None:
        amounts = _passes_of(training.net, training.iterations, macs)
    if stage.network == "ot_cfm":
        amounts["transport"] = training.iterations * training.batch_size**OT_POWER
    if stage.streaming:
        flow, pool = stage.streaming.flow, stage.streaming.pool
        made = (pool.window + training.iterations / pool.renew_every) * flow.steps
        d = math.prod(data.shape)
        amounts += _solves("pool", flow, flow.backend, made, pool.batch_size, d)
    held = (16 * size.parameters + 8 * training.batch_size * size.activations) / 1e6
    kind = f"{stage.network} {training.net.kind}"
    stored = options.get("steps", 1) if NETWORKS[stage.network].stepwise else 1
    return Work(kind, amounts, net_mb=held, disk=stored * FLOAT * size.parameters)


def _alone(network: str, options: Mapping) -> float:
    """Points that pass a network beside its training: pairs of a flow, or particles on a way."""
    passes = 3 if network == "ept" else 1  # its moves are gradients
    points = options.get("pairs", options.get("particles", 0))
    return passes * points * options.get("steps", 0)


def _passes_of(net: NetModel, steps: float, macs: float) -> Counter:
    """A network's work: steps of a loop, and multiply-adds."""
    kind = LIKE.get(net.kind, net.kind)
    return Counter({f"step {kind}": steps, f"mac {kind}": macs})


def _sample(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    method, sampling = METHODS[stage.method], stage.sampling
    net = study.networks["straight" if method.two_phase else method.networks[0]].net
    n, nfe = _share(sampling.n_samples, unit, stage.shards), _evaluations(stage)
    size, batches = size_of(net, data.shape), math.ceil(n / sampling.batch_size)
    amounts = _passes_of(net, batches * nfe / 3, n * nfe * size.macs) + Counter({"file": 3})
    kept = FLOAT * math.prod(data.shape) * (sampling.path_samples * nfe + 2 * n) / 1e6
    held, disk = min(n, sampling.batch_size) * size.activations / 1e6, _samples_disk(n, stage, data)
    return Work(net.kind, amounts, kept, held, disk)


def _gather(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    return Work(disk=_samples_disk(stage.sampling.n_samples, stage, data))


def _samples_disk(n: float, stage, data: Dataset) -> float:
    """Bytes of n samples and of the paths that are kept."""
    d, states = math.prod(data.shape), (_evaluations(stage) + 1) * stage.sampling.path_samples
    return FLOAT * (n * d + states * (d + 1))


def _share(n: int, unit: Unit, shards: int) -> float:
    """Samples of a unit: of a whole set, or of one of its shards."""
    return n / shards if "shard" in unit else n


def _evaluations(stage) -> float:
    """Network evaluations a sample, estimated where the method finds them out."""
    if stage.nfe is not None:
        return stage.nfe
    if stage.sampling.solver == "dopri5":
        return ADAPTIVE_NFE
    steps = stage.flow.steps if stage.flow else FLOW_STEPS
    return steps + (1 - HANDOVER) / stage.sampling.omega


def _targets(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    d, n = math.prod(data.shape), stage.batch_size
    count = stage.targets.problems * stage.flow.steps
    amounts = _solves("targets", stage.flow, "newton", 3 * count, n, d)  # float64 costs about two
    for scaling in stage.targets.scalings:
        flow = stage.flow.model_copy(update={"scaling": scaling})
        amounts += _solves("targets", flow, "geomloss", count, n, d)
    return Work("", amounts)


def _probe(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    probe, d, amounts = stage.probe, math.prod(data.shape), Counter()
    whole = probe.populations * (max(probe.steps) + 1 + len(probe.steps))
    amounts += _solves("targets", stage.flow, "newton", whole, probe.population, d)
    each = probe.populations * len(probe.steps) * probe.queries
    for n in probe.sizes:
        amounts += _solves("targets", stage.flow, "newton", each * probe.draws(n), n, d)
    count = probe.problems * stage.flow.steps * len(probe.blurs)
    amounts += _solves("targets", stage.flow, "newton", 3 * count, stage.batch_size, d)
    return Work("", amounts)


def _reference(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    metrics = stage.metrics
    if stage.kind in SCHEMES:
        return Work(stage.kind, measured_of(stage, reference=True))
    if stage.kind == "planar":
        return Work("", _planar(stage, metrics.floor_draws + 1, 0))
    n = metrics.n_test + metrics.n_floor
    amounts = _distances(metrics) + _extracted(metrics, n)
    if "classifier" in metrics.features:
        amounts["image classifier"] += TRAIN_IMAGES / 6  # its accuracy, on the test set
    held, disk = _features_mb(metrics, n), 1e6 * _features_mb(metrics, metrics.n_test)
    return Work(_spaces(metrics), amounts, held, disk=disk)


def _evaluate(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    metrics = stage.metrics
    if stage.kind in SCHEMES:
        return Work(stage.kind, measured_of(stage, reference=False))
    n = stage.parameters["sampling"]["n_samples"]
    if stage.kind == "planar":
        return Work("", _planar(stage, 1, n))
    one, d = _distances(metrics), math.prod(data.shape)
    if study.shards.features == 1:
        one += _extracted(metrics, n)
    amounts = Counter({name: len(stage.sets) * amount for name, amount in one.items()})
    amounts["pixel"] = TRAIN_IMAGES * d
    held, disk = _features_mb(metrics, metrics.n_test + n), 2 * metrics.neighbours * d
    return Work(_spaces(metrics), amounts, held, disk=disk)


def _planar(stage, solves: int, n: int) -> Counter:
    """Exact transport of `solves` clouds for each part of a set, and what is measured of `n`."""
    count, metrics = len(stage.sets), stage.metrics
    size = metrics.n_test if metrics.blocks > 1 else max(n, metrics.n_test)
    solves *= count * metrics.blocks
    amounts = Counter({"transport": solves * size**OT_POWER, "file": count})
    priced = sum(sample < metrics.geomloss_samples for _, sample in stage.sets)
    if priced:
        amounts["metric geomloss pair"] = priced * size**2
    if metrics.directions:
        amounts["sorted"] = count * n * metrics.directions
    return amounts


def _features(stage, study: Study, unit: Unit, data: Dataset) -> Work:
    n = _share(study.sampling.n_samples, unit, stage.shards)
    amounts = _extracted(stage.metrics, n) + Counter({"file": 1})
    held = _features_mb(stage.metrics, n)
    return Work(_spaces(stage.metrics), amounts, held, disk=1e6 * held)


def _used(metrics) -> list[str]:
    """Feature spaces that will be measured: Inception only where its weights are."""
    return [f for f in metrics.features if f != "inception" or inception_file()]


def _spaces(metrics) -> str:
    return "+".join(_used(metrics))


def _extracted(metrics, images: float) -> Counter:
    """So many images through all extractors."""
    return Counter({f"image {space}": images * PASSES[space] for space in _used(metrics)})


def _distances(metrics) -> Counter:
    amounts = Counter({"file": 2})
    for space in _used(metrics):
        amounts["spectrum"] += FEATURES[space] ** 3
        amounts["kernel pair"] += metrics.kid_subsets * metrics.kid_subset_size**2
    return amounts


def _features_mb(metrics, images: float) -> float:
    """Features of so many images in all spaces, MB."""
    return FLOAT * images * sum(FEATURES[s] for s in _used(metrics)) / 1e6


MODELS: dict[str, Callable[..., Work]] = {
    "build-pool": _pool,
    "train": _train,
    "sample": _sample,
    "gather": _gather,
    "targets": _targets,
    "probe": _probe,
    "reference": _reference,
    "features": _features,
    "evaluate": _evaluate,
}
