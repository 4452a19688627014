"""How fast this machine is: what is measured, kept, scaled by it, and said of it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from nsgf.artifact import read_json
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.code import modules_of
from nsgf.engine.dag import jobs, tasks
from nsgf.errors import NsgfError
from nsgf.ops.plan import blocks, calibrate, fit, forecast, total
from nsgf.ops.plan.forecast import CALIBRATED, HERE, NO_MODEL, SCALED, SHIPPED, cost
from nsgf.ops.plan.history import Measured, plan_file
from nsgf.ops.plan.reference import FILE, reference
from nsgf.ops.plan.work import work_of

ROOT = Path(__file__).parents[2]
QUICK, PAPER = (load(ROOT / f"config/{n}.yaml", Preset) for n in ("quick", "paper"))
THERE = {name: block["seconds"] for name, block in reference()["blocks"].items()}
SHIPPED_CPU = reference()["seconds"]["cpu"]


@pytest.fixture
def timed(tmp_path, monkeypatch) -> list:
    """A machine half as fast, whose state is empty; an entry for each time that it is timed."""
    times = []

    def measure() -> dict[str, float]:
        times.append(1)
        return {name: 2 * seconds for name, seconds in THERE.items()}

    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(calibrate, "_measured", measure)
    return times


def ran(preset: Preset, slower: float, stages: set[str] | None = None) -> list[Measured]:
    """What jobs of some stages, or all, took on a machine so many times as slow."""
    made = [work_of(job, preset) for job in jobs(preset) if not stages or job.stage in stages]
    return [Measured(work, slower * cost(work), 321.0) for work in made]


def test_every_cpu_rate_goes_with_one_block_but_for_writing_to_a_disk():
    assert set(THERE) == {"start", *blocks.BLOCKS}
    for name in THERE:
        found = calibrate.scaled(SHIPPED_CPU, THERE | {name: 3 * THERE[name]})
        assert any(found[rate] != SHIPPED_CPU[rate] for rate in found)
    found = calibrate.scaled(SHIPPED_CPU, {name: 3 * seconds for name, seconds in THERE.items()})
    factors = {rate: found[rate] / SHIPPED_CPU[rate] for rate in found}
    assert factors == pytest.approx({rate: 1 if rate == "file" else 3 for rate in SHIPPED_CPU})


def test_a_slow_block_makes_dearer_just_what_it_speaks_for():
    found = calibrate.scaled(SHIPPED_CPU, THERE | {"mlp": 2 * THERE["mlp"]})
    changed = {rate for rate in found if found[rate] != pytest.approx(SHIPPED_CPU[rate])}
    small = {f"step {net}" for net in ("real_nvp", "icnn", "points", "grid", "generator")}
    small |= {"mac icnn", "particle", "energy pair", "likelihood", "chain move", "state point"}
    assert changed == {"step mlp", "mac mlp", *small}
    rates = reference()["seconds"] | {"cpu": found}
    for slow, plain in zip(
        forecast.forecast(QUICK, (), rates), forecast.forecast(QUICK), strict=True
    ):
        work = work_of(slow.job, QUICK).amounts
        part = sum(work.get(rate, 0) * SHIPPED_CPU[rate] for rate in changed)
        assert slow.seconds == pytest.approx(plain.seconds + part)


def test_a_machine_is_timed_once(timed, monkeypatch):
    assert calibrate.seconds() == calibrate.seconds()
    assert len(timed) == 1
    monkeypatch.setattr(calibrate, "machine", lambda: {"processor": "another"})
    calibrate.seconds()
    assert len(timed) == 2


@pytest.mark.parametrize(
    "damage", ['{"start": 1', "[]", '{"start": 1.0}', json.dumps(THERE | {"mlp": 0.0})]
)
def test_a_damaged_file_is_measured_again(timed, damage):
    sound = calibrate.seconds()
    calibrate.kept().write_text(damage)
    assert [calibrate.seconds(), calibrate.seconds()] == [sound, sound]
    assert len(timed) == 2


def test_what_has_run_here_goes_before_what_is_timed_here(timed, monkeypatch):
    monkeypatch.setattr(forecast, "history", lambda: ran(QUICK, 5, {"train"}))
    for p in forecast.best_forecast(QUICK, local=True):
        assert p.source == (HERE if p.job.stage == "train" else CALIBRATED)
    larger = QUICK.model_dump(mode="json")
    larger["studies"]["table1"]["networks"]["velocity"]["iterations"] *= 2
    planned = forecast.best_forecast(Preset.model_validate(larger), local=True)
    assert SCALED in {p.source for p in planned if p.job.stage == "train"}


@pytest.mark.parametrize("local", [True, False])
def test_no_machine_is_timed_in_vain(timed, monkeypatch, local):
    """Where all has run here, and where jobs run on other machines."""
    monkeypatch.setattr(forecast, "history", lambda: ran(QUICK, 5) if local else [])
    planned = forecast.best_forecast(QUICK, local)
    assert {p.source for p in planned} == {HERE if local else SHIPPED}
    assert not timed


def test_a_gpus_estimate_stays_one(timed, monkeypatch):
    monkeypatch.setattr(forecast, "history", list)
    by_device = {"cpu": {CALIBRATED, NO_MODEL}, "cuda": {SHIPPED}}
    plain = forecast.forecast(PAPER)
    for p, before in zip(forecast.best_forecast(PAPER, local=True), plain, strict=True):
        assert p.source in by_device[p.device]
        assert p.device == "cpu" or p.seconds == before.seconds


def test_a_block_that_fails_is_one_message(monkeypatch):
    monkeypatch.setattr(calibrate, "BLOCKS", "nsgf.ops.plan.nowhere")
    with pytest.raises(NsgfError, match=r"cannot be measured.*nowhere"):
        calibrate._measured()


@pytest.mark.parametrize(
    "error",
    [
        NsgfError("'results/quick/timings/plan.json' cannot be read", "remove it"),
        OSError(28, "No space left on device"),
        json.JSONDecodeError("Expecting value", "", 0),
    ],
)
@pytest.mark.parametrize("part", ["history", "calibrated"])
def test_a_run_begins_though_nothing_here_can_be_forecast(
    monkeypatch, capsys, tmp_path, part, error
):
    def fails():
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forecast, part, fails)
    total.store(QUICK, 1, None)
    kept = read_json(plan_file(QUICK))
    assert {job["source"] for job in kept["jobs"].values()} == {SHIPPED}
    said = capsys.readouterr().out
    assert said.startswith("The forecast is that of the reference machine: ")
    assert said.count("\n") == 1
    with pytest.raises(type(error)):
        forecast.best_forecast(QUICK, local=True)


# A block: the stage and network whose work it is a piece of, and functions that do that work.
PIECES = {
    "newton planar": ("build-pool", "flow", {"flows.sinkhorn._directly", "ot.kernels.across"}),
    "newton image": ("build-pool", "mnist", {"flows.gram.gram_flow", "ot.kernels.descend"}),
    "geomloss": ("build-pool", "geomloss", {"ot.geomloss_backend.across"}),
    "transport": ("evaluate", "nsgf", {"ot.exact.squared_w2"}),
    "mlp": ("train", "moons/straight", {"train.straight.pairs", "nets.mlp.forward"}),
    "unet": ("train", "mnist/straight", {"train.straight.pairs", "nets.unet.forward"}),
    "spectrum": ("evaluate", "mnist", {"metrics.frechet.frechet_distance"}),
}


def called(work: Callable[[], object]) -> set[str]:
    """Functions of this package that `work` calls, as module.function."""
    found = set()

    def note(frame, event, _):
        if event == "call":
            found.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {name.removeprefix("nsgf.") for name in found if name.startswith("nsgf.")}


@pytest.mark.parametrize("name", blocks.BLOCKS)
def test_a_block_runs_the_code_of_real_jobs(name):
    stage, job, functions = PIECES[name]
    task = next(t for t in tasks(QUICK) if t.stage == stage and job in str(t.artefacts))
    work = blocks.BLOCKS[name]()
    found = called(work)
    assert functions <= found, found
    behind = modules_of(stage, task.modules)
    strange = {f"nsgf.{f}".rpartition(".")[0] for f in found} - behind
    assert strange <= {"nsgf.ops.plan.blocks", "nsgf.registry", "nsgf.errors"}


def test_a_fit_finds_the_rates_of_the_machine_that_ran():
    slower = ran(QUICK, 1.3)
    rates, total = fit.fitted(slower, SHIPPED_CPU), sum(m.seconds for m in slower)
    for m in (m for m in slower if m.seconds > total / 100):
        assert cost(m.work, {"cpu": rates}) == pytest.approx(m.seconds, rel=0.1)
    undone = rates.keys() - {rate for m in slower for rate in m.work.amounts}
    assert undone
    assert all(rates[k] == pytest.approx(SHIPPED_CPU[k]) for k in undone)


def test_a_fit_writes_every_figure_where_it_stands():
    numbers = np.random.default_rng(0)
    rates = {rate: numbers.uniform(1e-12, 1e-9) for rate in SHIPPED_CPU}
    here = {name: numbers.uniform(0.01, 5) for name in THERE}
    text = fit.rewritten(FILE.read_text(), rates, here, "another")
    kept = dict(reference())
    found = yaml.safe_load(text)
    assert found["seconds"]["cpu"] == pytest.approx(rates, rel=1e-2)
    assert {n: b["seconds"] for n, b in found["blocks"].items()} == pytest.approx(here, rel=1e-2)
    assert found["machines"]["cpu"] == "another"
    for section in ("memory_mb", "workflow", "disk"):
        assert found[section] == kept[section]
    assert found["seconds"]["cuda"] == kept["seconds"]["cuda"]
