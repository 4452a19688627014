"""NSGF and NSGF++ as estimators: the pipeline's numbers, points as people bring them, errors."""

import zipfile

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import nsgf
from nsgf.config.base import parse
from nsgf.config.preset import Preset
from nsgf.data.cloud import units
from nsgf.data.problem import open_problem
from nsgf.engine.dag import jobs
from nsgf.engine.make import make
from nsgf.errors import NsgfError
from nsgf.flows.scale import blur_for, step_size_for
from nsgf.rng import stream
from nsgf.train import loop
from tests.tasks import in_order
from tests.workflow.checkout import planar

NET = {"kind": "mlp", "width": 32, "depth": 2, "activation": "silu"}
SMALL = {"iterations": 60, "batches": 4, "batch_size": 64, "net": NET, "threads": 1}


@pytest.fixture(autouse=True)
def _aside(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def cloud(n: int, *shape: int) -> np.ndarray:
    """Points around (1, ..., 1), of other deviations in each coordinate."""
    x = stream(1, "cloud").normal(n, *shape).numpy()
    return 1 + x * (1 + np.arange(x[0].size).reshape(shape))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> nsgf.NSGF:
    return nsgf.NSGF(**SMALL).fit(cloud(200, 5))


def test_it_draws_what_the_pipeline_draws_byte_for_byte(tmp_path):
    whole = planar("tiny", ["nsgf"], {"iterations": 20, "samples": 40})
    raw = whole["studies"]["table1"]
    raw["networks"]["velocity"]["batch_size"] = raw["pool"]["batch_size"]
    del raw["sampling"]["batch_size"]
    study = parse(whole, Preset, "test").studies["table1"]
    for job in in_order(jobs(parse(whole, Preset, "test"))):
        if job.stage in ("build-pool", "train", "sample"):
            make(job.tasks)
    training = study.networks["velocity"]
    model = nsgf.NSGF(
        **study.flow.model_dump(include={"blur", "steps", "step_size"}),
        net=training.net.model_dump(),
        iterations=training.iterations,
        batch_size=training.batch_size,
        batches=study.pool.batches,
        lr=training.lr,
        seed=whole["seed"],
        training=1,
        threads=1,
    )
    mine = model.fit("moons").sample(40, seed=1)
    (theirs,) = (tmp_path / "results/tiny/samples/moons").glob("nsgf*/seed1-1.npy")
    assert_array_equal(mine, np.load(theirs))


def test_samples_are_in_the_units_and_the_form_of_the_points(fitted):
    x = cloud(200, 5)
    drawn = fitted.sample(7, seed=3)
    assert (drawn.shape, drawn.dtype) == ((7, 5), np.float32)
    assert_allclose(drawn[:1], fitted.sample(1, seed=3), rtol=1e-4, atol=1e-5)
    assert not np.array_equal(drawn, fitted.sample(7, seed=4))
    images = torch.from_numpy(cloud(60, 2, 3))
    drawn = nsgf.NSGF(**SMALL | {"iterations": 2}).fit(images).sample(4)
    assert isinstance(drawn, torch.Tensor)
    assert drawn.shape == (4, 2, 3)
    assert fitted.score(x) < fitted.score(x + 10 * x.std(0))


def test_the_law_of_data_in_other_units_is_the_same_law():
    x, scale, shift = cloud(200, 3), np.array([1e3, 1, 1e-3]), np.array([-1e4, 0, 5])
    one, other = (nsgf.NSGF(**SMALL).fit(z).sample(50) for z in (x, x * scale + shift))
    assert_allclose((other - shift) / scale, one, atol=0.02)


def test_paths_go_from_the_points_that_are_given_to_samples(fitted):
    starts = stream(2, "starts").normal(3, 5).numpy()
    paths = fitted.flow(starts)
    assert paths.shape == (fitted.steps + 1, 3, 5)
    mean, scale = units(cloud(200, 5), "each")
    assert_allclose(paths[0], starts * scale + mean, rtol=1e-5, atol=1e-4)
    assert_allclose(paths[:, :1], fitted.flow(starts[:1]), rtol=1e-4, atol=1e-5)


def test_a_source_of_ones_own_is_where_paths_and_samples_begin():
    x, source = cloud(100, 2), cloud(3, 2) - 40
    model = nsgf.NSGF(**SMALL).fit(x, source=source)
    assert_allclose(model.flow(source)[0], source, rtol=1e-5)
    again = _stored(model)
    assert_array_equal(again.sample(5), model.sample(5))
    assert len(np.unique(model.sample(30).round(3), axis=0)) <= 3


@pytest.mark.parametrize("kind", [nsgf.NSGF, nsgf.NSGFPlusPlus])
def test_what_is_stored_draws_the_same_samples(kind):
    model = kind(**SMALL | {"iterations": 5}, seed=7).fit(cloud(80, 3))
    again = _stored(model)
    assert repr(again) == repr(model)
    assert_array_equal(again.sample(9, seed=2), model.sample(9, seed=2))
    assert again.score(cloud(30, 3)) == model.score(cloud(30, 3))
    other = {nsgf.NSGF: nsgf.NSGFPlusPlus, nsgf.NSGFPlusPlus: nsgf.NSGF}[kind]
    with pytest.raises(NsgfError, match="is of class"):
        other.load("model.nsgf")


def _stored(model):
    model.save("model.nsgf")
    return type(model).load("model.nsgf")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "x.nsgf").write_text("no model")
    for name in ("x.nsgf", "absent.nsgf"):
        with pytest.raises(NsgfError, match="cannot be read"):
            nsgf.NSGF.load(name)


