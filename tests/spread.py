"""How test files are spread over parallel workers: whole files, some of them together.

pytest-xdist's own groups (`--dist loadgroup`) do nothing under pytest 9.2, and say nothing.
"""

# Group: files that one worker runs, one after the other. The longest groups come first, so that no
# worker is left with one of them at the end; files that are not named here follow, each by itself.
TOGETHER = {
    # They boot a cluster or kill at random, and look whether anything of the machine has changed.
    "machine": ("tests/workflow/test_slurm.py", "tests/chaos/test_campaign.py"),
    # They read one run, which costs more than they do; some alter it for a while.
    "published": ("tests/workflow/test_archive.py", "tests/workflow/test_audit.py"),
    "end to end": ("tests/workflow/test_end_to_end.py",),
    "compilers": ("tests/ot/test_compiled.py",),
    "kit": ("tests/gpu/test_kit.py",),
    "paper": ("tests/workflow/test_paper.py",),
    "small": (
        "tests/config/test_refused.py",
        "tests/test_crate.py",
        "tests/test_security.py",
        "tests/report/test_page.py",
        "tests/engine/test_code.py",
        "tests/workflow/test_intact.py",
    ),
    "watched": (
        "tests/plan/test_check.py",
        "tests/watch/test_watch.py",
        "tests/workflow/test_empty_outputs.py",
    ),
}
GROUP = {path: name for name, paths in TOGETHER.items() for path in paths}


def group_of(nodeid: str) -> str:
    """The group of a test, by its file."""
    path = nodeid.partition("::")[0]
    return GROUP.get(path, path)


def place(nodeid: str) -> int:
    """Where the test's group stands among all."""
    name = group_of(nodeid)
    return list(TOGETHER).index(name) if name in TOGETHER else len(TOGETHER)


def scheduler(config, log):
    """What hands groups to workers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False  # which would go by the number of tests
    return ByGroup(config, log)
