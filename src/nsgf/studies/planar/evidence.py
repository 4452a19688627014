"""What the claims of this kind are judged on beside the table: the paths of two methods."""

MOVING = ("nsgf", "fm")  # whose paths claim 2 compares


def inputs(outline, study: str) -> dict[str, tuple[str, ...]]:
    """Paths of the first set of each training, at the fewest steps, by data set and method."""
    found = {}
    for branch in outline.of(study):
        for name in MOVING:
            mine = [p for p in branch.cells if p.cell.name == name]
            if mine:
                placed = min(mine, key=lambda p: p.cell.nfe)
                units = [u for u in branch.sets if u["sample"] == 0]
                paths = tuple(f"{placed.samples}.npz".format(**u) for u in units)
                found[f"{branch.dataset} {name}"] = paths
    return found
