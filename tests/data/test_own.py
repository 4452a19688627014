"""Points of one's own: reading them, their preset, and a whole tiny run from file to figures."""

import contextlib
import importlib.util
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from nsgf import cli
from nsgf.config.base import load, parse
from nsgf.config.preset import Preset
from nsgf.data.cloud import Cloud, units
from nsgf.data.cloud import read as read_cloud
from nsgf.data.problem import CloudProblem, open_problem
from nsgf.engine.dag import jobs
from nsgf.engine.make import make
from nsgf.errors import NsgfError
from nsgf.ops.new.read import read
from nsgf.ops.page.contents import Contents
from nsgf.ops.page.run import write
from nsgf.report.projection import principal
from nsgf.rng import stream
from tests.tasks import in_order
from tests.workflow.checkout import shrink

WORDS = ("radius", "texture", "area")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))


def points(n: int = 100, d: int = 3) -> np.ndarray:
    """Normal points around (10, 20, ...), of deviations 1, 2, ..."""
    x = stream(1, "points").normal(n, d).numpy()
    return 10 * np.arange(1, d + 1) + x * np.arange(1, d + 1)


def nsgf(*words: str) -> tuple[int, str, str]:
    """Exit code and what is said on both channels."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(words)
    return code, out.getvalue(), err.getvalue()


def new(x: np.ndarray, *words: str, name: str = "mine") -> Preset:
    np.save("x.npy", x)
    code, _, said = nsgf("new", name, "--data", "x.npy", *words)
    assert code == 0, said
    return load(f"config/{name}.yaml", Preset)


def test_units_standardise():
    x = points()
    for how, spread in (("each", [1, 1, 1]), ("none", x.std(0))):
        mean, scale = units(x, how)
        assert_allclose(((x - mean) / scale).std(0), spread, rtol=1e-5)
    mean, scale = units(x, "one")
    assert len(set(scale)) == 1
    assert_allclose((((x - mean) / scale) ** 2).mean(), 1, rtol=1e-5)
    constant = np.concatenate([x, np.full((100, 1), 1e6)], 1)
    assert_array_equal(units(constant, "each")[1][-1], 1)


def test_what_is_held_out_is_never_learnt_from():
    x = points(50)
    problem = CloudProblem(Cloud(x[:30], x[30:], *units(x[:30], "each")))
    learnt = problem.in_units(problem.target(500, stream(0, "t"))).numpy()
    held = problem.in_units(problem.test(20, stream(0, "h"))).numpy()
    floor = problem.in_units(problem.target_iid(20, stream(0, "f"))).numpy()
    assert_allclose(
        np.unique(learnt.round(3), axis=0), np.unique(x[:30].round(3), axis=0), atol=2e-3
    )
    assert_allclose(np.sort(held, 0), np.sort(x[30:], 0), rtol=1e-5)
    assert len(np.unique(floor, axis=0)) == 20
    assert_allclose(
        problem.in_units(problem.standard(problem.test(5, stream(1)))).numpy().shape, (5, 3)
    )


def test_tables_are_read_with_the_names_of_their_columns():
    x = points()
    pd.DataFrame(x, columns=WORDS).to_csv("named.csv", index=False, encoding="utf-8-sig")
    pd.DataFrame(x).to_csv("bare.csv", index=False, header=False)
    named, bare = read_from("named.csv"), read_from("bare.csv")
    assert (named.columns, bare.columns) == (WORDS, ())
    for found in (named, bare):
        assert_allclose(found.x, x)
    for separator in ";\t":
        pd.DataFrame(x, columns=WORDS).to_csv("other.csv", index=False, sep=separator)
        assert read_from("other.csv").columns == WORDS
    some = read_from("named.csv", ("area", "radius"))
    assert some.columns == ("area", "radius")
    assert_allclose(some.x, x[:, [2, 0]])


def test_parquet_is_read_where_pyarrow_is():
    x = points()
    if importlib.util.find_spec("pyarrow"):
        pd.DataFrame(x, columns=WORDS).to_parquet("x.parquet")
        assert_allclose(read_from("x.parquet").x, x)
    else:
        Path("x.parquet").touch()
        with pytest.raises(NsgfError, match="needs pyarrow"):
            read_from("x.parquet")


def read_from(name: str, columns=()):
    return read(Path(name), columns)


def test_pngs_are_read_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    grey = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    for k, image in enumerate(grey):
        Image.fromarray(image).save(folder / f"{k}.png")
    found = read(folder)
    assert found.images
    assert_array_equal(found.x[:, 0], grey)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "9.png")
    with pytest.raises(NsgfError, match=r"9\.png' is \(3, 4, 4\)"):
        read(folder)


def test_a_new_preset_says_what_is_in_the_file():
    pd.DataFrame(points(), columns=WORDS).to_csv("x.csv", index=False)
    code, said, error = nsgf("new", "cells", "--data", "x.csv", "--test", "0.3")
    assert (code, error) == (0, "")
    assert said.splitlines()[-1] == "now run: make reproduce PRESET=cells"
    preset = load("config/cells.yaml", Preset)
    own, study = preset.data["cells"], preset.studies["cells"]
    assert (own.train, own.test, own.columns) == (70, 30, WORDS)
    assert study.metrics.n_test == study.sampling.n_samples == 30
    assert set(preset.figures) == {"projection", "marginals"}
    held = read_cloud("data/own/cells.npz", own.sha256)
    both = np.concatenate([held.train, held.test])
    assert_allclose(np.sort(both, 0), np.sort(points(), 0), rtol=1e-6)
    assert 0.1 <= study.flow.blur <= 0.25  # a tenth of sqrt(3)


def test_the_same_file_gives_the_same_preset(tmp_path):
    new(points())
    first = {p: (tmp_path / p).read_bytes() for p in ("config/mine.yaml", "data/own/mine.npz")}
    new(points(), "--force")
    assert {p: (tmp_path / p).read_bytes() for p in first} == first


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["moons", "--data", "x.npy"], "has a data set 'moons'"),
        (["Mine", "--data", "x.npy"], "cannot be a preset's name"),
        (["mine", "--data", "absent.npy"], "there is no"),
        (["mine", "--data", "x.txt"], "cannot read"),
        (["mine", "--data", "config"], "holds no .png"),
        (["mine", "--data", "text.csv"], "--columns a"),
        (["mine", "--data", "x.npy", "--test", "1"], "no share"),
        (["mine", "--data", "x.npy", "--scale", "both"], "cannot standardise"),
        (["mine", "--data", "x.npy", "--columns", "a"], "no columns with names"),
        (["mine", "--data", "text.csv", "--columns", "c"], "it has: a, b"),
        (["mine", "--data", "nan.npy"], "row 3"),
        (["mine", "--data", "few.npy"], "39 points"),
        (["mine", "--data", "flat.npy"], "shape"),
        (["mine", "--data", "damaged.npy"], "cannot be read"),
        (["taken", "--data", "x.npy"], "--force"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_message_and_leaves_nothing(tmp_path, words, match):
    x = points()
    np.save("x.npy", x)
    np.save("few.npy", x[:39])
    np.save("flat.npy", x.ravel())
    x[3, 1] = np.nan
    np.save("nan.npy", x)
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY and no more")
    (tmp_path / "x.txt").write_text("1 2")
    (tmp_path / "text.csv").write_text("a,b\n" + "1.5,red\n" * 50)
    (tmp_path / "config/taken.yaml").write_text("name: taken\nstudies: {}\n")
    code, _, said = nsgf("new", *words)
    assert code == 1
    assert match in said
    assert "mend" in said
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "config/mine.yaml").exists()


def test_another_file_in_its_place_is_refused(tmp_path):
    new(points())
    np.savez("data/own/mine.npz", train=points(), test=points(), mean=np.ones(3), scale=np.ones(3))
    with pytest.raises(NsgfError, match="not the file that the preset names"):
        open_problem("mine", None)


def test_more_test_points_than_are_held_out_are_refused():
    preset = new(points()).model_dump(mode="json")
    preset["studies"]["mine"]["metrics"]["n_test"] = 21
    with pytest.raises(NsgfError, match="'mine' has 20 that are held out"):
        parse(preset, Preset, "test")


def test_principal_axes_of_a_stretched_cloud():
    x = stream(3, "x").normal(4000, 3).numpy() * [1, 5, 2] + [7, 8, 9]
    mean, axes, shares = principal(x)
    assert_allclose(mean, [7, 8, 9], atol=0.2)
    assert_allclose(np.abs(axes), [[0, 0], [1, 0], [0, 1]], atol=0.05)
    assert_allclose(shares, [25 / 30, 4 / 30], atol=0.02)


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (1, 4, 4)])
def test_a_whole_run_in_any_dimension(tmp_path, shape):
    """From a file to the table and every figure that was asked for."""
    if len(shape) == 3:
        pictures = stream(2, "pictures").integers(256, 60, *shape).numpy().astype(np.uint8)
        (tmp_path / "x").mkdir()
        for k, image in enumerate(pictures):
            Image.fromarray(image[0]).save(tmp_path / f"x/{k}.png")
        assert nsgf("new", "mine", "--data", "x")[0] == 0
    else:
        new(points(60, *shape))
    whole = shrink(yaml.safe_load((tmp_path / "config/mine.yaml").read_text()), samples=12)
    whole["studies"]["mine"]["metrics"]["n_test"] = 12
    preset = parse(whole, Preset, "test")
    for job in in_order(jobs(preset)):
        make(job.tasks)
    results = tmp_path / "results/mine"
    table = pd.read_csv(results / "tables/mine.csv")
    assert set(table["method"]) == {"nsgf", "fm", "ot_cfm"}
    assert table["published"].isna().all()
    assert "published" not in (results / "tables/mine.md").read_text()
    for name in preset.figures:
        assert (results / f"figures/{name}.png").stat().st_size > 2000
    shown = Contents(preset, results).clouds()
    assert [s["label"].split(",")[0] for s in shown] == ["mine"] * (len(preset.figures) > 1)
    write(results / "report.html", Contents(preset, results), None)
    assert "published" not in (results / "report.html").read_text()
    samples = np.load(next((results / "samples/mine").glob("nsgf*/seed0-0.npy")))
    held = read_cloud("data/own/mine.npz")
    low, high = held.train.min(0).ravel(), held.train.max(0).ravel()
    room = 3 * (high - low)
    assert (samples > low - room).all()
    assert (samples < high + room).all()
