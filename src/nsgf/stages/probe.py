"""How far velocities of minibatches and of few sweeps are off, on each data set, as one .json."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.config.compute import Compute
from nsgf.config.pool import Flow, Probe
from nsgf.engine.branch import Branch
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.registry import BACKENDS


class ProbeStage(Model):
    """All that decides what is found."""

    seed: int
    flow: Flow
    batch_size: int
    """Particles n of one minibatch problem of sweeps, count."""
    probe: Probe
    compute: Compute


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each data set of a study that asks."""
    for branch in outline.branches:
        if branch.study.probe:
            yield branch.task(
                "probe",
                probe_file(branch),
                {"dataset": branch.dataset},
                settings=_settings(branch),
                inputs={"data": branch.problem_files},
                outputs={"found": probe_file(branch)},
                modules=[BACKENDS["newton"]],
            )


def probe_file(branch: Branch) -> str:
    """Where what was found on a branch lies."""
    settings = _settings(branch).model_dump(mode="json")
    name = branch.names.of(f"metrics/{branch.dataset}", "probe", settings)
    return branch.layout.path("metrics", branch.dataset, f"{name}.json")


def _settings(branch: Branch) -> ProbeStage:
    study = branch.study
    return ProbeStage(
        seed=branch.seed,
        flow=study.flow,
        batch_size=study.pool.batch_size,
        probe=study.probe,
        compute=study.compute,
    )


def make(settings: ProbeStage, unit, files) -> dict:
    """Look at one data set; its draws are those of nothing else."""
    from nsgf.artifact import write_json
    from nsgf.data.problem import problem_from
    from nsgf.device import set_up
    from nsgf.progress import bar

    device, probe = set_up(settings.compute), settings.probe
    problem = problem_from(unit["dataset"], files.inputs.get("data"))
    with bar(probe.populations + probe.problems, f"probe {unit['dataset']}") as progress:
        rows = [*_minibatches(settings, unit, problem, device, progress)]
        rows += _sweeps(settings, unit, problem, device, progress)
    write_json(files.outputs["found"], {"dataset": unit["dataset"], "rows": rows})
    return {"device": str(device)}


def _minibatches(settings: ProbeStage, unit, problem, device, progress) -> Iterator[dict]:
    """Bias and variance: a row for each population, step and minibatch size."""
    from nsgf.flows.sinkhorn import sinkhorn_flow
    from nsgf.metrics.probe import minibatch_errors
    from nsgf.rng import stream

    flow, probe, names = settings.flow, settings.probe, ("probe", unit["dataset"])
    last = max(probe.steps) + 1
    for k in range(probe.populations):
        ends = problem.minibatch(probe.population, settings.seed, *names, "population", k)
        x0, y = ends.x0.to(device), ends.y.to(device)
        states = sinkhorn_flow(x0, y, flow.blurs[:last], flow.sizes[:last], last, flow.tol).x
        for step in probe.steps:
            for n in probe.sizes:
                draws = probe.draws(n)
                numbers = stream(settings.seed, *names, k, step, n, device=device)
                blur, sizes = flow.blurs[step], (n, probe.queries, draws)
                bias, variance = minibatch_errors(states[step], y, blur, *sizes, numbers)
                about = {"what": "minibatch", "population": k, "step": step, "blur": blur, "n": n}
                found = {"bias_squared": bias, "variance": variance}
                yield about | {"queries": probe.queries, "draws": draws} | found
        progress.update()


def _sweeps(settings: ProbeStage, unit, problem, device, progress) -> Iterator[dict]:
    """Errors of few sweeps: a row for each problem, blur and number of sweeps."""
    from nsgf.metrics.probe import sweep_errors

    flow, probe, n = settings.flow, settings.probe, settings.batch_size
    for k in range(probe.problems):
        ends = problem.minibatch(n, settings.seed, "probe", unit["dataset"], "problem", k)
        x0, y = ends.x0.double().to(device), ends.y.double().to(device)
        for blur in probe.blurs:
            for sweeps in probe.sweeps:
                error = sweep_errors(x0, y, flow, blur, sweeps)
                about = {"what": "sweeps", "problem": k, "blur": blur, "sweeps": sweeps, "n": n}
                yield about | {"first": float(error[0]), "mean": float(error.mean())}
        progress.update()
