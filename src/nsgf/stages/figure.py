"""`nsgf figure`: one figure of a preset, as .pdf and .png, from paths or neighbours."""

from pathlib import Path

from nsgf.artifact import record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.preset import Figure, Preset
from nsgf.errors import NsgfError
from nsgf.layout import Layout, figure_cells, figure_inputs
from nsgf.registry import lookup, module_of
from nsgf.report.source import read
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
    cells = figure_cells(whole.studies[wanted.study], wanted)
    shown = [(dataset, cell) for dataset in wanted.datasets for cell in cells]
    panels = [read(file, *which) for file, which in zip(inputs, shown, strict=True)]
    drawing = module_of(f"nsgf.report.{wanted.kind}").draw(whole, wanted, panels)
    files = [Path(layout.figure(figure, ending)) for ending in ("pdf", "png")]
    save(drawing, *files)
    record(
        *files,
        stage="figure",
        config=wanted.model_dump(mode="json"),
        seed=whole.seed,
        code=stage_code("figure", figure=wanted.kind),
        inputs=[f for path in inputs for f in (path, path.with_suffix(".json"))],
        facts={"figure": figure, "title": whole.title, "reduced": list(whole.reduced)},
    )


def _inputs(layout: Layout, whole: Preset, name: str, figure: Figure) -> list[Path]:
    """The .npz files that the figure shows, each with a .json beside it."""
    study = whole.studies[figure.study]
    files = [Path(file) for file in figure_inputs(layout, study, figure)]
    if not files:
        raise NsgfError(
            f"figure '{name}' shows nothing: {figure.study} has no cell at nfe {figure.nfe}",
            f"give it an nfe of the study ({study.nfe}), or none for methods that find their own",
        )
    absent = [f for path in files for f in (path, path.with_suffix(".json")) if not f.exists()]
    if absent:
        raise NsgfError(
            f"figure '{name}' is drawn from '{absent[0]}', which is missing"
            + (f" ({len(absent)} files are)" if len(absent) > 1 else ""),
            f"make it: make reproduce PRESET={whole.name} ONLY={figure.study}",
        )
    return files
