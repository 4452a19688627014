"""The cost model: network sizes are exact, work adds up, and more work costs more."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs, tasks
from nsgf.engine.task import Job
from nsgf.nets.build import build
from nsgf.ops.plan.forecast import HERE, NO_MODEL, SCALED, SHIPPED, _of, cost, forecast
from nsgf.ops.plan.history import Measured
from nsgf.ops.plan.nets import is_known, size_of
from nsgf.ops.plan.reference import rates_on, reference
from nsgf.ops.plan.work import work_of
from nsgf.registry import DATASETS

ROOT = Path(__file__).parents[2]
QUICK, CPU, PAPER = (load(ROOT / f"config/{n}.yaml", Preset) for n in ("quick", "cpu", "paper"))


def changed(path: str, value: object) -> Preset:
    """Quick with the setting at `path` changed."""
    whole = QUICK.model_dump(mode="json")
    *way, last = path.split(".")
    place = whole
    for key in way:
        place = place[key]
    place[last] = value
    return Preset.model_validate(whole)


def seconds(preset: Preset, stage: str, study: str) -> float:
    return sum(p.seconds for p in forecast(preset) if (p.job.stage, p.job.study) == (stage, study))


@pytest.mark.parametrize("preset", [QUICK, CPU, PAPER], ids=lambda p: p.name)
def test_parameters_are_those_of_the_real_network(preset):
    for study in preset.studies.values():
        shape = DATASETS[study.datasets[0]].shape
        for training in study.networks.values():
            with torch.device("meta"):
                real = build(training.net, shape)
            expected = sum(p.numel() for p in real.parameters())
            found = size_of(training.net, shape).parameters
            assert found == (expected if is_known(training.net) else 0)


def test_multiply_adds_of_maps_are_those_that_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    for study, name in (("swjko-gaussians", "sw_jko"), ("swjko-gathering", "sw_generator")):
        net = CPU.studies[study].networks[name].net
        for d in (2, 5):
            with torch.device("meta"):
                real, inputs = build(net, (d,)), torch.empty(1, d)
            with FlopCounterMode(display=False) as counter:
                real(inputs)
            assert size_of(net, (d,)).macs == counter.get_total_flops() / 2


def test_multiply_adds_are_those_that_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    for name in ("velocity", "phase", "classifier"):
        net, shape = QUICK.studies["table3"].networks[name].net, (1, 28, 28)
        with torch.device("meta"):
            real = build(net, shape)
            inputs = [torch.empty(1, 784), torch.empty(1)][: 2 if name == "velocity" else 1]
        with FlopCounterMode(display=False) as counter:
            real(*inputs)
        assert size_of(net, shape).macs == pytest.approx(counter.get_total_flops() / 2, rel=0.02)


@pytest.mark.parametrize(
    ("path", "factor", "stage"),
    [
        ("studies.table1.networks.velocity.iterations", 4, "train"),
        ("studies.table1.networks.ot_cfm.batch_size", 2, "train"),
        ("studies.table1.sampling.n_samples", 2, "sample"),
        ("studies.table1.pool.batches", 2, "build-pool"),
        ("studies.table1.metrics.floor_draws", 2, "reference"),
        ("studies.table3.networks.straight.net.channels", 2, "train"),
        ("studies.table3.sampling.n_samples", 2, "evaluate"),
        ("studies.table3.targets.problems", 2, "targets"),
        ("studies.swjko-gaussians.networks.sw_jko.iterations", 2, "train"),
        ("studies.swjko-gaussians.networks.sw_jko.options.directions", 4, "train"),
        ("studies.swjko-gaussians.metrics.n_test", 2, "evaluate"),
        ("studies.swjko-gathering.networks.sw_particles.batch_size", 2, "train"),
    ],
)
def test_more_work_costs_more(path, factor, stage):
    value = QUICK.model_dump()
    for key in path.split("."):
        value = value[key]
    study = path.split(".")[1]
    assert seconds(changed(path, factor * value), stage, study) > seconds(QUICK, stage, study)


def test_regrouping_units_changes_only_the_number_of_starts():
    for stage, kind in (("build-pool", "pool"), ("train", "train"), ("sample", "sample")):
        alone = changed(f"studies.table1.resources.{kind}.units_per_job", 1)
        count = [
            sum(j.stage == stage and j.study == "table1" for j in jobs(p)) for p in (QUICK, alone)
        ]
        start = reference()["seconds"]["cpu"][f"start {stage}"]
        extra = seconds(alone, stage, "table1") - seconds(QUICK, stage, "table1")
        assert count[1] > count[0]
        assert extra == pytest.approx((count[1] - count[0]) * start)


def measured(preset: Preset, slower: float) -> list[Measured]:
    """A machine `slower` times as slow as the reference, that has run `preset`."""
    made = [work_of(job, preset) for job in jobs(preset)]
    return [Measured(work, slower * cost(work), 321.0) for work in made]


def test_the_same_work_takes_what_it_took_here():
    for p, plain in zip(forecast(QUICK, measured(QUICK, 3)), forecast(QUICK), strict=True):
        assert (p.source, plain.source) == (HERE, SHIPPED)
        assert p.seconds == pytest.approx(3 * plain.seconds)
        assert p.memory_mb == 321


def test_other_work_of_the_same_kind_is_scaled_by_the_speed_of_this_machine():
    larger = changed("studies.table1.networks.velocity.iterations", 12000)
    plain = {p.job.name: p for p in forecast(larger)}
    for p in forecast(larger, measured(QUICK, 3)):
        assert p.seconds == pytest.approx(3 * plain[p.job.name].seconds)
        if "train-velocity" in p.job.name and p.job.study == "table1":
            assert p.source == SCALED
            assert 3 < p.reach < 4


def test_a_cpu_run_says_nothing_about_a_gpu():
    every = forecast(PAPER, measured(CPU, 3))
    trained = [p for p in every if p.job.stage == "train" and p.device == "cuda"]
    assert {p.source for p in trained} == {SHIPPED}
    assert all(p.gpu_s > 0 and p.cpu_s == 0 for p in trained)


def gpu_seconds(preset: Preset, gpu: str | None = None) -> float:
    return sum(p.gpu_s for p in forecast(preset, rates=rates_on(gpu) if gpu else None))


def test_a_faster_kind_of_gpu_saves_gpu_time_alone():
    slow, fast = (forecast(PAPER, rates=rates_on(gpu)) for gpu in ("a100", "h100"))
    plain = forecast(PAPER)
    for a, h, p in zip(slow, fast, plain, strict=True):
        assert a.seconds == p.seconds
        assert (h.seconds < a.seconds) == (p.job.stage != "fetch" and p.device == "cuda")
        assert {a.source, h.source} == {p.source}


def test_a_gpu_is_faster_in_fewer_bits():
    def computed(precision: str) -> Preset:
        whole = PAPER.model_dump(mode="json")
        whole["studies"]["table2"]["compute"]["precision"] = precision
        return Preset.model_validate(whole)

    times = [gpu_seconds(computed(p)) for p in ("float32", "tf32", "bfloat16")]
    assert times == sorted(times, reverse=True)
    assert times[0] > 1.3 * times[2]


def test_a_stage_without_a_model_is_guessed_and_says_so():
    job = Job("polish", (replace(tasks(QUICK)[0], stage="polish"),))
    found = _of(job, QUICK, {})
    assert found.source == NO_MODEL
    assert found.seconds == reference()["seconds"]["cpu"]["start default"]


def test_the_papers_forecast_is_of_its_order_of_magnitude():
    days = sum(p.gpu_s for p in forecast(PAPER)) / 86400
    assert 1 < days < 14
    pools = sum(p.disk_bytes for p in forecast(PAPER) if p.job.stage == "build-pool")
    assert 1e9 < pools < 1e11
    assert all(math.isfinite(p.seconds) and p.seconds > 0 for p in forecast(PAPER))


def test_jobs_that_share_a_set_do_its_work_once():
    def work(preset: Preset) -> dict[str, float]:
        found = Counter()
        for job in jobs(preset):
            if job.stage in ("sample", "features", "evaluate") and job.study == "table3":
                found.update(work_of(job, preset).amounts)
        return {k: v for k, v in found.items() if k.startswith(("mac", "image", "spectrum"))}

    shared = changed("studies.table3.shards", {"sample": 4, "features": 8})
    assert {j.stage for j in jobs(shared)} > {"gather", "features"}
    assert work(shared) == pytest.approx(work(QUICK))
