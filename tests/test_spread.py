"""Parallel workers: a file stays in one, and so do files that share a run or the machine."""

from pathlib import Path

from tests.spread import GROUP, TOGETHER, group_of

SHARED = ("published", "small", "watched")  # session fixtures that cost a run


def test_files_that_share_a_run_are_in_its_group(request):
    """A new file that uses one must be named in tests/spread.py, or the run is made twice."""
    for item in request.session.items:
        for name in {*SHARED} & {*item.fixturenames}:
            assert group_of(item.nodeid) == name, item.nodeid


def test_groups_name_files_that_are_there():
    assert all(Path(path).is_file() for path in GROUP)
    assert len(GROUP) == sum(map(len, TOGETHER.values()))


def test_xdist_asks_for_our_groups(request, monkeypatch):
    monkeypatch.setattr(request.config.option, "tx", ["2*popen"])
    made = request.config.hook.pytest_xdist_make_scheduler(config=request.config, log=None)
    slurm, chaos = "tests/workflow/test_slurm.py::t[1]", "tests/chaos/test_campaign.py::t"
    assert made._split_scope(slurm) == made._split_scope(chaos) == "machine"
    assert made._split_scope("tests/test_cli.py::t") == "tests/test_cli.py"
