"""How networks are computed: precision, compilation, and a step that never waits for its device."""

import shutil

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.testing import assert_close

from nsgf import numerics
from nsgf.config.compute import Compute
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.device import as_computed, set_up
from nsgf.errors import NsgfError
from nsgf.flows.pool import Pool
from nsgf.flows.resident import PointRows, Resident
from nsgf.registry import NETWORKS, module_of
from nsgf.rng import stream
from nsgf.train.learner import Lesson, Regression, learner_of
from nsgf.train.loop import train
from tests.image_sets import image_set

MLP = {"kind": "mlp", "width": 32, "depth": 2, "activation": "silu"}
UNET = {"kind": "unet", "channels": 32, "depth": 1, "multipliers": [1], "patch": 4}
CPU = torch.device("cpu")


def training(net=MLP, iterations=300, batch_size=128):
    steps = {"iterations": iterations, "checkpoint_every": 1000, "log_every": iterations // 6}
    return Training(net=net, batch_size=batch_size, lr=2e-3, **steps)


def lesson(problem, compute, pool=None, config=None):
    return Lesson(problem, pool, config or training(), CPU, 1, ("precision",), {}, compute)


def learnt(tmp_path, problem, config, compute):
    """The mean loss over the last steps of a straight flow."""
    given = lesson(problem, compute, config=config)
    learner = learner_of(module_of(NETWORKS["straight"].module), given)
    run = train(learner, given.training, 1, ("precision",), tmp_path, compute.precision, "net")
    weights = next(learner.modules["net"].parameters())
    assert weights.dtype == torch.float32
    return run.curve[-1][1]["loss"]


@pytest.mark.parametrize("dataset", ["moons", "mnist"])
def test_bfloat16_learns_what_float32_learns(tmp_path, dataset):
    if dataset == "mnist":
        problem = open_problem(dataset, image_set(tmp_path, dataset, (1, 28, 28)))
        config = training(UNET, iterations=60, batch_size=16)
    else:
        problem, config = open_problem(dataset, None), training()
    native = Compute(device="cpu", numerics="native")
    half = native.model_copy(update={"precision": "bfloat16"})
    plain = learnt(tmp_path / "a", problem, config, native)
    half = learnt(tmp_path / "b", problem, config, half)
    assert plain != half
    assert half == pytest.approx(plain, rel=0.02)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_is_the_network():
    net = lesson(open_problem("moons", None), Compute()).network()
    x, t = stream(1, "x").normal(16, 2), stream(1, "t").uniform(16)
    call = as_computed(net, Compute(compile=True, numerics="native"))
    assert_close(call(x, t), net(x, t))
    assert set(net.state_dict()) == {name for name, _ in net.named_parameters()}


@pytest.mark.parametrize(
    "asked", [{"precision": "bfloat16"}, {"precision": "tf32"}, {"compile": True}]
)
def test_what_no_processor_promises_is_not_called_portable(asked):
    net = lesson(open_problem("moons", None), Compute()).network()
    with pytest.raises(NsgfError, match="same bits everywhere"):
        as_computed(net, Compute(device="cpu", numerics="portable", **asked))


def test_stages_without_such_networks_do_not_mind_the_precision():
    """Metrics run on a CPU, where bfloat16 would have no portable numerics."""
    set_up(Compute(device="cpu", precision="bfloat16", compile=True, numerics=numerics.asked()))


def tf32() -> tuple[bool, str]:
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


def test_tf32_is_for_networks_alone_and_only_where_it_is_asked_for():
    compute = Compute(device="cpu", precision="tf32", numerics="native")
    set_up(compute.model_copy(update={"numerics": numerics.asked()}))
    assert tf32() == (False, "highest")
    seen = []

    class Net(torch.nn.Linear):
        def forward(self, x):
            seen.append(tf32())
            return super().forward(x)

    net = Net(2, 2)
    as_computed(net, compute)(torch.ones(1, 2))
    as_computed(net, Compute())(torch.ones(1, 2))
    assert seen == [(True, "high"), (False, "highest")]
    x = torch.ones(1, 2, requires_grad=True)
    x.register_hook(lambda _: seen.append(tf32()))
    Regression(net, lambda call, *_: call(x).sum(), training(), compute).step(0, None)
    assert seen[-1] == (True, "high")
    assert tf32() == (False, "highest")


def test_a_resident_pool_draws_the_rows_of_a_pool_on_disk():
    x = stream(1, "x").normal(6, 3, 5, 2)
    resident = Resident(PointRows(x, -x), 6, 3, 5)

    class Shard:
        batches, steps, batch_size = 6, 3, 5

        def rows(self, batch, step, row):
            return x[batch, step, row], -x[batch, step, row]

    mine, theirs = (pool.draw(40, stream(2, "rows")) for pool in (resident, Pool([Shard()])))
    for name in ("x", "v", "t"):
        assert torch.equal(getattr(mine, name), getattr(theirs, name))


def test_images_in_memory_are_those_on_disk(tmp_path):
    problem = open_problem("cifar10", image_set(tmp_path, "cifar10", (3, 32, 32)))
    there = problem.to(torch.device("meta"))
    assert there._resident[0].device.type == "meta"
    there._resident = tuple(map(torch.tensor, (problem._images, problem._labels)))
    for mine, theirs in zip(
        *(p.labelled(9, stream(3, "i")) for p in (there, problem)), strict=True
    ):
        assert torch.equal(mine, theirs)


WAITS = {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero"}


@pytest.mark.parametrize("name", ["straight", "velocity"])
def test_a_step_never_waits_for_its_device(monkeypatch, name):
    """Between two lines of the learning curve nothing asks a tensor for its value."""
    # On a CPU alone Adam's fused step reads its own counter.
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: None)
    x = stream(1, "x").normal(6, 3, 5, 2)
    given = lesson(open_problem("8gaussians", None), Compute(), Resident(PointRows(x, -x), 6, 3, 5))
    learner = learner_of(module_of(NETWORKS[name].module), given)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for k in range(3):
            learner.step(k, stream(1, "step", k))
    names = {event.key for event in seen.key_averages()}
    assert "aten::addmm" in names
    assert not names & WAITS
