"""Trial: a sweep of two parameters, with its heat map, is YAML alone."""

import csv

from tests.trials.house import House, small

SWEEP = {"flow.blur": [0.5, 1.0], "flow.step_size": [0.2, 0.3]}


def test_it_runs_from_data_to_table_and_heat_map(tmp_path):
    whole = small("mine", methods={"nsgf": {}, "fm": {}}, sweep=SWEEP)
    whole["figures"] = {
        "blur": {
            "kind": "heatmap",
            "study": "table1",
            "datasets": ["moons"],
            "x": "flow.blur",
            "y": "flow.step_size",
            "metric": "w2",
        }
    }
    house = House(tmp_path, whole)
    house.run()
    rows = [row for row in house.rows("table1") if row["metric"] == "w2"]
    found = {(r["method"], r["flow.blur"], r["flow.step_size"]) for r in rows}
    swept = {("nsgf", b, s) for b in ("0.5", "1") for s in ("0.2", "0.3")}
    assert found == swept | {("fm", "", "")}
    assert len({r["mean"] for r in rows if r["method"] == "nsgf"}) == 4
    stands = house.results / "metrics/moons/nsgf,flow.blur=0.5,flow.step_size=0.2.json"
    assert stands.exists()
    assert (house.results / "figures/blur.png").stat().st_size > 5000
    assert (house.added, house.lines) == ([], 0)
    page = (house.results / "tables/table1.md").read_text()
    assert "flow.blur 0.5, flow.step_size 0.2" in page
    with (house.results / "tables/table1.csv").open() as file:
        assert next(csv.reader(file))[-2:] == ["flow.blur", "flow.step_size"]
