"""Trial: a study of an unnormalised density with its own metric, table, figure and claim.

One folder, one line.
"""

from tests.trials.house import House, small

FOLDER = "src/nsgf/studies/densities"
FILES = {
    "__init__.py": '''"""Targets that are known by their density alone."""

from pydantic import Field

from nsgf.studies.kind import Kind, Measures


class Metrics(Measures):
    """What is measured on samples of a density."""

    scale: float = Field(default=1.0, gt=0)
    """Width of the kernel, data units."""


HERE = "nsgf.studies.densities"
KIND = Kind(
    Metrics,
    measure=f"{HERE}.measure",
    table=f"{HERE}.table",
    claims=f"{HERE}.claims",
    evidence=f"{HERE}.evidence",
)
''',
    "catalogue.py": '''"""Problems, methods and figures of this kind."""

from nsgf.registry import Dataset, Figure, Method

HERE = "nsgf.studies.densities"
DATASETS = {"crescent": Dataset("Banana", (3,), f"{HERE}.crescent")}
METHODS = {"kl": Method("Reverse KL", ("kl",), f"{HERE}.reverse_kl", learner=f"{HERE}.reverse_kl")}
FIGURES = {"discrepancies": Figure(f"{HERE}.discrepancies", reads="table")}
''',
    "crescent.py": '''"""A bent Gaussian in three dimensions, without its constant."""


def log_density(x):
    """x (n, 3) to (n,)."""
    bent = x[:, 1] - 0.5 * x[:, 0].square()
    return -0.5 * (x[:, 0].square() + bent.square() + x[:, 2].square())
''',
    "reverse_kl.py": '''"""A residual map that is trained on the density alone."""

import torch

from nsgf.sample.counted import Counted
from nsgf.sample.run import Batch


def objective(problem, pool, batch_size):
    """The divergence for T(x) = x + net(x, 0), up to a constant; one row's Jacobian is exact."""

    def loss(net, numbers, step):
        x = problem.source(batch_size, numbers)

        def moved(row):
            return row + net(row[None], torch.zeros(1, device=x.device))[0]

        slopes = torch.func.vmap(torch.func.jacrev(moved))(x)
        image = torch.func.vmap(moved)(x)
        return -(problem.log_density(image) + slopes.det().abs().log()).mean()

    return loss


def draw(task, x0, path):
    """One evaluation."""
    net = Counted(task.net("kl"))
    x = x0 + net(x0, torch.zeros(len(x0), device=x0.device))
    if path:
        path.add(x0, 0.0)
        path.add(x, 1.0)
    return Batch(x, net.rows, net.calls)
''',
    "measure.py": '''"""Kernel Stein discrepancy: needs no samples of the target."""

import torch

from nsgf.artifact import read_npy, write_json
from nsgf.data.problem import problem_from
from nsgf.metrics.wasserstein import Measured


def reference(settings, unit, files):
    """There is nothing to compare with."""
    write_json(files.outputs["reference"], {})


class Instrument:
    def __init__(self, settings, unit, files):
        self._problem = problem_from(unit["dataset"], files.inputs.get("data"))
        self._scale = settings.metrics.scale

    def measure(self, source, of):
        x = torch.from_numpy(read_npy(source)).double().requires_grad_()
        (score,) = torch.autograd.grad(self._problem.log_density(x).sum(), x)
        value = stein(x.detach(), score, self._scale)
        protocol = f"inverse multiquadric kernel, scale {self._scale:g}"
        return [Measured("ksd", value, float("nan"), protocol, len(x))], {}


def stein(x, score, scale):
    """Square root of the V-statistic; k(x, y) = (scale^2 + |x - y|^2)^(-1/2)."""
    gap = x[:, None] - x[None]
    base, d = scale**2 + gap.square().sum(-1), x.shape[1]
    slope = -gap * base[..., None] ** -1.5
    trace = d * base**-1.5 - 3 * gap.square().sum(-1) * base**-2.5
    cross = (score[:, None] * -slope).sum(-1) + (score[None] * slope).sum(-1)
    return float((score @ score.T * base**-0.5 + cross + trace).mean().clamp_min(0).sqrt())
''',
    "table.py": '''"""One line a method: its discrepancy."""

import pandas as pd

from nsgf.report import tables


def table(name, measured, published, study, confidence):
    """The contract's columns and one more."""
    found = tables.table(name, measured, published, study, confidence)
    return found.assign(per_evaluation=found["mean"] / found["nfe"])


def display(found, labels):
    """Two columns."""
    shown = found["mean"].map("{:.3f}".format)
    return pd.DataFrame({"method": found["method"].map(labels), "discrepancy": shown})
''',
    "discrepancies.py": '''"""Bars of discrepancies."""

import pandas as pd

from nsgf.report.style import Sheet, look


@look()
def draw(settings, figure, table):
    """A bar a method."""
    found = pd.read_csv(table)
    sheet = Sheet(settings, 3, 2)
    axes = sheet.axes(0.5, 0.3, 2.2, 1.4)
    axes.barh(found["method"], found["mean"])
    return sheet.drawing
''',
    "evidence.py": '''"""The claim of this kind."""

CLAIMS = {1: "Training on the density alone brings the discrepancy under that of the source."}


def inputs(outline, study):
    """The table says all."""
    return {}
''',
    "claims.py": '''"""Judge it."""

from nsgf.report.finding import finding


def judge(table, given, reduced, published):
    """By the mean over seeds."""
    mean = table["mean"].max()
    return [finding(1, published, "inconclusive", f"discrepancy {mean:.3f}")]
''',
}


def test_it_runs_from_density_to_table_figure_and_claim(tmp_path):
    study = {"kind": "densities", "datasets": ["crescent"], "methods": {"kl": {"nfe": 1}}}
    whole = small("mine", **study, metrics={"scale": 2.0})
    networks = whole["studies"]["table1"]["networks"]
    whole["studies"] = {"shapes": whole["studies"]["table1"]}
    networks["kl"] = networks["straight"]
    shown = {"kind": "discrepancies", "study": "shapes", "datasets": ["crescent"]}
    whole["figures"] = {"stein": shown}
    house = House(tmp_path, whole)
    for name, text in FILES.items():
        house.add(f"{FOLDER}/{name}", text)
    house.line("STUDIES", '"densities": "nsgf.studies.densities",')
    house.run()
    (row,) = house.rows("shapes")
    assert (row["dataset"], row["method"], row["metric"]) == ("crescent", "kl", "ksd")
    assert float(row["per_evaluation"]) == float(row["mean"]) > 0
    assert "| Reverse KL | " in (house.results / "tables/shapes.md").read_text()
    assert (house.results / "figures/stein.png").stat().st_size > 1000
    claims = (house.results / "timings/claims.csv").read_text()
    assert "density alone" in claims
    assert "NSGF" not in claims, "claims of a paper that this preset has nothing of"
    assert ({path.rpartition("/")[0] for path in house.added}, house.lines) == ({FOLDER}, 1)


def test_a_method_that_needs_samples_of_it_says_so(tmp_path):
    study = {"kind": "densities", "datasets": ["crescent"], "methods": {"fm": {"nfe": 1}}}
    house = House(tmp_path, small("mine", **study, metrics={}))
    for name, text in FILES.items():
        house.add(f"{FOLDER}/{name}", text)
    house.line("STUDIES", '"densities": "nsgf.studies.densities",')
    result = house.nsgf("make", "results/mine/models/crescent/straight/seed0.safetensors")
    assert result.returncode == 1
    assert "cannot be sampled: it has a density alone" in result.stderr
    assert "Traceback" not in result.stderr
