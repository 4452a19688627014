"""What a job has to do, in units that a machine has a rate for.

`amounts` maps the name of a rate (see reference.yaml) to how often it is due: a job costs the sum
of amount x rate. Amounts add over units and `start` is due once a process: regrouping units
changes nothing but the number of starts.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from nsgf.config.net import NetModel
from nsgf.config.pool import Flow, PoolStage
from nsgf.config.preset import Preset, Study
from nsgf.engine.task import Job, Unit
from nsgf.metrics.weights import inception_file
from nsgf.ops.plan.nets import is_known, size_of
from nsgf.registry import DATASETS, METHODS

TRAIN_IMAGES = 60_000  # of an image set, about
HANDOVER = 0.5  # interpolation time where NSGF++ hands over, before anyone has measured it
FLOW_STEPS = 5  # of the method whose evaluations another one spends
ADAPTIVE_NFE = 100  # evaluations of dopri5, likewise
FEATURES = {"inception": 2048, "effnet_lite0": 1280, "classifier": 128}
PASSES = {"inception": 2, "effnet_lite0": 1, "classifier": 2}  # features, and probabilities if any
OT_POWER = 2.3  # of n in the time of exact optimal transport, as measured from 256 to 1024 points


MEASURED = ("planar", "images")  # kinds of studies whose measuring has a model


@dataclass(frozen=True)
class Work:
    """The work of one job.

    Attributes:
        kind: jobs of one kind differ in amounts alone; "" where there is no model of the stage.
        device: cpu or cuda.
        amounts: how often each rate is due.
        held_mb: memory that grows with the configuration, MB.
    """

    kind: str
    device: str
    amounts: dict[str, float]
    held_mb: float = 0.0


def work_of(job: Job, preset: Preset) -> Work:
    """The work of `job`; of a stage without a model, its start alone."""
    study = preset.studies.get(job.study)
    start = Counter({f"start {job.stage}": 1.0})
    if study is None or not _has_model(job, study):
        return Work("", "cpu", start)
    device = "cuda" if job.resources.gpu and study.compute.device != "cpu" else "cpu"
    units = job.units
    parts = [MODELS[job.stage](job.settings, study, unit) for unit in units]
    for part in parts:
        start.update(part.amounts)
    image = "image" if DATASETS[units[0]["dataset"]].is_image else "planar"
    kind = f"{job.stage} {image} {parts[0].kind}".strip()
    held = max(part.host_mb + (part.net_mb if device == "cpu" else 0) for part in parts)
    return Work(kind, device, dict(start), held)


def _has_model(job: Job, study: Study) -> bool:
    """Whether there is one of its stage, and of the networks or the metrics that it is about."""
    if job.stage in ("reference", "features", "evaluate"):
        return study.kind in MEASURED
    nets = [job.settings.training] if job.stage == "train" else []
    if job.stage == "sample":
        nets = [study.networks[name] for name in METHODS[job.settings.method].networks]
    return job.stage in MODELS and all(is_known(training.net) for training in nets)


@dataclass(frozen=True)
class Part:
    """The work of one unit; `host_mb` lies in memory, `net_mb` where networks run."""

    kind: str
    amounts: Counter
    host_mb: float = 0.0
    net_mb: float = 0.0


def _shape(unit: Unit) -> tuple[int, ...]:
    return DATASETS[unit["dataset"]].shape


def _solves(where: str, flow: Flow, backend: str, count: float, n: int, d: int) -> Counter:
    """`count` velocities of n particles in d dimensions, made in stage `where`."""
    sweeps = 3 - 1 / math.log(flow.scaling) if backend.startswith("geomloss") else 1
    return Counter(
        {f"{where} {backend} pair": count * n**2 * sweeps, f"{backend} mac": count * n**2 * d}
    )


def _pool(stage: PoolStage, study: Study, unit: Unit) -> Part:
    flow, pool, d = stage.flow, stage.pool, math.prod(_shape(unit))
    count = pool.batches / pool.shards * flow.steps
    solves = _solves("pool", flow, flow.backend, count, pool.batch_size, d)
    held = 16 * 2 * pool.batch_size * d * flow.steps * 4 / 1e6  # a group of minibatches
    return Part(f"{flow.backend} {pool.storage}", solves, held)


def _train(stage, study: Study, unit: Unit) -> Part:
    training, shape = stage.training, _shape(unit)
    size = size_of(training.net, shape)
    rows = training.iterations * training.batch_size
    amounts = Counter(
        {
            f"step {training.net.kind}": training.iterations,
            f"mac {training.net.kind}": 3 * rows * size.macs,  # backward is twice forward
        }
    )
    if stage.network == "ot_cfm":
        amounts["transport"] = training.iterations * training.batch_size**OT_POWER
    if stage.streaming:
        flow, pool = stage.streaming.flow, stage.streaming.pool
        made = (pool.window + training.iterations / pool.renew_every) * flow.steps
        amounts += _solves("pool", flow, flow.backend, made, pool.batch_size, math.prod(shape))
    held = (16 * size.parameters + 8 * training.batch_size * size.activations) / 1e6
    return Part(f"{stage.network} {training.net.kind}", amounts, net_mb=held)


def _sample(stage, study: Study, unit: Unit) -> Part:
    method, shape = METHODS[stage.method], _shape(unit)
    nets = {name: study.networks[name].net for name in method.networks}
    field: NetModel = nets["straight"] if method.two_phase else nets[method.networks[0]]
    n, nfe = share(stage.sampling.n_samples, unit, stage.shards), evaluations(stage)
    batches = math.ceil(n / stage.sampling.batch_size)
    size = size_of(field, shape)
    amounts = Counter(
        {
            f"step {field.kind}": batches * nfe / 3,
            f"mac {field.kind}": n * nfe * size.macs,
            "file": 3,
        }
    )
    d, rows = math.prod(shape), min(n, stage.sampling.batch_size)
    kept = 4 * d * (stage.sampling.path_samples * nfe + 2 * n) / 1e6
    return Part(field.kind, amounts, kept, rows * size.activations / 1e6)


def share(n: int, unit: Unit, shards: int) -> float:
    """Samples of a unit: of a whole set, or of one of its shards."""
    return n / shards if "shard" in unit else n


def evaluations(stage) -> float:
    """Network evaluations a sample, estimated where the method finds them out."""
    if stage.nfe is not None:
        return stage.nfe
    if stage.sampling.solver == "dopri5":
        return ADAPTIVE_NFE
    steps = stage.flow.steps if stage.flow else FLOW_STEPS
    return steps + (1 - HANDOVER) / stage.sampling.omega


def _targets(stage, study: Study, unit: Unit) -> Part:
    d, n = math.prod(_shape(unit)), stage.batch_size
    count = stage.targets.problems * stage.flow.steps
    amounts = _solves("targets", stage.flow, "newton", 3 * count, n, d)  # float64 costs about two
    for scaling in stage.targets.scalings:
        flow = stage.flow.model_copy(update={"scaling": scaling})
        amounts += _solves("targets", flow, "geomloss", count, n, d)
    return Part("", amounts)


def _reference(stage, study: Study, unit: Unit) -> Part:
    metrics = stage.metrics
    if stage.kind == "planar":
        return Part("", _planar(stage, metrics.floor_draws + 1, metrics.n_test))
    amounts = _distances(metrics) + _passes(metrics, metrics.n_test + metrics.n_floor)
    if "classifier" in metrics.features:
        amounts["image classifier"] += TRAIN_IMAGES / 6  # its accuracy, on the test set
    held = features_mb(metrics, metrics.n_test + metrics.n_floor)
    return Part("+".join(used_spaces(metrics)), amounts, held)


def _evaluate(stage, study: Study, unit: Unit) -> Part:
    metrics, n, shape = stage.metrics, study.sampling.n_samples, _shape(unit)
    if stage.kind == "planar":
        return Part("", _planar(stage, 1, max(n, metrics.n_test)))
    one = _distances(metrics)
    if study.shards.features == 1:
        one += _passes(metrics, n)
    amounts = Counter({name: len(stage.sets) * amount for name, amount in one.items()})
    amounts["pixel"] = TRAIN_IMAGES * math.prod(shape)
    return Part("+".join(used_spaces(metrics)), amounts, features_mb(metrics, metrics.n_test + n))


def _planar(stage, solves: int, n: int) -> Counter:
    count = len(stage.sets)
    amounts = Counter({"transport": count * solves * n**OT_POWER, "file": count})
    priced = sum(sample < stage.metrics.geomloss_samples for _, sample in stage.sets)
    if priced:
        amounts["metric geomloss pair"] = priced * n**2
    return amounts


def used_spaces(metrics) -> list[str]:
    """Feature spaces that will be measured: Inception only where its weights are."""
    return [f for f in metrics.features if f != "inception" or inception_file()]


def _features(stage, study: Study, unit: Unit) -> Part:
    metrics = stage.metrics
    n = share(study.sampling.n_samples, unit, stage.shards)
    amounts = _passes(metrics, n) + Counter({"file": 1})
    return Part("+".join(used_spaces(metrics)), amounts, features_mb(metrics, n))


def _passes(metrics, images: float) -> Counter:
    return Counter({f"image {space}": images * PASSES[space] for space in used_spaces(metrics)})


def _distances(metrics) -> Counter:
    amounts = Counter({"file": 2})
    for space in used_spaces(metrics):
        amounts["spectrum"] += FEATURES[space] ** 3
        amounts["kernel pair"] += metrics.kid_subsets * metrics.kid_subset_size**2
    return amounts


def features_mb(metrics, images: float) -> float:
    """Features of so many images in all spaces, MB."""
    return 4 * images * sum(FEATURES[s] for s in used_spaces(metrics)) / 1e6


MODELS: dict[str, Callable[..., Part]] = {
    "build-pool": _pool,
    "train": _train,
    "sample": _sample,
    "targets": _targets,
    "reference": _reference,
    "features": _features,
    "evaluate": _evaluate,
}
