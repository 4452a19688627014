"""List scheduling: between the critical path and one after another, within every limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsgf.ops.plan.schedule import Limits, Task, simulate


@st.composite
def graphs(draw) -> list[Task]:
    """Tasks, each after some of those before it."""
    made = []
    for k in range(draw(st.integers(1, 12))):
        before = [t.name for t in made]
        after = draw(st.sets(st.sampled_from(before))) if before else set()
        seconds, priority = draw(st.integers(1, 9)), draw(st.sampled_from([0, 50]))
        made.append(Task(str(k), seconds, frozenset(after), priority, {"cores": 1}, 100.0))
    return made


def critical(made: list[Task]) -> float:
    ends: dict[str, float] = {}
    for task in made:
        ends[task.name] = task.seconds + max((ends[a] for a in task.after), default=0)
    return max(ends.values())


@given(graphs(), st.integers(1, 4))
def test_wall_time_lies_between_its_bounds(made, cores):
    total = sum(task.seconds for task in made)
    wall, memory = simulate(made, Limits(cores))
    assert max(critical(made), total / cores) <= wall <= total
    assert 100 <= memory <= 100 * min(cores, len(made))


@given(graphs())
def test_one_core_does_one_thing_after_another(made):
    assert simulate(made, Limits(1)) == (sum(t.seconds for t in made), 100)


@pytest.mark.parametrize("limits", [Limits(8, mem_mb=1000), Limits(8, gpu=1)])
def test_memory_and_gpus_are_shared(limits):
    alike = [Task(str(k), 5, demand={"cores": 1, "mem_mb": 600, "gpu": 1}) for k in range(3)]
    assert simulate(alike, limits)[0] == 15


def test_a_demand_above_the_limit_still_runs():
    assert simulate([Task("a", 5, demand={"cores": 16})], Limits(2))[0] == 5


def test_the_urgent_one_goes_first():
    made = [Task("slow", 9), Task("chain", 1, priority=50), Task("end", 9, frozenset({"chain"}))]
    made = [Task(t.name, t.seconds, t.after, t.priority, {"cores": 1}) for t in made]
    assert simulate(made, Limits(2))[0] == 10


def test_a_cluster_runs_as_many_jobs_as_its_profile_allows():
    alike = [Task(str(k), 5, demand={"jobs": 1}) for k in range(6)]
    assert simulate(alike, Limits(1, jobs=3))[0] == 10
