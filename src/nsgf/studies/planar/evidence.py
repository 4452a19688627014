"""What the claims of this kind are judged on beside the table: paths of two methods, and metrics of
all methods by training seed."""

MOVING = ("nsgf", "fm")  # whose paths claim 2 compares


def inputs(outline, study: str) -> dict[str, tuple[str, ...]]:
    """By data set and row, at the row's fewest steps: paths of the first set of each training of
    two methods, and the metrics of every method that is no variant of another."""
    found = {}
    for branch in outline.of(study):
        least = {}
        for placed in branch.cells:
            cell = placed.cell
            if cell.nfe and cell.name == cell.method:
                other = least.setdefault(cell.name, placed)
                least[cell.name] = min(other, placed, key=lambda p: p.cell.nfe)
        for name, placed in least.items():
            found[f"metrics {branch.dataset} {name}"] = (f"{placed.metrics}.json",)
            if name in MOVING:
                units = [u for u in branch.sets if u["sample"] == 0]
                paths = tuple(f"{placed.samples}.npz".format(**u) for u in units)
                found[f"paths {branch.dataset} {name}"] = paths
    return found
