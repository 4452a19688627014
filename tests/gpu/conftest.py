"""The device under test, and what it must agree with: the compiled kernels of this CPU.

It is what tests/gpu/run.sh says, else CUDA where there is one, else this CPU: by torch's own
operations there, which are what a GPU runs, and without oneDNN's convolutions.
"""

import contextlib
import json
import os

import pytest
import torch

import nsgf
import nsgf.ot
from nsgf import philox
from nsgf.ot import dense, newton_backend

JOB = json.loads(os.environ.get("NSGF_GPU_JOB", "{}"))


@pytest.fixture
def device() -> torch.device:
    return torch.device(JOB.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))


@pytest.fixture
def there(device):
    """Calls a function with its tensors on the device, where no product is rounded to TF32."""

    def call(function, *arguments, **options):
        with contextlib.ExitStack() as stack:
            exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
            stack.enter_context(exact)
            if device.type == "cpu":
                patch = stack.enter_context(pytest.MonkeyPatch.context())
                # Modules of ours take these two when they need them, from here.
                patch.setattr(nsgf.ot, "kernels", dense, raising=False)
                patch.setattr(newton_backend, "_is_small", lambda x: False)
                patch.setattr(nsgf, "philox_loops", philox, raising=False)
                stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            moved = {k: moved_to(device, value) for k, value in options.items()}
            return function(*(moved_to(device, value) for value in arguments), **moved)

    return call


def moved_to(device, value):
    return value.to(device) if isinstance(value, torch.Tensor | torch.nn.Module) else value


@pytest.fixture
def agree(record_property):
    """Asserts and records how near a tensor is to the CPU's, relative to its norm or `least`."""

    def check(found, expected, within: float = 1e-4, least: float = 1e-12) -> None:
        gap = float((found.cpu().double() - expected.double()).norm())
        error = gap / max(float(expected.double().norm()), least)
        record_property("relative_error", error)
        assert error <= within

    return check


def pytest_runtest_logreport(report) -> None:
    """A line for the kit's report as each test ends, so that a hang later costs no result."""
    if "rows" not in JOB or (report.when != "call" and report.passed):
        return
    row = {"test": report.nodeid.partition("::")[2], "outcome": report.outcome}
    row |= {"test_s": report.duration}
    if measured := [value for name, value in report.user_properties if name == "relative_error"]:
        row["relative_error"] = max(measured)
    if report.failed:
        row["why"] = str(report.longrepr)[-1500:]
    elif report.skipped:
        row["why"] = report.longrepr[2]
    with open(JOB["rows"], "a") as rows:  # noqa: PTH123
        rows.write(json.dumps(row) + "\n")
