"""Networks, resumed bit for bit."""

from collections.abc import Iterator

from nsgf.config.train import TrainStage
from nsgf.engine.branch import Branch, Placed, filled, split
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task, Unit
from nsgf.registry import NETS, NETWORKS, SHARD_CURVE, STORAGES, module_of
from nsgf.stages.build_pool import modules_of, shard_files


def tasks(outline: Outline) -> Iterator[Task]:
    """Every network that a cell draws with or that samples are measured with, for every seed."""
    for branch in outline.branches:
        for name, template in branch.measuring.items():
            # A measuring instrument: one serves all seeds.
            yield _task(branch, name, template, branch.seeds[0])
        for placed in branch.cells:
            for name, template in placed.models.items():
                for unit in branch.seeds:
                    yield _task(branch, name, template, unit, placed)


def _task(
    branch: Branch, name: str, template: str, unit: Unit, placed: Placed | None = None
) -> Task:
    training = (placed.cell if placed else branch.study).networks[name]
    entry, streaming, inputs = NETWORKS[name], None, {"data": branch.problem_files}
    modules = [entry.module, NETS[training.net.kind]]
    if placed and entry.needs_pool:
        source = branch.pool_stage(placed.cell)
        if placed.pool:
            inputs["pool"] = _pool_files(placed.pool, source, unit)
            modules.append(STORAGES[source.pool.storage].module)
        else:
            streaming = source
            modules += modules_of(source)
    for other in entry.after:
        inputs[other] = placed.models[other].format(**unit)
    model = template.format(**unit)
    return branch.task(
        "train",
        template,
        unit,
        settings=TrainStage(
            seed=branch.seed,
            network=name,
            training=training,
            compute=branch.study.compute,
            streaming=streaming,
        ),
        inputs=inputs,
        outputs={"model": model, "curve": model.replace(".safetensors", ".csv")},
        modules=modules,
        entries=(entry,),
        timing=branch.layout.seconds(model),
    )


def _pool_files(pool: str, source, unit) -> tuple[str, ...]:
    shards = split(unit, source.pool.shards)
    names = [n for n in shard_files("", source) if n != SHARD_CURVE]
    return tuple(path for n in names for path in filled(f"{pool}/{n}", shards))


def make(settings: TrainStage, unit, files) -> dict:
    """Train one network (dataset, seed); its learning curve goes beside it."""
    from nsgf.data.problem import problem_from

    return learn(settings, unit, files, problem_from(unit["dataset"], files.inputs.get("data")))


def learn(settings: TrainStage, unit, files, problem) -> dict:
    """Train a network of a problem, as `make`; whatever `unit` holds tells trainings apart."""
    from nsgf.artifact import write_text
    from nsgf.config.base import deciding
    from nsgf.device import set_up
    from nsgf.nets.build import load, save
    from nsgf.train.learner import Lesson, learner_of
    from nsgf.train.loop import curve_csv, train

    device, training, name = set_up(settings.compute), settings.training, settings.network
    problem = problem.to(device)
    lesson = Lesson(
        problem=problem,
        pool=_open_pool(settings, unit, problem, files.inputs.get("pool"), device),
        training=training,
        device=device,
        seed=settings.seed,
        names=("train", name, unit["dataset"], unit["seed"]),
        others={n: load(files.inputs[n], device) for n in NETWORKS[name].after},
        compute=settings.compute,
    )
    learner = learner_of(module_of(NETWORKS[name].module), lesson)
    what = f"{name} {unit['dataset']} seed {unit['seed']}"
    purpose = [deciding(settings), dict(unit)]
    run = train(learner, training, lesson.seed, lesson.names, files.state, purpose, what)
    save(files.outputs["model"], learner.modules)
    write_text(files.outputs["curve"], curve_csv(run))
    count = sum(p.numel() for net in learner.modules.values() for p in net.parameters())
    return {"parameters": count, "resumed_at": run.resumed_at, "device": str(device)}


def _open_pool(settings: TrainStage, unit, problem, paths, device):
    """The pool to learn from; None where the network learns from none."""
    from nsgf.flows.pool import open_pool

    if settings.streaming:
        form = module_of(STORAGES["streaming"].module)
        return form.StreamingPool(problem, settings.streaming, unit)
    if not paths:
        return None
    return open_pool(list(dict.fromkeys(path.parent for path in paths)), problem, device)
