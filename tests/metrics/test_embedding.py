"""Features that parallel jobs compute: the same metrics to the last byte, or a refusal."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nsgf.artifact import read_json, sha256_file, sidecar, write_json, write_npy
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.errors import NsgfError
from nsgf.metrics import embedding
from nsgf.metrics.extractor import INCEPTION_SHA256, Extractor
from nsgf.nets.build import initialise, save
from nsgf.nets.classifier import Config as ClassifierNet
from nsgf.registry import ARRAYS
from nsgf.shards import FEATURE_BATCH
from nsgf.stages.features import FeaturesStage
from nsgf.studies.images import Metrics, measure
from tests.image_sets import image_set
from tests.tasks import run

N, SHAPE = 2 * FEATURE_BATCH + 30, (1, 28, 28)
METRICS = {
    "n_test": 40,
    "n_floor": 20,
    "features": ["effnet_lite0", "classifier"],
    "kid_subsets": 2,
    "kid_subset_size": 20,
    "neighbours": 3,
}
SETS = ((0, 0), (0, 1))
UNIT = {"dataset": "mnist"}
ABOUT = {"seed": 3, "kind": "images", "metrics": Metrics(**METRICS), "compute": {"device": "cpu"}}
HERE = "results/t"
DATA = [f"data/mnist/{array}.npy" for array in ARRAYS]
CLASSIFIER, REFERENCE = f"{HERE}/classifier.safetensors", f"{HERE}/reference"
WHOLE, SHARED = f"{HERE}/whole", f"{HERE}/shared"
MODULES = ("nsgf.studies.images.measure",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with samples of MNIST's shape, a reference and the metrics of one job."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NSGF_STATE", str(folder / "state"))
        image_set(folder / "data", "mnist", SHAPE)
        classifier(0)
        samples(0)
        inputs = {"data": DATA, "classifier": CLASSIFIER}
        outputs = {"reference": f"{REFERENCE}.json", "arrays": f"{REFERENCE}.npz"}
        run("reference", UNIT, ReferenceStage(**ABOUT), inputs, outputs, modules=MODULES)
        evaluate(WHOLE)
        share(2)
    return folder


@pytest.fixture
def measured(finished, tmp_path, monkeypatch):
    """A copy of it, with the features of two parts of each set, as the current folder."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))


def given(path: str) -> None:
    """Provenance for a file of a test's own."""
    known = {"artefact": Path(path).name, "sha256": sha256_file(Path(path))}
    write_json(sidecar(Path(path)), known)


def classifier(seed: int) -> None:
    save(Path(CLASSIFIER), {"net": initialise(ClassifierNet(), SHAPE, seed, "classifier")})
    given(CLASSIFIER)


