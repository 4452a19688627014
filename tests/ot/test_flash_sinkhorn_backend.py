"""FlashSinkhorn's backend, with a module of our own in its place: there is no CUDA device here."""

import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from nsgf.errors import NotConverged, NsgfError
from nsgf.ot import flash_sinkhorn_backend, velocity
from nsgf.ot.error import first_goal
from nsgf.rng import stream


@pytest.fixture
def calls(monkeypatch):
    """What the stand-in was built with; its potentials are those of our solver."""
    made = []

    class SamplesLoss:
        def __init__(self, loss, **options):
            assert loss == "sinkhorn"
            self.options = options
            made.append(options)

        def __call__(self, x, y):
            assert x.is_contiguous()
            assert y.is_contiguous()
            g = velocity(x, y, self.options["blur"], 1e-5).potential
            # Ours belongs to clouds that are centred each on its own mean, theirs to |x - y|^2 / 2.
            shift = x.mean(-2, keepdim=True) - y.mean(-2, keepdim=True)
            return None, (g - (y * shift).sum(-1)).float()

    monkeypatch.setitem(sys.modules, "flash_sinkhorn", SimpleNamespace(SamplesLoss=SamplesLoss))
    monkeypatch.setattr(flash_sinkhorn_backend, "_require_cuda", lambda x: None)
    return made


def clouds(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = stream(0, "flash")
    x, y = numbers.normal(2, 3, 16, 2)
    return x.to(dtype), (y + 2).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_potentials_give_our_velocity(calls, dtype):
    x, y = clouds(dtype)
    found = velocity(x, y, 0.5, backend="flash-sinkhorn")
    assert_close(found.v, velocity(x, y, 0.5).v, rtol=0, atol=1e-4)
    assert found.converged
    assert found.v.dtype == dtype


def test_it_is_asked_for_half_the_squared_distance_without_debiasing_to_a_tolerance(calls):
    x, y = clouds()
    velocity(x, y, 0.5, 1e-3, backend="flash-sinkhorn", scaling=0.8)
    across, within = calls
    plain = {k: v for k, v in across.items() if k != "eps_list"}
    assert plain == {
        "p": 2,
        "blur": 0.5,
        "half_cost": True,
        "debias": False,
        "potentials": True,
        "backend": "symmetric",
        "threshold": float(first_goal(1e-3, torch.empty(1))) * 0.25 / 2,
        "inner_iterations": flash_sinkhorn_backend.CHECK_EVERY,
        "allow_tf32": False,
    }
    assert {k: v for k, v in within.items() if k != "eps_list"} == plain
    eps = across["eps_list"]
    falling = [e for e in eps if e > 0.25]
    both = torch.cat([x, y], 1)
    assert falling[0] == pytest.approx(
        float((both.amax(1) - both.amin(1)).square().sum(-1).max()), rel=1e-5
    )
    assert all(b == pytest.approx(0.64 * a) for a, b in pairwise(falling))
    assert eps[len(falling) :] == [0.25] * flash_sinkhorn_backend.MAX_SWEEPS


def test_potentials_that_are_off_are_not_accepted(calls, monkeypatch):
    x, y = clouds()
    monkeypatch.setattr(
        sys.modules["flash_sinkhorn"].SamplesLoss,
        "__call__",
        lambda self, x, y: (None, torch.zeros(y.shape[:-1])),
    )
    with pytest.raises(NotConverged):
        velocity(x, y, 0.5, backend="flash-sinkhorn")


def test_without_the_package_or_without_cuda_it_is_one_message(monkeypatch):
    x, y = clouds()
    monkeypatch.setitem(sys.modules, "flash_sinkhorn", SimpleNamespace(SamplesLoss=None))
    with pytest.raises(NsgfError, match="needs points on a CUDA device, got cpu"):
        velocity(x, y, 0.5, backend="flash-sinkhorn")
    monkeypatch.setitem(sys.modules, "flash_sinkhorn", None)
    with pytest.raises(NsgfError, match="pip install flash-sinkhorn"):
        velocity(x, y, 0.5, backend="flash-sinkhorn")
