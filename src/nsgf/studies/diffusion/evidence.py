"""What the claims of this kind are judged on beside the table: divergences and times of trainings,
of the two schemes whose steps are exact."""

from nsgf.artifact import SIDECAR

SCHEMES = ("sw-jko", "jko-icnn")


def inputs(outline, study: str) -> dict[str, tuple[str, ...]]:
    """By data set and scheme: the metrics of its cell, the seconds of its trainings, and their
    provenance, which tells the steps and whether one was resumed after a kill."""
    found = {}
    for branch in outline.of(study):
        for name in (n for n in SCHEMES if n in branch.study.methods):
            placed = branch.cell(name)
            (template,) = placed.models.values()
            made = [template.format(**unit) for unit in branch.seeds]
            where = f"{branch.dataset} {name}"
            found[f"metrics {where}"] = (f"{placed.metrics}.json",)
            found[f"seconds {where}"] = tuple(map(outline.layout.seconds, made))
            found[f"provenance {where}"] = tuple(path + SIDECAR for path in made)
    return found
