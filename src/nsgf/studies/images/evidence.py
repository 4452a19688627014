"""What the claims of this kind are judged on beside the table: costs and times."""

from nsgf.artifact import SIDECAR

OURS = "nsgf++"


def inputs(outline, study: str) -> dict[str, tuple[str, ...]]:
    """Costs of all sets of samples, and the times of one data set's trainings, with provenance.

    The provenance of what was timed tells whether it was resumed after a kill.
    """
    branch = outline.of(study)[0]
    if OURS not in branch.study.methods:
        return {}
    placed, layout = branch.cell(OURS), outline.layout
    found = {"cost": tuple(f"{placed.samples}.json".format(**u) for u in branch.sets)}
    for name, template in placed.models.items():
        made = [template.format(**u) for u in branch.seeds]
        found[f"seconds {name}"] = tuple(map(layout.seconds, made))
        found[f"provenance {name}"] = tuple(path + SIDECAR for path in made)
    if placed.pool:
        shards = range(placed.cell.pool.shards)
        folders = [placed.pool.format(**u, shard=k) for u in branch.seeds for k in shards]
        found["seconds pool"] = tuple(map(layout.seconds, folders))
        found["provenance pool"] = tuple(f"{f}/flow.json{SIDECAR}" for f in folders)
    return found
