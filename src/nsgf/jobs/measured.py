"""Jobs that measure samples and training targets, for one data set of one study."""

from collections.abc import Iterator

from nsgf.codehash import stage_code
from nsgf.config.metrics import EvaluateStage
from nsgf.config.targets import SOLVERS, TargetsStage
from nsgf.data.arrays import ARRAYS
from nsgf.jobs.branch import Branch, filled, split
from nsgf.jobs.job import Job
from nsgf.layout import FEATURES, INCEPTION, Cell, sample_units, with_sidecars
from nsgf.registry import BACKENDS, NETS


def references(branch: Branch) -> Iterator[Job]:
    """What samples are compared with."""
    units = sample_units(branch.study, branch.dataset)
    if branch.image:
        units = [{"dataset": branch.dataset}]
    template = branch.layout.reference(branch.dataset)
    made = [template, template.replace(".json", ".npz")] if branch.image else [template]
    for part, chunk in branch.chunks("reference", units):
        yield branch.job(
            "reference",
            "reference",
            part,
            chunk,
            config=("evaluate", _evaluation(branch)),
            inputs=[*_classifier(branch), *_inception(branch), *branch.data(*ARRAYS)],
            outputs=filled(made, chunk),
            options=[*_classifier_option(branch), ("out", template)],
            code=stage_code("reference", branch.dataset, used=_measuring_code(branch)),
        )


def evaluations(branch: Branch, cell: Cell) -> Iterator[Job]:
    """Metrics of one cell; where jobs share the features of a set, these before."""
    paths, dataset, shards = branch.layout, branch.dataset, branch.study.shards.features
    samples, cost = (paths.samples(dataset, cell, e) for e in (".npy", ".json"))
    reference, template = paths.reference(dataset), paths.metrics(dataset, cell)
    made = [template, paths.metrics(dataset, cell, ".npz")] if branch.image else [template]
    against = [reference, reference.replace(".json", ".npz")] if branch.image else [reference]
    features, options = [], []
    if shards > 1:
        yield from _embeddings(branch, cell)
        features = [paths.samples(dataset, cell, FEATURES)]
        options = [("features", *features), ("shards", str(shards))]
    for part, chunk in branch.chunks("evaluate", sample_units(branch.study, dataset)):
        yield branch.job(
            "evaluate",
            "evaluate",
            f"{cell.name}-{part}",
            chunk,
            config=("evaluate", _evaluation(branch)),
            inputs=[
                *filled([samples, cost, *against], chunk),
                *with_sidecars(filled(features, split(chunk, shards))),
                *_classifier(branch),
                *_inception(branch),
                *branch.data(*ARRAYS),
            ],
            outputs=filled(made, chunk),
            options=[
                *_classifier_option(branch),
                ("samples", samples),
                ("reference", reference),
                *options,
                ("out", template),
            ],
            code=stage_code("evaluate", dataset, used=_measuring_code(branch)),
        )


def _embeddings(branch: Branch, cell: Cell) -> Iterator[Job]:
    """Jobs that compute the features of parts of sets of samples."""
    paths, dataset, shards = branch.layout, branch.dataset, branch.study.shards.features
    samples, reference = paths.samples(dataset, cell, ".npy"), paths.reference(dataset)
    template = paths.samples(dataset, cell, FEATURES)
    units = split(sample_units(branch.study, dataset), shards)
    for part, chunk in branch.chunks("features", units):
        yield branch.job(
            "features",
            "features",
            f"{cell.name}-{part}",
            chunk,
            config=("evaluate", _evaluation(branch)),
            inputs=[
                *filled([samples, reference], chunk),
                *_classifier(branch),
                *_inception(branch),
            ],
            outputs=filled([template], chunk),
            options=[
                *_classifier_option(branch),
                ("samples", samples),
                ("reference", reference),
                ("shards", str(shards)),
                ("out", template),
            ],
            code=stage_code("features", dataset, used=_measuring_code(branch)),
            temporary=True,
        )


def target_errors(branch: Branch) -> Iterator[Job]:
    """How wrong training targets are, where the study asks."""
    asked, template = branch.study.targets, branch.layout.targets()
    if asked:
        measured = branch.study.trajectories[asked.flow]
        settings = TargetsStage(
            seed=branch.seed,
            flow=measured.flow,
            batch_size=measured.pool.batch_size,
            targets=asked,
            compute=branch.study.compute,
        )
        unit = {"dataset": branch.dataset}
        yield branch.job(
            "targets",
            "targets",
            "0",
            [unit],
            config=("targets", settings),
            inputs=branch.data("train_images", "train_labels"),
            outputs=[template.format(**unit)],
            options=[("out", template)],
            code=stage_code("targets", branch.dataset, used=[BACKENDS[s] for s in SOLVERS]),
        )


def _evaluation(branch: Branch) -> EvaluateStage:
    study = branch.study
    return EvaluateStage(seed=branch.seed, metrics=study.metrics, compute=study.compute)


def _inception(branch: Branch) -> list[str]:
    return [INCEPTION] if "inception" in branch.study.metrics.features else []


def _classifier(branch: Branch) -> list[str]:
    used = branch.image and "classifier" in branch.study.metrics.features
    return [branch.layout.classifier(branch.dataset)] if used else []


def _classifier_option(branch: Branch) -> list[tuple[str, str]]:
    return [("classifier", c) for c in _classifier(branch)]


def _measuring_code(branch: Branch) -> tuple[str, ...]:
    return (NETS["classifier"],) if _classifier(branch) else ()
