"""docs/extend.md, carried out: its files and lines are added to a copy of the package and run."""

import csv
import re
import shutil
import subprocess
import sys

import pytest

from tests import tiny_run
from tests.workflow.checkout import ROOT, Checkout

BLOCK = re.compile(r"```python\n# (src/\S+\.py)(?:, in (\w+))?\n(.*?)```", re.DOTALL)
HASH = "from nsgf.codehash import stage_code as s; print(s('build-pool','{0}'), s('figure'))"


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Checkout:
    """A checkout with its own copy of the package, to which the page's blocks are added."""
    whole = tiny_run.planar()
    study = whole["studies"]["table1"]
    study |= {"datasets": ["spiral"], "methods": ["nsgf", "fm", "sorted"]}
    study["networks"]["sorted"] = study["networks"]["straight"]
    whole["figures"]["figure3"] |= {"datasets": ["spiral"], "methods": ["nsgf", "sorted"]}
    checkout = Checkout(tmp_path_factory.mktemp("extended"), whole | {"name": "mine"})
    source = checkout.folder / "src"
    shutil.copytree(ROOT / "src/nsgf", source / "nsgf")
    for path, table, text in BLOCK.findall((ROOT / "docs/extend.md").read_text()):
        target = checkout.folder / path
        if table:
            head = f"\n{table} = {{\n"
            assert target.read_text().count(head) == 1
            target.write_text(target.read_text().replace(head, head + text))
        else:
            assert not target.exists()
            target.write_text(text)
    checkout.environment["PYTHONPATH"] = str(source)
    return checkout


def python(checkout: Checkout, program: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
    )


def test_the_page_adds_one_file_and_one_line_for_each(extended):
    mine, theirs = (
        {p.relative_to(folder) for p in (folder / "src/nsgf").rglob("*.py")}
        for folder in (extended.folder, ROOT)
    )
    assert {p.name for p in mine - theirs} == {"spiral.py", "sorted.py"}
    registry = "src/nsgf/registry.py"
    before = (ROOT / registry).read_text().splitlines()
    after = (extended.folder / registry).read_text().splitlines()
    assert len(after) == len(before) + 2


def test_the_new_data_set_is_found_fit(extended):
    result = extended.nsgf("check-dataset", "spiral")
    assert result.returncode == 0, result.stdout + result.stderr
    page = (ROOT / "docs/extend.md").read_text()
    assert f"```\n{result.stdout}```" in page


def test_both_run_from_data_to_table_and_figure(extended):
    result = python(extended, tiny_run.PROGRAM, "config/mine.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    with (extended.results / "tables/table1.csv").open() as file:
        rows = list(csv.DictReader(file))
    measured = {(r["dataset"], r["method"]) for r in rows if r["metric"] == "w2" and r["mean"]}
    assert {("spiral", "sorted"), ("spiral", "nsgf"), ("spiral", "fm")} <= measured
    assert (extended.results / "figures/figure3.png").stat().st_size > 1000


def test_editing_the_new_file_reruns_what_depends_on_it_alone(extended):
    path = extended.folder / "src/nsgf/data/spiral.py"
    kept = path.read_text()
    before = [python(extended, HASH.format(d)).stdout.split() for d in ("spiral", "moons")]
    try:
        path.write_text(kept.replace("0.1 * torch", "0.2 * torch"))
        after = [python(extended, HASH.format(d)).stdout.split() for d in ("spiral", "moons")]
    finally:
        path.write_text(kept)
    assert len(before[0]) == 2
    assert after[0][0] != before[0][0]
    assert after[0][1] != before[0][1], "figures draw the law's points"
    assert after[1][0] == before[1][0]