def test_a_model_file_writes_nowhere_else(tmp_path):
    nsgf.NSGF(**SMALL | {"iterations": 2}).fit(cloud(50, 2)).save("model.nsgf")
    with zipfile.ZipFile("model.nsgf", "a") as file:
        for name in ("../evil.safetensors", "/tmp/evil.safetensors", "evil.py"):
            file.writestr(name, "evil")
    assert nsgf.NSGF.load("model.nsgf").sample(2).shape == (2, 2)
    assert not list(tmp_path.parent.rglob("evil*"))


def test_nsgf_plus_plus_hands_over_and_goes_on_straight():
    model = nsgf.NSGFPlusPlus(**SMALL, omega=0.1).fit(cloud(100, 3))
    paths = model.flow(stream(2, "starts").normal(4, 3))
    assert len(paths) > model.steps + 1
    assert model.sample(3).shape == (3, 3)


def test_a_fit_that_was_stopped_goes_on_where_it_was(monkeypatch, capfd):
    settings = SMALL | {"iterations": 1100}
    whole = nsgf.NSGF(**settings).fit(cloud(80, 3)).sample(5)

    def draw_line(run, original=loop.Progress.draw_line):
        if run.step == 700:
            raise KeyboardInterrupt
        original(run)

    monkeypatch.setattr(loop.Progress, "draw_line", draw_line)
    with pytest.raises(KeyboardInterrupt):
        nsgf.NSGF(**settings).fit(cloud(80, 3))
    monkeypatch.setattr(loop.Progress, "draw_line", draw_line.__defaults__[0])
    nsgf.NSGF(**settings).fit(2 * cloud(80, 3))
    assert "resumed" not in capfd.readouterr().out
    again = nsgf.NSGF(**settings).fit(cloud(80, 3)).sample(5)
    assert "resumed velocity points seed 0 at step 500" in capfd.readouterr().out
    assert_array_equal(again, whole)


def test_it_is_an_estimator_as_scikit_learn_knows_them():
    model = nsgf.NSGFPlusPlus(steps=3, omega=0.1, lr=0.01)
    twin = clone(model)
    assert twin is not model
    assert repr(twin) == repr(model) == "NSGFPlusPlus(steps=3, lr=0.01, omega=0.1)"
    assert model.set_params(seed=4).get_params()["seed"] == 4
    with pytest.raises(NsgfError, match="has no 'sead'"):
        model.set_params(sead=4)


def test_auto_says_what_it_took(capfd):
    model = nsgf.NSGF(**SMALL | {"iterations": 2}).fit("8gaussians")
    target = open_problem("8gaussians", None).target(1024, stream(0, "scale", "8gaussians"))
    assert model.blur_ == blur_for(target) == 0.5
    assert model.step_size_ == step_size_for(10) == 0.3
    assert "blur 0.5, 10 steps of 0.3, in" in capfd.readouterr().err


