"""`nsgf figure`: one figure of a preset, as .pdf and .png, from paths or neighbours."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.preset import Figure, Preset
from nsgf.errors import NsgfError
from nsgf.layout import Layout, figure_cells, figure_inputs
from nsgf.registry import lookup, module_of
from nsgf.report.source import Panel, TargetPanel, read, read_targets
from nsgf.report.style import save


def run(preset: Path, figure: str) -> None:
    """Draw `figure` of the preset; a kind of figure is a module of nsgf.report with a `draw`.

    Raises:
        NsgfError: unknown figure, nothing to show, or missing or damaged inputs.
    """
    whole = load(preset, Preset)
    wanted = lookup(whole.figures, figure, "figure")
    layout = Layout(f"results/{whole.name}")
    inputs = _inputs(layout, whole, figure, wanted)
    panels = _panels(whole, wanted, inputs)
    drawing = module_of(f"nsgf.report.{wanted.kind}").draw(whole, wanted, panels)
    files = [Path(layout.figure(figure, ending)) for ending in ("pdf", "png")]
    save(drawing, *files)
    record(
        *files,
        stage="figure",
        config=wanted.model_dump(mode="json"),
        seed=whole.seed,
        code=stage_code("figure", figure=wanted.kind),
        inputs=_with_costs(inputs),
        facts={"figure": figure, "title": whole.title, "reduced": list(whole.reduced)},
    )


def _inputs(layout: Layout, whole: Preset, name: str, figure: Figure) -> list[Path]:
    """The files that the figure shows; each .npz has a .json beside it."""
    study = whole.studies.get(figure.study)
    files = [Path(file) for file in figure_inputs(layout, study, figure)]
    if not files:
        raise NsgfError(
            f"figure '{name}' shows nothing: {figure.study} has no cell at nfe {figure.nfe}",
            f"give it an nfe of the study ({study.nfe}), or none for methods that find their own",
        )
    absent = [f for f in _with_costs(files) if not f.exists()]
    if absent:
        raise NsgfError(
            f"figure '{name}' is drawn from '{absent[0]}', which is missing"
            + (f" ({len(absent)} files are)" if len(absent) > 1 else ""),
            f"make it: make reproduce PRESET={whole.name}"
            + (f" ONLY={figure.study}" if figure.study else ""),
        )
    return files


def _with_costs(files: Sequence[Path]) -> list[Path]:
    """The files, and the .json beside each .npz."""
    costs = {f: [f.with_suffix(".json")] if f.suffix == ".npz" else [] for f in files}
    return [path for file, beside in costs.items() for path in (file, *beside)]


def _panels(whole: Preset, figure: Figure, files: Sequence[Path]) -> list[Panel | TargetPanel]:
    if figure.kind == "targets":
        return read_targets(files[:-1], files[-1])
    shown = [
        (d, c) for d in figure.datasets for c in figure_cells(whole.studies[figure.study], figure)
    ]
    return [read(file, *which) for file, which in zip(files, shown, strict=True)]
