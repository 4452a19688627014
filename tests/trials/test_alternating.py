"""Trial: a method that alternates two networks and stores a sequence of them: a toy JKO scheme."""

from safetensors.numpy import load_file

from tests.trials.house import House, small

FILE = '''"""A toy JKO scheme: in each outer step a map and a dual potential are trained in turn.

Step k pushes the particles of the steps before it by T_k(x) = x + net(x, 0); T_k minimises
E |T_k(x) - x|^2 / (2 tau) + E f(T_k(x)), and the potential f, the mean of a network's outputs,
maximises E f(T_k(x)) - E f(y): the dual of the distance to the target in the potential's class.
"""

import torch

from nsgf.sample.counted import Counted
from nsgf.sample.run import Batch, StatePath, Task
from nsgf.train.learner import Learner, Lesson

TAU = 0.5


def learner(lesson: Lesson) -> Learner:
    """The scheme; `training.options` may name the number of outer steps."""
    return Scheme(lesson)


class Scheme:
    def __init__(self, lesson: Lesson):
        self._lesson, training = lesson, lesson.training
        count = int(training.options.get("outer_steps", 2))
        self.modules = {f"map{k}": lesson.network(f"map{k}") for k in range(count)}
        self.modules["dual"] = lesson.network("dual")
        self._adams = {
            name: torch.optim.Adam(net.parameters(), lr=training.lr)
            for name, net in self.modules.items()
        }
        self._each = -(-training.iterations // count)

    def step(self, k, numbers):
        problem, n = self._lesson.problem, self._lesson.training.batch_size
        outer, turn = k // self._each, "map" if k % 2 else "dual"
        x, y = problem.source(n, numbers), problem.target(n, numbers)
        x, y = x.to(self._lesson.device), y.to(self._lesson.device)
        with torch.no_grad():
            for j in range(outer):
                x = moved(self.modules[f"map{j}"], x)
        to = moved(self.modules[f"map{outer}"], x)
        gap = self._dual(to).mean() - self._dual(y).mean()
        cost = (to - x).square().sum(1).mean() / (2 * TAU)
        loss, name = (-gap, "dual") if turn == "dual" else (cost + gap, f"map{outer}")
        self._adams[name].zero_grad()
        loss.backward()
        self._adams[name].step()
        return {"cost": cost.detach(), "gap": gap.detach(), "outer": float(outer)}

    def _dual(self, x):
        return self.modules["dual"](x, torch.zeros(len(x), device=x.device)).mean(1)

    def finish(self):
        for net in self.modules.values():
            net.eval()

    def state_dict(self):
        nets = {name: net.state_dict() for name, net in self.modules.items()}
        return {"nets": nets, "adams": {n: a.state_dict() for n, a in self._adams.items()}}

    def load_state_dict(self, state):
        for name, net in self.modules.items():
            net.load_state_dict(state["nets"][name])
            self._adams[name].load_state_dict(state["adams"][name])


def moved(net, x):
    return x + net(x, torch.zeros(len(x), device=x.device))


def draw(task: Task, x0, path: StatePath | None) -> Batch:
    """Push the source through all maps in turn."""
    maps = [Counted(net) for name, net in task.networks["toy"].items() if name != "dual"]
    x = x0
    for k, net in enumerate(maps):
        if path:
            path.add(x, k / len(maps))
        x = moved(net, x)
    if path:
        path.add(x, 1.0)
    return Batch(x, sum(net.rows for net in maps), len(maps))
'''
MODULE = '"nsgf.train.toy_jko"'
LINE = f'"toy": Method("Toy JKO", ("toy",), {MODULE}, learner={MODULE}),'


def test_it_runs_from_data_to_table_and_stores_its_sequence(tmp_path):
    whole = small("mine", methods={"toy": {"nfe": 3}})
    networks = whole["studies"]["table1"]["networks"]
    settings = {"iterations": 6, "options": {"outer_steps": 3}, "log_every": 1}
    networks["toy"] = networks["straight"] | settings
    house = House(tmp_path, whole)
    house.add("src/nsgf/train/toy_jko.py", FILE)
    house.line("METHODS", LINE)
    house.run()
    (row,) = [r for r in house.rows("table1") if r["metric"] == "w2"]
    assert (row["method"], float(row["nfe"])) == ("toy", 3)
    model = house.results / "models/moons/toy/seed0.safetensors"
    assert {name.split(".")[0] for name in load_file(model)} == {"map0", "map1", "map2", "dual"}
    curve = model.with_suffix(".csv").read_text().splitlines()
    assert curve[0] == "step,cost,gap,outer"
    assert [line.split(",")[3] for line in curve[1:]] == ["0", "0", "1", "1", "2", "2"]
    assert (len(house.added), house.lines) == (1, 1)