def samples(seed: int) -> None:
    """Smooth random samples, a little beyond [-1, 1] as real ones are."""
    for of in SETS:
        coarse = np.random.default_rng([seed, *of]).normal(0, 0.7, (N, 7, 7)).astype(np.float32)
        points = coarse.repeat(4, axis=1).repeat(4, axis=2).reshape(N, -1)
        path = Path(f"{HERE}/{name_of(of)}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npy(path, points)
        write_json(path.with_suffix(".json"), {"nfe": 5.0, "nfe_max": 5})
        for file in (path, path.with_suffix(".json")):
            given(str(file))


def name_of(of: tuple) -> str:
    return f"seed{of[0]}-{of[1]}"


def feature_file(of: tuple, shard: int) -> str:
    return f"{HERE}/{name_of(of)}.features{shard}.npz"


def evaluate(out: str, shards: int = 1, **changes) -> None:
    """Measure both sets; with features that jobs have shared, if there are several."""
    inputs = {
        "samples": [f"{HERE}/{name_of(of)}.npy" for of in SETS],
        "cost": [f"{HERE}/{name_of(of)}.json" for of in SETS],
        "reference": f"{REFERENCE}.json",
        "arrays": f"{REFERENCE}.npz",
        "classifier": CLASSIFIER,
        "data": DATA,
    }
    if shards > 1:
        inputs["features"] = [feature_file(of, k) for of in SETS for k in range(shards)]
    settings = EvaluateStage(**ABOUT | changes, sets=SETS, method="fm", parameters={"nfe": 5})
    outputs = {"metrics": f"{out}.json", "neighbours": f"{out}.npz"}
    run("evaluate", UNIT, settings, inputs, outputs, modules=MODULES)


def share(shards: int) -> None:
    """The features of every part."""
    settings = FeaturesStage(**ABOUT, shards=shards)
    known = {"reference": f"{REFERENCE}.json", "classifier": CLASSIFIER}
    for of in SETS:
        for k in range(shards):
            unit = UNIT | {"seed": of[0], "sample": of[1], "shard": k}
            inputs = {"samples": f"{HERE}/{name_of(of)}.npy"} | known
            made = {"features": feature_file(of, k)}
            run("features", unit, settings, inputs, made, modules=MODULES)


def test_metrics_have_the_same_bytes_however_many_jobs_compute_features(measured):
    for shards in (2, 3):
        if shards > 2:
            share(shards)
        evaluate(SHARED, shards)
        for ending in ("json", "npz"):
            whole, shared = (Path(f"{path}.{ending}").read_bytes() for path in (WHOLE, SHARED))
            assert shared == whole
    sets = read_json(Path(f"{WHOLE}.json"))["sets"]
    assert [(s["seed"], s["sample"]) for s in sets] == list(SETS)
    assert sets[0]["metrics"] != sets[1]["metrics"]
    names = {row["metric"] for row in sets[0]["metrics"]}
    assert names == {"fd_effnet_lite0", "kid_effnet_lite0", "fd_classifier", "kid_classifier"}
    inputs = read_json(sidecar(Path(f"{SHARED}.json")))["inputs"]
    assert {feature_file(of, k) for of in SETS for k in range(3)} < set(inputs)


def test_a_killed_measurement_goes_on_after_its_last_set(measured, monkeypatch):
    real, left, asked = measure.Instrument.measure, iter(range(1)), []

    def once(self, source, of):
        next(left)
        return real(self, source, of)

    with monkeypatch.context() as patch:
        patch.setattr(measure.Instrument, "measure", once)
        with pytest.raises(StopIteration):
            evaluate(SHARED)
    assert not Path(f"{SHARED}.json").exists()

    def noted(self, source, of):
        asked.append(of)
        return real(self, source, of)

    monkeypatch.setattr(measure.Instrument, "measure", noted)
    evaluate(SHARED)
    assert asked == [SETS[1]]
    assert Path(f"{SHARED}.json").read_bytes() == Path(f"{WHOLE}.json").read_bytes()


def test_the_score_is_made_from_joined_probabilities(tmp_path):
    def rows(batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1).float() @ torch.linspace(-1, 1, 48 * 5).reshape(48, 5) / 255

    genuine = Extractor("inception", "", INCEPTION_SHA256, rows, lambda b: rows(b).softmax(1))
    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (FEATURE_BATCH + 9, 3, 4, 4), dtype=np.uint8)
    whole = embedding.embed(genuine, images)
    paths = [tmp_path / f"{k}.npz" for k in range(2)]
    for path, part in zip(paths, np.split(images, [FEATURE_BATCH]), strict=True):
        embedding.save(path, {"inception": embedding.embed(genuine, part)})
    joined = embedding.load(paths, genuine)
    assert joined.features.tobytes() == whole.features.tobytes()
    assert joined.probabilities.tobytes() == whole.probabilities.tobytes()
    plain = Extractor("effnet_lite0", "", None, rows, rows)
    assert embedding.embed(plain, images).probabilities is None


def other_samples() -> dict | None:
    samples(1)


def other_classifier() -> dict | None:
    classifier(1)


def other_settings() -> dict | None:
    return {"metrics": Metrics(**METRICS | {"inception_mode": "legacy_tensorflow"})}


def remove() -> dict | None:
    Path(feature_file(SETS[1], 1)).unlink()


def swap() -> dict | None:
    """Features of another set, under a name that their provenance agrees with."""
    source, target = (Path(feature_file(of, 1)) for of in SETS)
    shutil.copyfile(source, target)
    write_json(sidecar(target), read_json(sidecar(source)) | {"artefact": target.name})


def shorten() -> dict | None:
    """Features with a row too few, and provenance that agrees with them."""
    path = Path(feature_file(SETS[1], 1))
    stated = read_json(sidecar(path))
    spaces = [Extractor(name, "", None, embed=lambda b: b) for name in METRICS["features"]]
    found = {space.name: embedding.load([path], space) for space in spaces}
    cut = {n: embedding.Embedding(e.features[:-1], e.probabilities) for n, e in found.items()}
    embedding.save(path, cut)
    write_json(sidecar(path), stated | {"sha256": sha256_file(path)})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (other_samples, "seed0-0.features0.npz' cannot be joined: it was made from other files"),
        (other_classifier, "seed0-0.features0.npz' cannot be joined: it was made from other files"),
        (other_settings, "seed0-0.features0.npz' cannot be joined: it was made with other"),
        (remove, "seed0-1.features1.npz' is missing"),
        (swap, "seed0-1.features1.npz' cannot be joined: it is not shard 1 of this set"),
        (shorten, f"seed0-1.features1.npz' and those before hold {N - 1} rows, not {N}"),
    ],
)
def test_features_of_something_else_are_refused(measured, spoil, says):
    changes = spoil() or {}
    with pytest.raises(NsgfError, match=says):
        evaluate(SHARED, 2, **changes)
    assert not Path(f"{SHARED}.json").exists()
