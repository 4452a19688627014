"""What a preset must have beside possible settings: its own name, and data as it says."""

from pathlib import Path

from nsgf.config.base import load, read_yaml
from nsgf.config.preset import Preset
from nsgf.config.published import published_of
from nsgf.config.study import Study
from nsgf.errors import NsgfError
from nsgf.layout import paper_file
from nsgf.registry import DATASETS

REGISTRY = Path("config/datasets.yaml")  # of image sets


def ready(file: Path) -> Preset:
    """Read a preset that a run can begin with; what only its jobs would find out is not asked.

    Raises:
        NsgfError: it is not possible, has another's name, nothing is here of its paper, its own
            data are missing or others, or image sets have other classes or fewer images.
    """
    preset = load(file, Preset)
    if preset.name != file.stem:
        raise NsgfError(
            f"'{file}' says `name: {preset.name}`: its results would go to another preset's folder",
            f"write `name: {file.stem}`",
        )
    for own in preset.data.values():
        from nsgf.data import cloud  # numpy, which the driver's numerics must come before

        cloud.read(Path(own.file), own.sha256)
    known = read_yaml(REGISTRY)["datasets"] if REGISTRY.exists() else {}
    for name, study in preset.studies.items():
        published_of(study.paper and Path(paper_file(study.paper)))
        for target in {DATASETS[d].target for d in study.datasets} & set(known):
            _refuse_unlike(f"studies.{name}", study, target, known[target])
    return preset


def _refuse_unlike(where: str, study: Study, target: str, known: dict) -> None:
    """Hold a study's settings against what is known of an image set."""
    for name, training in study.networks.items():
        mine = getattr(training.net, "classes", None)
        if mine and mine < known["classes"]:
            raise NsgfError(
                f"{where}.networks.{name}.net.classes is {mine}, but '{target}' has"
                f" {known['classes']} classes",
                f"write classes: {known['classes']}",
            )
    metrics, sizes = study.metrics, known.get("sizes", {})
    splits = {"n_test": getattr(metrics, "against", "test"), "n_floor": "train"}
    for key, split in splits.items():
        wanted = getattr(metrics, key, 0)
        if split in sizes and wanted > sizes[split]:
            raise NsgfError(
                f"{where}.metrics.{key} is {wanted}, but '{target}' has {sizes[split]} {split}"
                " images",
                f"write {key}: {sizes[split]} or less",
            )
