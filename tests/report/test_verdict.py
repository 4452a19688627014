"""Verdicts, tables and claims: each rule of the contract once, on numbers made for it."""

import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsgf.artifact import sha256_file
from nsgf.config.base import load, parse
from nsgf.config.cells import cells
from nsgf.config.preset import Preset
from nsgf.config.published import published_of
from nsgf.config.study import Study
from nsgf.metrics.interval import Interval
from nsgf.report import finding, render, tables
from nsgf.report.paired import holm, p_value, paired
from nsgf.report.verdict import Print, claim, separated, verdict
from nsgf.studies.images import claims as of_images
from nsgf.studies.planar import claims as of_points

PROTOCOL = "clean-fid; 10k"
TARGET = Print(3.8, 0.5, PROTOCOL, 10000)
PUBLISHED = published_of(Path("config/published/nsgf.yaml"))
STUDIES = load("config/quick.yaml", Preset).studies


def judge(low, high, n=3, metric="fid", protocol=PROTOCOL, samples=10000, target=TARGET):
    return verdict(metric, Interval((low + high) / 2, low, high, n), protocol, samples, target)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("reproduced", {"low": 3.5, "high": 4.1}),
        ("inconclusive", {"low": 3.0, "high": 4.0}),
        ("inconclusive", {"low": 3.5, "high": 4.1, "n": 2}),
        ("inconclusive", {"low": 1.0, "high": 9.0}),
        ("better", {"low": 1.0, "high": 2.0}),
        ("worse", {"low": 5.0, "high": 6.0}),
        ("not_comparable", {"low": 3.5, "high": 4.1, "protocol": "other"}),
        ("not_comparable", {"low": 3.5, "high": 4.1, "samples": 1000}),
        ("not_comparable", {"low": 3.5, "high": 4.1, "target": Print(3.8, 0.5, None, 10000)}),
    ],
)
def test_verdicts(expected, words):
    assert judge(**words) == expected


def test_the_inception_score_is_better_when_higher():
    target = Print(9.0, 0.1, PROTOCOL, 10000)
    assert judge(9.5, 9.7, metric="is", target=target) == "better"
    assert judge(8.0, 8.2, metric="is", target=target) == "worse"


@given(st.floats(0, 10), st.floats(0, 3), st.integers(3, 9))
def test_a_verdict_is_reproduced_exactly_inside_the_band(middle, half, n):
    found = judge(middle - half, middle + half, n)
    inside = middle - half >= 3.3 and middle + half <= 4.3
    assert (found == "reproduced") == inside


def test_one_seed_is_never_a_verdict():
    assert verdict("fid", Interval(3.8, math.nan, math.nan, 1), PROTOCOL, 10000, TARGET) == (
        "inconclusive"
    )


def test_separation_needs_disjoint_intervals_and_seeds():
    low, high = Interval(1, 0.9, 1.1, 3), Interval(2, 1.9, 2.1, 3)
    assert separated(low, high) == "lower"
    assert separated(high, low) == "higher"
    assert separated(low, Interval(1.2, 1.05, 1.35, 3)) == "inconclusive"
    assert separated(low, Interval(2, 1.9, 2.1, 2)) == "inconclusive"


def test_a_claim_fails_by_one_opposite_and_holds_by_all():
    assert claim(["lower", "lower"], "lower") == "reproduced"
    assert claim(["lower", "higher"], "lower") == "not_reproduced"
    assert claim(["lower", "inconclusive"], "lower") == "inconclusive"
    assert claim([], "lower") == "inconclusive"


def measurement(row, values, dataset="moons", metric="w2", study="table1", nfe=None):
    """Metrics of a row's cell; `values` by (seed, sample)."""
    cell = next(c for c in cells(STUDIES[study]) if c.name == row)
    sets = [
        {
            "seed": seed,
            "sample": sample,
            "cost": {"nfe": nfe or cell.nfe},
            "metrics": [
                {"metric": metric, "value": value, "floor": 0.2, "protocol": "exact", "n": 1024}
            ],
        }
        for (seed, sample), value in values.items()
    ]
    return {"cell": cell, "dataset": dataset, "method": cell.method, "sets": sets}


@pytest.fixture
def measured():
    middles = {"nsgf": 0.30, "fm": 0.60, "ot_cfm": 0.31}
    each = [(seed, sample) for seed in range(3) for sample in range(2)]
    return [
        measurement(row, {(s, k): middle + 0.01 * s + 0.1 * k for s, k in each})
        for row, middle in middles.items()
    ]


def table(name, measured):
    return tables.table(name, measured, PUBLISHED, STUDIES[name], 0.95)