BAD = {
    "a law that there is not": ({}, "moon"),
    "an image set": ({}, "mnist"),
    "text": ({}, np.array([["a", "b"]])),
    "no points": ({}, np.zeros((0, 2))),
    "one point": ({}, np.zeros((1, 2))),
    "no axis of coordinates": ({}, np.zeros(5)),
    "ragged rows": ({}, [[1, 2], [3]]),
    "nan": ({}, np.array([[0.0, np.nan], [1, 2]])),
    "beyond float32": ({}, np.array([[0.0, 1e300], [1, 2]])),
    "complex numbers": ({}, np.ones((3, 2), complex)),
    "a negative blur": ({"blur": -1.0}, np.eye(3)),
    "no steps": ({"steps": 0}, np.eye(3)),
    "a step too long": ({"step_size": 1.5}, np.eye(3)),
    "an unknown way to standardise": ({"standardise": "both"}, np.eye(3)),
    "a network that cannot read such points": ({"net": {"kind": "unet"}}, np.eye(3)),
    "a learning rate of text": ({"lr": "high"}, np.eye(3)),
    "a device that there is not": ({"device": "tpu"}, np.eye(3)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_possible_is_one_clear_error(name):
    settings, x = BAD[name]
    with pytest.raises(NsgfError) as caught:
        nsgf.NSGF(**SMALL | settings).fit(x)
    assert caught.value.mend


def test_nothing_is_drawn_from_what_is_not_fitted():
    for call in (lambda m: m.sample(3), lambda m: m.score(np.eye(2)), lambda m: m.save("x")):
        with pytest.raises(NsgfError, match="not fitted"):
            call(nsgf.NSGF())
    model = nsgf.NSGF(**SMALL | {"iterations": 2}).fit(cloud(50, 2))
    with pytest.raises(NsgfError, match="have shape"):
        model.score(np.zeros((4, 3)))
    for count in (0, -1, 1.5, "a"):
        with pytest.raises(NsgfError, match="cannot draw"):
            model.sample(count)


def test_nothing_is_shown_where_that_is_not_asked(capfd):
    nsgf.NSGF(**SMALL, verbose=False).fit(cloud(50, 2)).sample(20)
    assert capfd.readouterr().err == ""


def test_a_model_holds_no_point_that_it_learnt_from():
    x = np.full((40, 3), 1234.5) + cloud(40, 3)
    nsgf.NSGF(**SMALL | {"iterations": 2}).fit(x).save("model.nsgf")
    data = open("model.nsgf", "rb").read()  # noqa: PTH123, SIM115
    assert not any(row.astype(np.float32).tobytes() in data for row in x)


def test_a_large_pool_is_made_as_training_consumes_it(monkeypatch):
    from nsgf.estimator import flows

    x = cloud(100, 3)
    stored = nsgf.NSGF(**SMALL).fit(x)
    monkeypatch.setattr(flows, "MOST", 0)
    streamed = nsgf.NSGF(**SMALL).fit(x)
    assert stored.score(x) != streamed.score(x)
    assert streamed.score(x) < 1.5 * stored.score(x)


@pytest.mark.parametrize("seed", ["a", -1, 1.0, True, None])
def test_a_seed_is_a_whole_number(fitted, seed):
    with pytest.raises(NsgfError, match=r"(?s)seed is .*whole number"):
        fitted.sample(2, seed=seed)
    with pytest.raises(NsgfError, match="seed is"):
        nsgf.NSGF(seed=seed, verbose=False).fit(np.zeros((5, 2)))


def test_masked_values_are_refused_and_settings_mend_by_the_libraries_own_help():
    x = np.ma.masked_array(np.ones((5, 2)), mask=[[0, 1]] * 5)
    with pytest.raises(NsgfError, match="masked values"):
        nsgf.NSGF(verbose=False).fit(x)
    with pytest.raises(NsgfError, match=r"help\(nsgf.NSGF\)"):
        nsgf.NSGF(blur=-1, verbose=False).fit(np.ones((5, 2)))


def test_the_distance_of_learnt_points_is_what_a_score_is_held_against(fitted):
    x, y = cloud(200, 5), cloud(100, 5)[::-1]
    floor = fitted.distance(x[:100], y)
    assert floor == pytest.approx(fitted.distance(torch.tensor(x[:100]), y))
    assert fitted.distance(y, y) == pytest.approx(0, abs=1e-3)
    assert fitted.score(y, seed=4) == pytest.approx(fitted.distance(fitted.sample(100, 4), y))
    far = fitted.distance(x + 50, y)
    assert far > 5 * floor
