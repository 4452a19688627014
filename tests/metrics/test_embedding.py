"""Features that parallel jobs compute: the same metrics to the last byte, or a refusal."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nsgf.artifact import SIDECAR, read_json, record, write_json, write_npy
from nsgf.cli import main
from nsgf.config.metrics import FEATURE_BATCH
from nsgf.config.train import ClassifierNet
from nsgf.metrics import embedding
from nsgf.metrics.extractor import INCEPTION_SHA256, Extractor
from nsgf.nets.build import initialise, save
from tests.image_sets import image_set

N, SHAPE, UNIT = 2 * FEATURE_BATCH + 30, (1, 28, 28), "dataset=mnist,seed=0,sample=1"
METRICS = {
    "n_test": 40,
    "n_floor": 20,
    "features": ["effnet_lite0", "classifier"],
    "kid_subsets": 2,
    "kid_subset_size": 20,
    "neighbours": 3,
}
KNOWN = ("--config", "evaluate.json", "--classifier", "classifier.safetensors")
MEASURED = (*KNOWN, "--samples", "samples.npy", "--reference", "reference.json")


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A folder with samples of MNIST's shape, a reference and the metrics of one job."""
    monkeypatch.chdir(tmp_path)
    image_set(tmp_path / "data", "mnist", SHAPE)
    write_json(Path("evaluate.json"), {"seed": 3, "metrics": METRICS, "compute": {"device": "cpu"}})
    net = initialise(ClassifierNet(), SHAPE, 0, "classifier")
    save(Path("classifier.safetensors"), net, ClassifierNet(), SHAPE)
    samples(0)
    words = ["reference", *KNOWN, "--data", "data", "--unit", "dataset=mnist"]
    assert main([*words, "--out", "reference.json"]) == 0
    assert evaluate("whole.json") == 0


def samples(seed: int) -> None:
    """Smooth random samples, a little beyond [-1, 1] as real ones are."""
    coarse = np.random.default_rng(seed).normal(0, 0.7, (N, 7, 7)).astype(np.float32)
    write_npy(Path("samples.npy"), coarse.repeat(4, axis=1).repeat(4, axis=2).reshape(N, -1))
    write_json(Path("samples.json"), {"nfe": 5.0, "nfe_max": 5})
    record(Path("samples.npy"), stage="sample", config={}, seed=0, code="test")


def evaluate(out: str, *words: str) -> int:
    return main(["evaluate", *MEASURED, "--data", "data", "--unit", UNIT, *words, "--out", out])


def share(shards: int) -> None:
    """The features of every part."""
    units = [word for k in range(shards) for word in ("--unit", f"{UNIT},shard={k}")]
    words = ["features", *MEASURED, *units, "--shards", str(shards)]
    assert main([*words, "--out", "features/{shard}.npz"]) == 0


def evaluate_shared(shards: int) -> int:
    words = ("--features", "features/{shard}.npz", "--shards", str(shards))
    return evaluate("shared.json", *words)


def test_metrics_have_the_same_bytes_however_many_jobs_compute_features(measured):
    for shards in (1, 2, 3):
        share(shards)
        assert evaluate_shared(shards) == 0
        for ending in ("json", "npz"):
            assert Path(f"shared.{ending}").read_bytes() == Path(f"whole.{ending}").read_bytes()
    names = {row["metric"] for row in read_json(Path("whole.json"))["metrics"]}
    assert names == {"fd_effnet_lite0", "kid_effnet_lite0", "fd_classifier", "kid_classifier"}
    inputs = read_json(Path(f"shared.json{SIDECAR}"))["inputs"]
    assert {f"features/{k}.npz" for k in range(3)} < set(inputs)


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


def other_samples() -> None:
    samples(1)


def other_classifier() -> None:
    net = initialise(ClassifierNet(), SHAPE, 1, "classifier")
    save(Path("classifier.safetensors"), net, ClassifierNet(), SHAPE)


def remove() -> None:
    Path("features/1.npz").unlink()


def shorten() -> None:
    """Features with a row too few, and provenance that agrees with them."""
    path = Path("features/1.npz")
    stated = read_json(Path(f"{path}{SIDECAR}"))
    spaces = [Extractor(name, "", None, embed=lambda b: b) for name in METRICS["features"]]
    found = {space.name: embedding.load([path], space) for space in spaces}
    cut = {n: embedding.Embedding(e.features[:-1], e.probabilities) for n, e in found.items()}
    embedding.save(path, cut)
    kept = {key: stated[key] for key in ("stage", "config", "seed", "code", "facts")}
    record(path, inputs=map(Path, stated["inputs"]), **kept)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (other_samples, "it is of other samples, or made with other weights"),
        (other_classifier, "it is of other samples, or made with other weights"),
        (remove, "'features/1.npz' cannot be joined: it is missing"),
        (shorten, f"'features/1.npz' cannot be joined: there are {N - 1} rows in all"),
    ],
)
def test_features_of_something_else_are_refused(measured, capsys, spoil, says):
    share(2)
    spoil()
    capsys.readouterr()
    assert evaluate_shared(2) == 1
    assert says in capsys.readouterr().err
    assert not Path("shared.json").exists()


def test_features_need_the_number_of_their_parts(measured, capsys):
    assert evaluate("shared.json", "--features", "features/{shard}.npz") == 1
    assert "give both, or neither" in capsys.readouterr().err
