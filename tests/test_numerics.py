"""One kind of arithmetic everywhere: set before libraries load, asked of them, in every recipe."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from nsgf import numerics, torch_kernels
from nsgf.errors import NsgfError
from tests.engine.test_recipe import recipes
from tests.workflow.checkout import Checkout, planar

PORTABLE = {"mode": "portable", "device": "cpu", "arch": "x86_64"}
SET = (*numerics.VARIABLES, numerics.BEFORE)
BARE = {name: text for name, text in os.environ.items() if name not in SET}
MODEL = "results/tiny/models/moons/straight/seed0.safetensors"

pytestmark = pytest.mark.skipif(not numerics.able(), reason="this machine has no AVX2 and FMA")


def told(program: str, **environment: str) -> object:
    """What a program prints as JSON, in a process of its own whose environment sets nothing."""
    words = [sys.executable, "-c", f"import json\nfrom nsgf import numerics\n{program}"]
    result = subprocess.run(words, env=BARE | environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def made(folder, words: list[str], **compute: str) -> dict:
    """What the provenance of a network says that `nsgf` made, started from a bare environment."""
    whole = planar("tiny", ["fm"], train_seeds=1, compute={"device": "cpu"} | compute)
    checkout = Checkout(folder, whole)
    result = subprocess.run(
        [sys.executable, "-m", "nsgf.cli", "make", *words],
        cwd=folder,
        env=BARE | {"NSGF_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return checkout.provenance(folder / MODEL)


# ------------------------------------------------------------------------------ ways in


@pytest.mark.parametrize(
    "words", [[MODEL], ["--job", "moons-train-straight", "--preset", "config/tiny.yaml"]]
)
def test_a_command_sets_it_by_itself(tmp_path, words):
    body = made(tmp_path, words)
    assert body["numerics"] == PORTABLE
    assert body["config"]["compute"]["numerics"] == "portable"


def test_native_leaves_it_to_the_processor(tmp_path):
    body = made(tmp_path, [MODEL], numerics="native")
    assert body["numerics"]["mode"] == body["config"]["compute"]["numerics"] == "native"
    assert {"numpy", "torch", "numba", "processor", "glibc", "threads"} < set(body["numerics"])


def test_tests_compute_as_runs_do():
    assert numerics.key() == PORTABLE
    assert numerics.taken().items() <= numerics.TAKEN.items()
    assert {"numpy", "openblas", "torch"} <= set(numerics.taken())


def test_to_use_the_library_sets_nothing():
    program = "from nsgf.ot import velocity\nprint(json.dumps(numerics.asked()))"
    assert told(program) == "native"


def test_equal_keys_whatever_the_environment_said():
    program = "numerics.apply('portable'); import torch, numba; print(json.dumps(numerics.key()))"
    other = {"MKL_CBWR": "AUTO", "ATEN_CPU_CAPABILITY": "default", "NUMBA_CPU_NAME": "generic"}
    assert told(program) == told(program, **other) == PORTABLE


def test_native_forgets_what_a_portable_parent_set():
    program = "numerics.apply('native'); import numpy; print(json.dumps(numerics.key()))"
    key = told(program, **numerics.VARIABLES)
    assert key["mode"] == "native"
    assert key == told(program)
    assert told(program, OPENBLAS_CORETYPE="Nehalem")["openblas"] == "Nehalem"  # a user's own


# ------------------------------------------------------------------------------ refusals

REFUSED = """
from nsgf.errors import NsgfError
try:
    numerics.{call}
except NsgfError as error:
    print(json.dumps(str(error)))