def test_intervals_are_over_training_seeds_not_over_all_samples(measured):
    found = table("table1", measured)
    row = found[found["mean"].notna() & (found["method"] == "nsgf")].iloc[0]
    assert row["n_seeds"] == 3
    assert row["mean"] == pytest.approx(0.30 + 0.01 + 0.05)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 4.302653 * 0.01 / 3**0.5, rel=1e-4)


def test_one_training_is_judged_over_sampling_seeds_and_says_so():
    values = {(0, k): 3.0 + k for k in range(3)}
    found = table("table3", [measurement("nsgf++", values, "mnist", "fid", "table3", 12.5)])
    row = found[found["mean"].notna()].iloc[0]
    assert row["n_seeds"] == 3
    assert "sampling seeds of one training" in row["protocol"]
    assert row["nfe"] == 12.5
    assert row["published"] == 3.8  # matched although the print's NFE is another


def test_a_table_has_the_contracts_columns_and_every_printed_cell(measured):
    found = table("table1", measured)
    assert list(found.columns) == tables.COLUMNS
    printed = sum(len(r.values) for r in PUBLISHED.tables["table1"].values)
    assert found["published"].notna().sum() == printed
    unrun = found[found["verdict"] == "not run"]
    assert len(unrun) == printed - 4  # three methods at one cell, and 1-RF by FM's network
    assert unrun["mean"].isna().all()


def test_a_shared_network_prints_under_both_names_with_a_mark(measured):
    found = table("table1", measured)
    run = found[found["mean"].notna()].set_index("method")
    assert run.loc["1-rf", "mean"] == run.loc["fm", "mean"]
    assert "same network as fm" in run.loc["1-rf", "protocol"]
    assert run.loc["1-rf", "published"] == 0.107


def test_tables_render_whole_and_the_csv_reads_back(measured):
    found = table("table1", measured)
    back = pd.read_csv(io.StringIO(render.csv(found)))
    assert back["mean"].dropna().tolist() == pytest.approx(
        found["mean"].dropna().tolist(), rel=1e-5
    )
    shown = tables.display(found, tables.labels_of(STUDIES["table1"], PUBLISHED))
    page = render.page("A <b> title", ["a note"], shown)
    assert page.count("<tr>") == len(found) + 1
    assert "A &lt;b&gt; title" in page
    assert "http" not in page  # nothing from elsewhere
    assert render.markdown_table(shown).count("\n| ") == len(found)


def test_a_varied_setting_is_a_column_and_part_of_the_printed_name(measured):
    rows = {"nsgf": {"flow.blur": [0.5, 1.0]}, "fm": {}, "ot_cfm": {}}
    study = parse(STUDIES["table1"].model_dump() | {"methods": rows}, Study, "a test")
    swept = [cell for cell in cells(study) if cell.name == "nsgf"]
    bodies = [measured[0] | {"cell": cell} for cell in swept] + measured[1:]
    found = tables.table("table1", bodies, PUBLISHED, study, 0.95)
    assert list(found.columns) == [*tables.COLUMNS, "flow.blur"]
    run = found[found["mean"].notna()]
    assert run.loc[run["method"] == "nsgf", "flow.blur"].tolist() == [0.5, 1.0]
    assert run.loc[run["method"] != "nsgf", "flow.blur"].isna().all()
    names = tables.display(run, tables.labels_of(study, PUBLISHED))["method"].tolist()
    assert {"NSGF (flow.blur 0.5)", "NSGF (flow.blur 1)", "OT-CFM"} <= set(names)


def test_a_claim_without_evidence_is_not_run_in_the_papers_words():
    one = finding.not_run(6, PUBLISHED)
    assert (one.verdict, one.evidence) == ("inconclusive", "not run")
    assert one.text == PUBLISHED.claims[6]


def bodies(middles: dict[str, float], metric: str = "w2", seeds: int = 3) -> dict:
    """Metrics of methods on one set; training seeds differ by .1, methods at one seed by noise."""
    found = {}
    for k, (name, middle) in enumerate(middles.items()):
        sets = [
            {"seed": s, "metrics": [{"metric": metric, "value": middle + 0.1 * s + 0.001 * k * s}]}
            for s in range(seeds)
            for _ in range(2)
        ]
        found[name] = {"parameters": {"nfe": 10}, "sets": sets}
    return {"moons": found}


def test_claim_1_is_judged_by_paired_differences():
    """Separate intervals would overlap: seeds differ by .1, methods by .05."""
    rivals = {"fm": 0.35, "ot_cfm": 0.36, "ept": 0.4, "jko-flow": 0.45}
    one = of_points.lowest_w2(bodies({"nsgf": 0.3} | rivals), PUBLISHED)
    assert one.verdict == "reproduced"
    assert "exact W2 at 10 steps" in one.evidence
    assert "4 comparisons (Holm)" in one.evidence
    assert "FM (sigma = 0) -0.051 ± " in one.evidence
    better = of_points.lowest_w2(bodies({"nsgf": 0.3} | rivals | {"fm": 0.2}), PUBLISHED)
    assert better.verdict == "not_reproduced"
    sliced = of_points.lowest_w2(bodies({"nsgf": 0.3} | rivals, "sw2_debiased"), PUBLISHED)
    assert "debiased sliced W2^2 at 10 steps" in sliced.evidence


