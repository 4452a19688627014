"""nsgf check-dataset: what it accepts, and that each fault is found by the check meant for it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from nsgf import registry
from nsgf.cli import main
from nsgf.data import synthetic
from nsgf.data.decode import canonical_idx
from nsgf.registry import ARRAYS


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NSGF_CACHE", str(tmp_path / "cache"))


def normal(n, numbers):
    return numbers.normal(n, 2)


LAWS = {
    "three columns": (lambda n, g: g.normal(n, 3), "(1, 3)"),
    "always 512 points": (lambda n, g: g.normal(512, 2), "1 points are"),
    "float64": (lambda n, g: normal(n, g).double(), "float64"),
    "numpy": (lambda n, g: normal(n, g).numpy(), "ndarray"),
    "nan": (lambda n, g: normal(n, g) / 0 * 0, "not finite"),
    "global stream": (lambda n, g: torch.randn(n, 2), "gives other points"),
    "no stream": (lambda n, g: torch.ones(n, 2) * torch.arange(n)[:, None], "give the same points"),
    "far too wide": (lambda n, g: 1e4 * normal(n, g), "spread is 1.4"),
    "one point": (lambda n, g: normal(n, g) * 1e-3, "spread is"),
    "broken": (lambda n, g: normal(n, g)[:, 5], "IndexError"),
}


def check(capsys, *words: str) -> tuple[int, str, str]:
    code = main(["check-dataset", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("fault", LAWS)
def test_a_faulty_law_fails_its_check_in_one_line(monkeypatch, capsys, fault):
    sampler, says = LAWS[fault]
    monkeypatch.setitem(synthetic.SAMPLERS, "moons", sampler)
    code, out, err = check(capsys, "moons")
    assert code == 1
    (line,) = [x for x in out.splitlines() if "FAILED" in x]
    assert line.startswith("target")
    assert says in line
    assert "mend:" in line
    assert "Traceback" not in err
    assert err.count("nsgf: ") == 1


def test_every_2d_set_of_ours_is_fit(capsys):
    every = registry.DATASETS.items()
    for name in [n for n, s in every if s.is_drawn and not (s.is_image or s.cloud)]:
        code, out, _ = check(capsys, name)
        assert code == 0, out
        assert [line.split()[1] for line in out.splitlines()[:-1]] == ["ok"] * 4


@pytest.mark.parametrize("d", [1, 5, 50])
def test_a_law_of_any_dimension_is_fit(monkeypatch, capsys, d):
    monkeypatch.setitem(synthetic.SAMPLERS, "moons", lambda n, g: 3 * g.normal(n, d) + 1)
    monkeypatch.setitem(registry.DATASETS, "mine", registry.Dataset("m", (d,), "moons"))
    code, out, _ = check(capsys, "mine")
    assert code == 0, out
    assert f"float32 (n, {d})" in out


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": (3,)}, "float32 of shape (n, 3)"),
        ({"shape": (3, 3)}, "neither (d,) nor"),
        ({"label": " "}, "the label is empty"),
        ({"source": "gausian"}, "unknown 2-D law 'gausian'"),
    ],
)
def test_a_wrong_registry_line_is_found(monkeypatch, capsys, changes, says):
    line = {"label": "m", "shape": (2,), "target": "moons"} | changes
    monkeypatch.setitem(registry.DATASETS, "mine", registry.Dataset(**line))
    code, out, _ = check(capsys, "mine")
    assert code == 1
    assert says in out


# ------------------------------------------------------------------------------ image sets


class Mine:
    """An image set of 4 classes on the disk, its entry, and what may be wrong with them."""

    def __init__(self, folder: Path):
        numbers = np.random.default_rng(0)
        self.folder, self.registry = folder, folder / "datasets.yaml"
        self.arrays = {}
        for split, n in (("train", 80), ("test", 12)):
            self.arrays[f"{split}_images"] = numbers.integers(0, 256, (n, 1, 8, 8), np.uint8)
            self.arrays[f"{split}_labels"] = (np.arange(n) % 4).astype(np.uint8)
        self.entry = {"shape": [1, 8, 8], "classes": 4, "canonical": "idx"}

    def write(self, **changes) -> None:
        blobs = {name: b"".join(canonical_idx(self.arrays, name)) for name in ARRAYS}
        (self.folder / "web").mkdir(exist_ok=True)
        for name, blob in blobs.items():
            (self.folder / "web" / name).write_bytes(blob)
        digests = {n: [f"sha256:{hashlib.sha256(b).hexdigest()}"] for n, b in blobs.items()}
        source = {
            "url": (self.folder / "web").as_uri(),
            "archives": dict.fromkeys(ARRAYS),
            "format": "idx",
            "members": {name: name for name in ARRAYS},
        }
        entry = self.entry | {"digests": digests, "sources": [source]} | changes
        self.registry.write_text(yaml.safe_dump({"datasets": {"mine": entry}}))

    def check(self, capsys) -> tuple[int, str, str]:
        data = str(self.folder / "data")
        return check(capsys, "mine", "--registry", str(self.registry), "--data", data)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setitem(
        registry.DATASETS, "mine", registry.Dataset("My images", (1, 8, 8), "mine", flip=True)
    )
    return Mine(tmp_path)


def test_an_image_set_is_fetched_and_found_fit(mine, capsys):
    mine.write()
    code, out, err = mine.check(capsys)
    assert code == 0, out + err
    assert "80 train and 12 test images, all 4 classes" in out
    assert [line.split()[1] for line in out.splitlines()[:-1]] == ["ok"] * 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": [1, 8, 9]}, "entry FAILED its shape is (1, 8, 8)"),
        ({"classes": 0}, "entry FAILED"),
        ({"sources": []}, "entry FAILED"),
        ({"classes": 3}, "labels FAILED train has label 3"),
        ({"classes": 5}, "labels FAILED train has no image of class 4"),
    ],
)
def test_a_wrong_entry_is_found(mine, capsys, changes, says):
    mine.write(**changes)
    code, out, _ = mine.check(capsys)
    assert code == 1
    assert says in " ".join(out.split())


def test_other_bytes_than_the_digests_and_an_absent_source_are_found(mine, capsys):
    mine.write()
    file = mine.folder / "web/train_images"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    code, out, err = mine.check(capsys)
    assert code == 1
    assert "bytes    FAILED  no source" in out
    assert "train_images (part 1 of 1)" in err
    file.unlink()
    (mine.folder / "cache/downloads").mkdir(parents=True, exist_ok=True)
    for cached in mine.folder.glob("cache/**/train_images"):
        cached.unlink()
    code, out, _ = mine.check(capsys)
    assert code == 1
    assert "bytes    FAILED  no source" in out


def test_an_altered_file_among_the_data_is_found(mine, capsys):
    mine.write()
    folder = mine.folder / "data/mine"
    folder.mkdir(parents=True)
    for name, array in mine.arrays.items():
        np.save(folder / f"{name}.npy", array if "test_l" not in name else array[::-1].copy())
    code, out, _ = mine.check(capsys)
    assert code == 1
    assert "test_labels (part 1 of 1)" in out
