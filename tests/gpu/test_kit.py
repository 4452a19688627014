"""The kit: what a GPU machine runs, tried here; a piece that fails or hangs costs only itself."""

import json
import os
import subprocess
import sys
import time

import numpy as np

from tests.gpu import kit, pack
from tests.gpu.pieces import ROOT
from tests.image_sets import image_set


def test_pieces_measure_and_train_on_a_cpu(tmp_path):
    for name, shape in (("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))):
        image_set(tmp_path / "data", name, shape)
    pieces = ["machine", "kernels", "rates", "pools", "learn"]
    words = ["--device", "cpu", "--scale", "0.01", "--minutes", "1.3", "--only", *pieces]
    result = subprocess.run(
        [ROOT / "tests/gpu/run.sh", *words, "--data", tmp_path / "data", "--out", tmp_path / "out"],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + (tmp_path / "out/log.txt").read_text()
    report = json.loads((tmp_path / "out/report.json").read_text())
    found = {piece["name"]: piece["rows"] for piece in report["pieces"]}
    assert set(found) == set(pieces)
    assert found["machine"][0]["commit"]
    assert all(row["images_per_s"] > 0 for row in found["rates"] if row["what"] == "sampling")
    assert {row["data"] for row in found["pools"]} == {"mnist", "cifar10"}
    distances = {row["metric"]: row for row in found["learn"] if "metric" in row}
    assert distances["fd_classifier"]["value"] > 0
    assert (tmp_path / "out/samples.png").exists()


def python(name: str, text: str, seconds: float = 20) -> kit.Piece:
    ours = "import json, os, time; job = json.loads(os.environ['NSGF_GPU_JOB'])\n"
    ours += "rows = open(job['rows'], 'a', buffering=1); rows.write('{\"a\": 1}\\n')\n"
    return kit.Piece(name, ("-c", ours + text), seconds)


def test_what_crashes_hangs_or_comes_too_late_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(kit, "LEAST", 1)
    pieces = [
        python("crash", "rows.write('half a li'); os.abort()"),
        python("hang", "time.sleep(60)", seconds=1.5),
        python("fine", ""),
        python("long", "time.sleep(60)"),
        python("late", ""),
    ]
    job, began = {"device": "cpu", "scale": 1, "work": str(tmp_path)}, time.time()
    kit.run(pieces, job, (6 + kit.RESERVE) / 60, tmp_path)
    assert time.time() - began < 6 + kit.RESERVE
    report = json.loads((tmp_path / "report.json").read_text())
    status = {piece["name"]: piece["status"] for piece in report["pieces"]}
    assert list(status.values()) == ["failed", "timeout", "ok", "timeout", "skipped"]
    assert all(piece["rows"] == [{"a": 1}] for piece in report["pieces"][:4])
    assert report["pieces"][4]["why"] == "no time left"


def test_images_come_out_as_they_were_packed(tmp_path, monkeypatch):
    image_set(tmp_path / "data", "mnist", (1, 28, 28))
    image_set(tmp_path / "data", "cifar10", (3, 32, 32))
    monkeypatch.setattr(pack, "DATA", tmp_path / "data")
    monkeypatch.setattr(pack, "CACHE", tmp_path / "packed")
    monkeypatch.setattr(kit, "PACKED", tmp_path / "packed")
    for name in ("mnist", "cifar10"):
        pack._packed(name, "train_images", 50)
    kit.unpack(tmp_path / "out")
    for name in ("mnist", "cifar10"):
        before, after = (np.load(tmp_path / d / name / "train_images.npy") for d in ("data", "out"))
        assert np.array_equal(after, before[:50])
