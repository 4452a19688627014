"""`nsgf plan` on a real run: before it, during it and after it."""

import json

import pytest

from nsgf.ops.plan.reference import reference
from tests.workflow.checkout import Checkout


@pytest.fixture(scope="module")
def ran(watched) -> Checkout:
    return watched[0]


def asked(checkout: Checkout, *words: str) -> dict:
    result = checkout.nsgf("plan", "--preset", f"config/{checkout.name}.yaml", "--json", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_run_keeps_the_forecast_that_it_began_with(ran):
    kept = json.loads((ran.results / "timings/plan.json").read_text())
    assert {j["source"] for j in kept["jobs"].values()} == {"calibrated"}
    times = json.loads(ran.timed.read_text())
    assert times.keys() == reference()["blocks"].keys()
    assert all(0 < seconds < 60 for seconds in times.values())
    assert kept["cores"] == 2
    assert kept["cluster_jobs"] is None


def test_check_compares_every_job_the_wall_time_memory_and_disk(ran):
    told = asked(ran, "--check")
    rows = {row["what"]: row for row in told["compared"]}
    assert told["origin"].startswith("the forecast that the run began with")
    timings = [p for p in (ran.results / "timings").glob("*.tsv")]
    assert rows["all jobs"]["jobs"] == len(timings)
    assert 1 / 1.5 < rows["disk"]["ratio"] < 1.5
    # How near times come to the reference is the affair of this machine, which may be busy.
    assert all(rows[w]["ratio"] > 0 for w in ("wall", "all jobs", "peak memory"))


def test_the_next_forecast_uses_what_was_measured(ran):
    told = asked(ran)
    assert {j["source"] for j in told["jobs"].values()} == {"measured here"}
    took = {r["what"]: r["measured"] for r in asked(ran, "--check")["compared"]}
    assert told["total"]["cpu_s"] == pytest.approx(took["all jobs"], rel=1e-2)  # both rounded
    assert told["total"]["wall_s"] >= took["all jobs"] / 2 - 1e-6  # on two cores


def test_a_run_with_nothing_to_do_keeps_the_old_forecast(ran):
    file = ran.results / "timings/plan.json"
    before = file.stat().st_mtime_ns
    assert "Nothing to do" in ran.reproduce().stdout
    assert file.stat().st_mtime_ns == before


def test_a_time_whose_settings_have_changed_since_is_left_out(ran):
    sidecar = ran.results / "models/moons/velocity/seed0.safetensors.prov.json"
    kept = sidecar.read_text()
    body = json.loads(kept)
    body["config"]["training"]["iterations"] = 100_000
    sidecar.write_text(json.dumps(body))
    try:
        told = asked(ran)["jobs"]
    finally:
        sidecar.write_text(kept)
    assert told["moons-train-velocity"]["source"] == "calibrated"
    assert told["moons-pool-flow"]["source"] == "measured here"


def test_the_table_names_its_sources_and_a_wrong_name_is_one_message(ran):
    shown = ran.nsgf("plan", "--preset", "paper").stdout
    assert shown == ran.nsgf("plan", "--preset", "config/paper.yaml").stdout
    assert "estimate for one NVIDIA A100" in shown
    assert "GPU" in shown
    for words in (
        ("--preset", "config/pape.yaml"),
        ("--preset", "pape"),
        ("--preset", "config/cpu.yaml", "--profile", "x"),
    ):
        result = ran.nsgf("plan", *words)
        assert result.returncode == 1
        assert "mend" in result.stderr
