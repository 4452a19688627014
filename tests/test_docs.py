"""README.md and docs/: links, commands, presets and paths are there; README's commands are run."""

import argparse
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from nsgf.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w/.-])((?:src|tests|config|workflow)/[\w./-]*\w)")
BASES = (ROOT, ROOT / "src/nsgf", ROOT / "tests")  # from which pages name a path
WRITTEN = {  # what a page tells to write
    "config/cells.yaml",
    "config/mine.yaml",
    "src/nsgf/data/spiral.py",
    "src/nsgf/nets/waves.py",
    "src/nsgf/report/ends.py",
    "src/nsgf/studies/means/__init__.py",
    "src/nsgf/studies/means/measure.py",
    "src/nsgf/train/dual.py",
    "src/nsgf/train/sorted.py",
}
# README's commands by their first two words: the test that executes them, or why none does.
# `make X` is run as the line that it holds, without the set-up before it.
ARCHIVE = "workflow/test_archive.py"
RUN_BY = {
    "make badge": "workflow/test_audit.py::test_the_page_for_reviewers_says_what_the_audit_says",
    "make chaos": "chaos/test_campaign.py::test_three_faults_on_this_machine_change_nothing",
    "make docs": "test_reference.py::test_every_link_has_its_file_and_anchor",
    "make lint": "test_lint.py::test_the_linter_has_no_complaint",
    "make reproduce": "workflow/test_end_to_end.py::test_everything_is_made_with_provenance",
    "make test-slurm": "workflow/test_slurm.py::test_results_equal_the_local_run_byte_for_byte",
    "nsgf audit": "workflow/test_audit.py::test_a_clean_run_is_sound",
    "nsgf bench": "bench/test_sinkhorn_bench.py::test_the_command_draws",
    "nsgf check-dataset": "data/test_check_dataset.py::test_every_2d_set_of_ours_is_fit",
    "nsgf crate": "test_crate.py::test_large_kinds_can_be_left_out_and_are_named_by_digest",
    "nsgf dag": "test_extend.py::test_what_is_said_before_a_run_knows_the_additions",
    "nsgf make": "test_cli.py::test_a_path_below_results_names_its_own_preset",
    "nsgf new": "data/test_own.py::test_a_whole_run_in_any_dimension",
    "nsgf plan": "test_extend.py::test_what_is_said_before_a_run_knows_the_additions",
    "nsgf show": "report/test_page.py::test_show_takes_the_committed_run_where_there_is_none",
    "nsgf watch": "watch/test_watch.py::test_after_the_run_it_says_that_nothing_is_running",
    "dvc pull": f"{ARCHIVE}::test_a_pulled_clone_is_complete_but_for_the_pools_and_sound",
    "dvc push": f"{ARCHIVE}::test_an_s3_remote_gives_back_the_same_bytes",
    "dvc repro": f"{ARCHIVE}::test_repro_refuses_a_tampered_file_before_it_can_launder_it",
}
NOT_RUN = {
    "make setup": "it downloads 6 GB; test_environment.py runs it up to the first download",
    "make test": "it would run itself",
    "make test-portable": "a quarter of an hour of emulation, for its own call alone",
}


def shell(page: Path) -> list[str]:
    """Lines of fenced shell blocks, without comments: what a reader pastes."""
    bodies = [body for language, body in FENCE.findall(page.read_text()) if not language]
    lines = [re.sub(r"\s+# .*", "", line) for body in bodies for line in body.splitlines()]
    return [part for line in lines for part in line.split(" && ")]


def commands(page: Path, program: str) -> list[list[str]]:
    """Words of each call of `program`, in fenced blocks and between backticks."""
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text()))
    found = [
        shlex.split(text.removeprefix(".venv/bin/"))
        for text in shell(page) + inline
        if re.match(rf"(\.venv/bin/)?{program}( |$)", text)
    ]
    return [words for words in found if len(words) > 1]


