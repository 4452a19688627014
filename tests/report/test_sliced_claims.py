"""Claims of the second paper, from numbers whose answer is known."""

import json

import pandas as pd
import pytest

from nsgf.config.base import load
from nsgf.config.published import Published
from nsgf.studies.aggregation import claims as aggregation
from nsgf.studies.diffusion import claims as diffusion
from tests.workflow.checkout import ROOT

PUBLISHED = load(ROOT / "config/published/swjko.yaml", Published)
TIMES = ("0.5", "3")


class Run:
    """Metrics, times and provenance of a study of two schemes, as `given`."""

    def __init__(self, folder):
        self.folder, self.given = folder, {}

    def add(self, dataset: str, name: str, values: dict[str, list[float]], **about) -> None:
        sets = [
            {
                "seed": seed,
                "metrics": [
                    {"metric": f"log10_symkl_t{time}", "value": of[seed]}
                    for time, of in values.items()
                ],
            }
            for seed in range(3)
        ]
        config = {"training": {"iterations": 300, "options": {"inner": 10}}}
        account = {"config": config, "facts": {"resumed_at": about.get("resumed")}}
        self._put(f"metrics {dataset} {name}", [{"sets": sets}])
        self._put(f"seconds {dataset} {name}", [{"seconds": about["seconds"]}] * 3)
        self._put(f"provenance {dataset} {name}", [account] * 3)

    def _put(self, key: str, bodies: list[dict]) -> None:
        files = [self.folder / f"{key}-{k}.json" for k in range(len(bodies))]
        for file, body in zip(files, bodies, strict=True):
            file.write_text(json.dumps(body))
        self.given[key] = files

    def judged(self, reduced: bool = False, floor: float = -2.0) -> dict[int, diffusion.Finding]:
        rows = [
            {"method": "sw-jko", "dataset": d, "metric": f"log10_symkl_t{t}", "floor": floor}
            for d in ("gaussian-2", "gaussian-8")
            for t in TIMES
        ]
        found = diffusion.judge(pd.DataFrame(rows), self.given, reduced, PUBLISHED)
        return {one.claim: one for one in found}


@pytest.fixture
def run(tmp_path):
    """Two schemes that are as near to the equation; JKO-ICNN takes ten times as long."""
    made, noise = Run(tmp_path), [0.0, 0.01, -0.01]
    for dataset in ("gaussian-2", "gaussian-8"):
        values = {time: [-1.5 + e for e in noise] for time in TIMES}
        made.add(dataset, "sw-jko", values, seconds=3.0)
        made.add(dataset, "jko-icnn", {t: [-1.5, -1.5, -1.5] for t in TIMES}, seconds=30.0)
    return made


def test_as_near_and_far_cheaper(run):
    found = run.judged()
    assert {k: one.verdict for k, one in found.items()} == {
        1: "reproduced",
        2: "reproduced",
        3: "inconclusive",
        4: "reproduced",
    }
    assert "d = 2: 0.1 s and 1 s" in found[2].evidence
    assert "t = 0.5 +0.00 [-0.02, 0.02]" in found[1].evidence
    assert "d = 2" not in found[3].evidence


def test_no_verdict_on_cost_from_a_reduced_run_or_a_resumed_one(run):
    assert run.judged(reduced=True)[2].verdict == "inconclusive"
    values = {t: [-1.5, -1.5, -1.5] for t in TIMES}
    run.add("gaussian-8", "jko-icnn", values, seconds=30.0, resumed=20)
    assert run.judged()[2].verdict == "inconclusive"


def test_as_cheap_is_not_cheaper(run):
    run.add("gaussian-8", "jko-icnn", {t: [-1.5, -1.5, -1.5] for t in TIMES}, seconds=6.0)
    assert run.judged()[2].verdict == "not_reproduced"


def test_farther_on_the_way_is_not_as_near(run):
    run.add("gaussian-2", "sw-jko", {t: [-1.0, -1.01, -0.99] for t in TIMES}, seconds=3.0)
    assert run.judged()[1].verdict == "not_reproduced"


def test_the_rival_fails_late_in_the_largest_dimension(run):
    late = {"0.5": [-1.5, -1.5, -1.5], "3": [0.4, 0.5, 0.6]}
    run.add("gaussian-8", "jko-icnn", late, seconds=30.0)
    assert run.judged()[3].verdict == "reproduced"


def test_flows_that_are_apart_are_not_related(run):
    assert run.judged(floor=-0.7)[4].verdict == "not_reproduced"


def test_a_study_of_one_scheme_has_the_flows_relation_alone_and_of_one_dimension_nothing(tmp_path):
    made = Run(tmp_path)
    made.add("gaussian-2", "sw-jko", {t: [-1.5, -1.5, -1.5] for t in TIMES}, seconds=3.0)
    assert made.judged().keys() == set()
    made.add("gaussian-8", "sw-jko", {t: [-1.5, -1.5, -1.5] for t in TIMES}, seconds=3.0)
    assert made.judged().keys() == {4}


def test_without_times_on_the_way_there_is_no_verdict(tmp_path):
    made = Run(tmp_path)
    for name in ("sw-jko", "jko-icnn"):
        made.add("gaussian-2", name, {}, seconds=3.0)
    empty = pd.DataFrame({"method": ["sw-jko"], "metric": ["log10_symkl"]})
    assert diffusion.judge(empty, made.given, False, PUBLISHED) == []


EXACT = {
    "ring": {"radius": 3**-0.5, "energy": -1 / 12},
    "disk": {"radius": 0.5**0.5, "energy": 3 / 8},
    "annulus": {"radius": 0.75**0.5, "energy": 0.454},
}


def ended(ends: dict[str, dict[str, tuple]], half: float = 0.0005, seeds: int = 3) -> str:
    """Claim 5 of families' radius and energy, off the exact ones, by data set."""
    rows = [
        {"method": family, "dataset": dataset, "metric": metric, "floor": exact}
        | {"mean": exact + off, "ci_low": exact + off - half, "ci_high": exact + off + half}
        | {"n_seeds": seeds}
        for dataset, families in ends.items()
        for family, offs in families.items()
        for (metric, exact), off in zip(EXACT[dataset].items(), offs, strict=True)
    ]
    (found,) = aggregation.judge(pd.DataFrame(rows), {}, True, PUBLISHED)
    assert found.claim == 5
    return found.verdict


def test_an_end_counts_where_one_family_arrives():
    near, far = {"particles": (0.001, 0.0002)}, {"grid": (0.1, 0.05)}
    every = dict.fromkeys(EXACT, near | far)
    assert ended(every) == "reproduced"
    assert ended(every | {"disk": far}) == "not_reproduced"
    assert ended(every, half=0.02) == "inconclusive"
    assert ended(every, seeds=2) == "inconclusive"


def test_one_functional_is_not_diverse():
    assert ended({"ring": {"particles": (0.001, 0.0002)}}) == "inconclusive"
    assert ended({"ring": {"particles": (0.1, 0.05)}}) == "not_reproduced"