def test_claim_1_needs_the_gradient_flow_rivals_and_three_seeds():
    one = of_points.lowest_w2(bodies({"nsgf": 0.3, "fm": 0.35}), PUBLISHED)
    assert one.verdict == "inconclusive"
    assert "not run: JKO-Flow" in one.evidence
    few = bodies({"nsgf": 0.3, "fm": 0.35, "ept": 0.4, "jko-flow": 0.4}, seeds=2)
    assert of_points.lowest_w2(few, PUBLISHED).verdict == "inconclusive"
    assert of_points.lowest_w2({}, PUBLISHED).verdict == "inconclusive"


def test_holms_correction_is_the_step_down_one():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=8).filter(lambda x: max(x) > min(x) + 1e-3))
def test_the_p_value_is_scipys_and_agrees_with_the_interval(values):
    from scipy.stats import ttest_1samp

    assert p_value(values) == pytest.approx(ttest_1samp(values, 0).pvalue, abs=1e-9)
    (one,) = paired([values])
    assert (one.vote == "inconclusive") == (one.interval.low <= 0 <= one.interval.high)


def test_differences_that_do_not_vary_need_no_test():
    assert [p_value(d) for d in ([0.0] * 3, [0.5] * 3, [0.1, 0.2])] == [1.0, 0.0, 1.0]


def test_claim_2_compares_the_first_half_of_the_path():
    early = {"moons": {"nsgf": [0.8, 0.81, 0.82], "fm": [0.5, 0.51, 0.52]}}
    assert of_points.early_motion(early, PUBLISHED).verdict == "reproduced"
    late = {"moons": {"nsgf": [0.3, 0.31, 0.32], "fm": [0.5, 0.51, 0.52]}}
    assert of_points.early_motion(late, PUBLISHED).verdict == "not_reproduced"
    assert of_points.early_motion({}, PUBLISHED).evidence == "not run"


def test_claims_on_cost_give_no_verdict_in_a_reduced_run():
    seconds = {"pool": 10.0, "velocity": 100.0, "phase": 30.0, "straight": 100.0}
    one = of_images.training_cost(seconds, True, PUBLISHED)
    assert one.verdict == "inconclusive"
    assert "NSGF++ / FM = 2.40" in one.evidence
    assert of_images.training_cost(seconds, False, PUBLISHED).verdict == "not_reproduced"
    assert of_images.training_cost({}, False, PUBLISHED).evidence == "not run"
    minutes = of_images.predictor_time(seconds, 1000, False, PUBLISHED)
    assert "20 minutes for 40,000" in minutes.evidence
    assert minutes.verdict == "reproduced"


def test_claim_4_never_judges_without_a_fid():
    empty = pd.DataFrame(columns=tables.COLUMNS)
    assert "Inception weights are not here" in of_images.image_rank(empty, PUBLISHED).evidence
    row = {
        "metric": "fid",
        "method": "nsgf++",
        "mean": 5.5,
        "ci_low": 5.3,
        "ci_high": 5.7,
        "n_seeds": 3,
    }
    ours = pd.DataFrame([row])
    assert of_images.image_rank(ours, PUBLISHED).verdict == "reproduced"


def test_the_stand_in_for_inception_never_enters_a_table(measured):
    standin = measurement("nsgf", {(0, 0): 1.0}, metric="fd_standin_inception")
    found = table("table1", [*measured, standin])
    assert not found["metric"].str.contains("standin").any()


def test_claim_3_reports_the_hand_over():
    costs = [{"handover_mean": 0.6, "nfe": 20.0}, {"handover_mean": 0.7, "nfe": 22.0}]
    one = of_images.handover(costs, False, PUBLISHED)
    assert one.verdict == "reproduced"
    assert "0.65" in one.evidence
    assert "21.0" in one.evidence
    assert of_images.handover(costs, True, PUBLISHED).verdict == "inconclusive"
    assert of_images.handover([], False, PUBLISHED).evidence == "not run"


def test_the_readme_says_what_is_published_and_nothing_else():
    from nsgf.ops import publish

    text = Path("README.md").read_text()
    block = text.split(publish.MARKERS[0])[1].split(publish.MARKERS[1])[0]
    assert block.strip() == publish.readme_table().strip()
    for manifest in publish.FOLDER.glob("*/MANIFEST.json"):
        for name, digest in json.loads(manifest.read_text())["files"].items():
            assert sha256_file(manifest.parent / name) == digest
