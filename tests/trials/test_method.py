"""Trial: a method with one network and its own objective is one file and one line."""

from tests.trials.house import House, small

FILE = '''"""Flow matching whose pairs are sorted along the first axis: 1-D transport."""

from nsgf.data.problem import Problem
from nsgf.train.learner import Objective
from nsgf.train.matching import straight_objective


def objective(problem: Problem, pool: None, batch_size: int) -> Objective:
    """Straight-path regression between the i-th smallest source point and target point."""

    def pairs(numbers):
        x0, x1 = problem.source(batch_size, numbers), problem.target(batch_size, numbers)
        return x0[x0[:, 0].argsort()], x1[x1[:, 0].argsort()]

    return straight_objective(pairs)
'''
LINE = (
    '"sorted": Method("Sorted", ("sorted",), "nsgf.sample.straight", learner="nsgf.train.sorted"),'
)


def test_it_runs_from_data_to_table(tmp_path):
    whole = small("mine", methods={"sorted": {}, "fm": {}})
    networks = whole["studies"]["table1"]["networks"]
    networks["sorted"] = networks["straight"]
    house = House(tmp_path, whole)
    house.add("src/nsgf/train/sorted.py", FILE)
    house.line("METHODS", LINE)
    house.run()
    assert {row["method"] for row in house.rows("table1")} == {"sorted", "fm"}
    assert (len(house.added), house.lines) == (1, 1)