"""


def test_what_was_loaded_with_other_settings_is_refused():
    said = told("import numpy" + REFUSED.format(call="apply('portable')"))
    assert "comes too late: numpy took 'native'" in said
    said = told("import numpy" + REFUSED.format(call="apply('native')"), **numerics.VARIABLES)
    assert "comes too late: numpy took 'portable'" in said


def test_what_libraries_say_they_took_counts_not_the_environment():
    late = "import os, numpy\nos.environ |= numerics.VARIABLES"
    said = told(late + REFUSED.format(call="check()"), OPENBLAS_CORETYPE="Nehalem")
    assert "openblas took Nehalem" in said


def test_a_machine_without_avx2_is_offered_native(monkeypatch):
    monkeypatch.setattr(numerics, "processor", lambda: {"flags": "fpu sse sse2 avx"})
    assert numerics.best() == "native"
    with pytest.raises(NsgfError, match=r"needs .*AVX2 and FMA[\s\S]*compute.numerics to 'native'"):
        numerics.apply("portable")


# ------------------------------------------------------------------------------- recipes


def test_every_recipe_rests_on_it():
    one, other = (
        recipes(compute={"device": "cpu", "numerics": mode}) for mode in ("portable", "native")
    )
    assert one.keys() == other.keys()
    assert [path for path in one if one[path] == other[path]] == []


# ------------------------------------------------------------- torch's operations by numpy


@pytest.fixture
def ours():
    torch_kernels.install()
    return torch.Generator().manual_seed(0)


def test_products_are_numpys_with_torchs_gradients(ours):
    a, b = (torch.randn(3, 5, 5, generator=ours, dtype=torch.double) for _ in range(2))
    bias = torch.randn(5, generator=ours, dtype=torch.double)
    assert np.array_equal(a[0] @ b[0].T, a[0].numpy() @ b[0].numpy().T)
    assert np.array_equal(a @ b.mT, a.numpy() @ b.mT.numpy())
    tensors = [t.requires_grad_() for t in (bias, a, b)]
    for product in (
        lambda bias, a, b: a @ b,
        lambda bias, a, b: torch.nn.functional.linear(a[0], b[0], bias),
        lambda bias, a, b: torch.addmm(bias, a[0].T, b[0], beta=0.5, alpha=2),
        lambda bias, a, b: torch.baddbmm(bias, a, b, beta=2, alpha=3),
        lambda bias, a, b: (a.square() + 1).sqrt(),
    ):
        assert torch.autograd.gradcheck(product, tensors)


def test_what_is_added_nought_times_is_not_looked_at(ours):
    a = torch.randn(4, 3, generator=ours)
    assert torch.addmm(torch.full((4, 4), torch.nan), a, a.T, beta=0).isfinite().all()


def test_roots_are_ieees(ours):
    for dtype in (torch.float32, torch.float64):
        x = torch.rand(4099, generator=ours, dtype=dtype)
        exact = [float(np.sqrt(np.longdouble(v))) for v in x[:99].tolist()]
        assert torch.equal(x.sqrt(), torch.from_numpy(np.sqrt(x.numpy())))
        assert x.double().sqrt()[:99].tolist() == exact
    assert torch.tensor(-1.0).sqrt().isnan()


def test_selu_is_torchs_with_its_gradient(ours):
    x = torch.randn(64, 33, generator=ours) * 20
    x[0, :4] = torch.tensor([0.0, -0.0, -200.0, 1e30])
    for of in (torch.nn.functional.selu, lambda x: torch.nn.functional.elu(x, 0.7)):
        exact = of(x.double())
        torch.testing.assert_close(of(x), exact.float(), rtol=3e-7, atol=0)
        torch.testing.assert_close(of(x.mT), exact.float().mT, rtol=3e-7, atol=0)
        torch.testing.assert_close(of(x[:, ::2]), exact.float()[:, ::2], rtol=3e-7, atol=2e-7)
        each = [y.requires_grad_() for y in (x.clone(), x.double())]
        slopes = [torch.autograd.grad(of(y).sum(), y)[0] for y in each]
        torch.testing.assert_close(slopes[0], slopes[1].float(), rtol=3e-6, atol=1e-7)
    small = torch.full((1,), -1e-6)  # where e^x - 1 would cancel
    expected = 1.0507009873554805 * 1.6732632423543772 * np.expm1(float(small))
    assert float(torch.nn.functional.selu(small)) == pytest.approx(expected, rel=1e-6)


def test_selu_passes_on_what_is_no_number(ours):
    x = torch.tensor([float("nan"), 1.0, float("-inf"), float("inf")])
    found = torch.nn.functional.selu(x)
    assert found[0].isnan()
    assert found[3].isinf()
    assert found[2] == pytest.approx(-1.7580993)


def test_other_types_stay_torchs(ours):
    assert torch.nn.functional.selu(torch.ones(3, dtype=torch.bfloat16)).dtype == torch.bfloat16
    a = torch.eye(3, dtype=torch.bfloat16) * 2
    assert (a @ a).dtype == torch.bfloat16
    assert torch.equal(a @ a, a * 2)
    assert torch.equal(torch.tensor([4, 9]).sqrt(), torch.tensor([2.0, 3.0]))