def anchors(page: Path) -> set[str]:
    """Those that a forge gives to a page's headings."""
    heads = re.findall(r"^#+ (.*)", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def named(words: list[str], variable: str) -> list[str]:
    """Values that the call gives to one of make's variables, or to nsgf's option of that name."""
    made = [word.partition("=")[2] for word in words if word.startswith(f"{variable}=")]
    options = pairwise(words)
    values = made + [value for name, value in options if name == f"--{variable.lower()}"]
    return [name for value in values for name in value.split("|")]


over_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@over_pages
def test_every_link_goes_to_a_file_and_anchor(page):
    dead = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@over_pages
def test_every_make_has_its_target_and_variables(page):
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for words in commands(page, "make"):
        assert words[1] in targets, words
        variables = [word.partition("=")[0] for word in words[2:]]
        assert [name for name in variables if f"$({name})" not in MAKEFILE] == [], words


@over_pages
def test_every_nsgf_has_its_command_and_options(page):
    for words in commands(page, "nsgf"):
        assert words[1] in COMMANDS, words
        parser = argparse.ArgumentParser()
        COMMANDS[words[1]][2](parser)
        known = set(re.findall(r"--[a-z-]+", parser.format_help()))
        assert {word for word in words if word.startswith("--")} <= known, words
    for line in shell(page):
        program, *words = line.removeprefix(".venv/bin/").split() or [""]
        if program == "nsgf":  # whole, as it is pasted
            parser = argparse.ArgumentParser(exit_on_error=False)
            COMMANDS[words[0]][2](parser)
            parser.parse_args(words[1:])


@over_pages
def test_every_preset_and_profile_exists_or_is_made(page):
    text = page.read_text()
    calls = commands(page, "make") + commands(page, "nsgf")
    calls += [[word] for word in re.findall(r"PRESET=[\w|]+", text)]
    for words in calls:
        for name in named(words, "PRESET"):
            path = name if "/" in name else f"config/{name}.yaml"
            made = f"nsgf new {name} " in text or path in WRITTEN & set(PATH.findall(text))
            assert (ROOT / path).is_file() or made or name in ("P", "..."), words
        for name in named(words, "PROFILE"):
            made = re.search(rf"^cp -r \S+ profiles/{name}\b", text, re.MULTILINE)
            assert (ROOT / "profiles" / name).is_dir() or made, words


@over_pages
def test_every_path_exists_or_is_written(page):
    named = set(PATH.findall(page.read_text())) - WRITTEN
    assert {path for path in named if not any((base / path).exists() for base in BASES)} == set()


def test_what_pages_tell_to_write_is_not_there_yet_and_still_told():
    told = {path for page in PAGES for path in PATH.findall(page.read_text())}
    assert told >= WRITTEN
    assert [path for path in WRITTEN if (ROOT / path).exists()] == []


def test_every_command_of_the_readme_is_run_by_a_test_or_has_a_reason():
    used = {" ".join(w[:2]) for name in ("make", "nsgf", "dvc") for w in commands(PAGES[0], name)}
    pasted = {" ".join(line.split()[:2]) for line in shell(PAGES[0])}
    assert used | pasted == {*RUN_BY, *NOT_RUN}
    assert set(RUN_BY).isdisjoint(NOT_RUN)


@pytest.mark.parametrize("command", RUN_BY)
def test_the_test_that_runs_a_command_exists_and_calls_it(command):
    path, _, name = RUN_BY[command].partition("::")
    file = ROOT / "tests" / path
    assert f"def {name}(" in file.read_text()
    program, word = command.split()
    files = (file, file.with_name("conftest.py"))
    if program != "make":
        assert any(f'"{word}"' in one.read_text() for one in files if one.exists())


def examples() -> list[str]:
    """README's Python: the estimator, then the solver."""
    return [body for language, body in FENCE.findall(PAGES[0].read_text()) if language == "python"]


def test_the_readmes_estimator_is_the_tutorials():
    """Which a test runs."""
    lines = [line.partition("  #")[0] for line in examples()[0].splitlines()]
    tutorial = (ROOT / "docs/tutorial.md").read_text().splitlines()
    assert [line for line in lines if line not in tutorial] == []
    assert "NSGF" in lines[0]


def test_the_readmes_solver_runs_for_one_cloud_and_for_many():
    import torch

    for shape in ((16, 2), (3, 16, 2)):
        known = {"x": torch.randn(shape), "y": torch.randn(shape) + 1}
        exec(examples()[1], known)
        assert known["step"].v.shape == shape
        assert known["step"].error.max() < 0.01
