"""Figures: what each kind shows, equal bytes for equal inputs, and errors that say what to do."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb

from nsgf.artifact import sha256_file, sidecar
from nsgf.config.base import load, parse
from nsgf.config.preset import Preset
from nsgf.data.arrays import as_images
from nsgf.engine.dag import tasks, tasks_for
from nsgf.engine.make import make
from nsgf.engine.task import Task
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS, FIGURES, module_of
from nsgf.report import images, source
from nsgf.report.panels import FRACTIONS
from nsgf.report.phases import flow_steps
from nsgf.report.style import look
from nsgf.stages import figure
from tests.tasks import given

SHOWN = source.Shown(row="nsgf++", method="nsgf++", label="NSGF++")
STEPS, HANDOVER = 4, 2  # of the toy paths
M = 12
NET = {"net": {"kind": "mlp"}, "iterations": 1, "batch_size": 2, "lr": 0.1}
PLANAR = {
    "kind": "planar",
    "datasets": ["moons", "8gaussians"],
    "methods": {"nsgf": {}, "fm": {}},
    "train_seeds": 1,
    "nfe": [STEPS],
    "flow": {"steps": STEPS, "step_size": 0.3, "blur": 0.5},
    "pool": {"batches": 1},
    "networks": {"velocity": NET, "straight": NET},
    "metrics": {},
}
UNET = NET | {"net": {"kind": "unet", "channels": 32, "multipliers": [1, 2]}}
IMAGES = PLANAR | {
    "kind": "images",
    "datasets": ["mnist", "cifar10"],
    "methods": {"nsgf++": {}, "straight": {}},
    "nfe": [],
    "networks": {
        "velocity": UNET,
        "straight": UNET,
        "phase": NET | {"net": {"kind": "phase_cnn"}},
    },
}
BLURS, ETAS = (0.5, 1.0), (0.2, 0.3, 0.4)
SWEEP = PLANAR | {
    "datasets": ["moons"],
    "methods": {"nsgf": {}},
    "sweep": {"flow.blur": [*BLURS], "flow.step_size": [*ETAS]},
}
LINE = SWEEP | {"sweep": {"flow.blur": [*BLURS]}}
KINDS = {
    "paths": {"study": "table1", "datasets": ["moons", "8gaussians"], "nfe": STEPS},
    "panels": {"study": "table1", "datasets": ["moons", "8gaussians"], "nfe": STEPS},
    "phases": {"study": "table3", "datasets": ["mnist", "cifar10"]},
    "trajectories": {"study": "table3", "datasets": ["cifar10"]},
    "neighbours": {"study": "table3", "datasets": ["mnist"]},
    "heatmap": {
        "study": "sweep",
        "datasets": ["moons"],
        "x": "flow.blur",
        "y": "flow.step_size",
        "metric": "w2",
    },
    "curve": {"study": "line", "datasets": ["moons"], "x": "flow.blur", "metric": "w2"},
}
PRESET = {
    "name": "toy",
    "title": "Reduced run (toy)",
    "reduced": ["all of it"],
    "seed": 3,
    "studies": {"table1": PLANAR, "table3": IMAGES, "sweep": SWEEP, "line": LINE},
    "figures": {kind: {"kind": kind} | settings for kind, settings in KINDS.items()},
}


def toy_path(dataset: str, method: str) -> dict[str, np.ndarray]:
    """A path whose every coordinate is its time, in [0, 1], times one plus the sample's number."""
    size = int(np.prod(DATASETS[dataset].shape))
    times = np.linspace(0, 1, STEPS + 1)[:, None].repeat(M, axis=1)
    if method == "nsgf":
        times = times * STEPS - STEPS
    progress = np.linspace(0, 1, STEPS + 1)
    path = np.einsum("s,m,d->smd", progress, np.linspace(-1, 1, M), np.ones(size))
    if method == "nsgf++":
        times[:HANDOVER] = np.arange(-HANDOVER, 0)[:, None]
        times[HANDOVER + 1 :, 0] = 1.0  # the first sample arrives early
        path[HANDOVER + 1 :, 0] = path[-1, 0]
    return {"path": path.astype(np.float32), "times": times.astype(np.float32)}


def toy_neighbours(dataset: str) -> dict[str, np.ndarray]:
    shape = (M, *DATASETS[dataset].shape)
    samples = np.full(shape, 200, np.uint8)
    return {"samples": samples, "neighbours": samples // 2, "index": np.arange(M)}


def toy_table(lost: tuple = ()) -> str:
    """W2 is least at the larger blur and the middle step size; cells of `lost` were not run."""
    lines = ["method,dataset,metric,mean,ci_low,ci_high,flow.blur,flow.step_size"]
    for blur in BLURS:
        for eta in ETAS:
            mean = "" if (blur, eta) in lost else 1 - 0.1 * blur + 10 * (eta - 0.3) ** 2
            low, high = ("", "") if mean == "" else (mean - 0.05, mean + 0.05)
            lines.append(f"nsgf,moons,w2,{mean},{low},{high},{blur},{eta}")
            lines.append(f"nsgf,moons,geomloss,7,6,8,{blur},{eta}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def preset(tmp_path, monkeypatch) -> Path:
    """A working directory with a preset and everything that its figures are drawn from."""
    monkeypatch.chdir(tmp_path)
    path = write_preset({})
    for kind in KINDS:
        task = task_of(path, kind)
        if FIGURES[kind].reads == "table":
            given(task.inputs["table"], toy_table())
            continue
        files = zip(task.inputs["arrays"], task.inputs["cost"], task.settings.panels, strict=True)
        for arrays, cost, panel in files:
            Path(arrays).parent.mkdir(parents=True, exist_ok=True)
            of = panel.dataset, panel.cell.method
            made = toy_neighbours(panel.dataset) if kind == "neighbours" else toy_path(*of)
            np.savez(arrays, **made)
            given(arrays)
            spent = STEPS if DATASETS[panel.dataset].shape == (2,) else 7.25
            given(cost, json.dumps({"nfe": float(spent)}))
    return path


def write_preset(changes: dict) -> Path:
    path = Path("preset.yaml")
    path.write_text(yaml.safe_dump(PRESET | changes, sort_keys=False))
    return path


def task_of(preset: Path, name: str) -> Task:
    """The task that draws a figure."""
    every = tasks(load(preset, Preset))
    return next(t for t in every if t.stage == "figure" and t.unit["figure"] == name)


def draw(preset: Path, name: str) -> list[Path]:
    """Make the files of a figure."""
    task = task_of(preset, name)
    make([task])
    return [Path(path) for path in task.artefacts]


def drawn(preset: Path, kind: str):
    """Matplotlib's figure, without the files."""
    task = task_of(preset, kind)
    settings = task.settings
    if FIGURES[kind].reads == "table":
        panels = Path(task.inputs["table"])
    else:
        files = zip(task.inputs["arrays"], task.inputs["cost"], settings.panels, strict=True)
        reads = FIGURES[kind].reads
        panels = [source.read(reads, Path(a), Path(c), panel) for a, c, panel in files]
    with look():
        return module_of(FIGURES[kind].module).draw(settings, settings.figure, panels)


def words_of(drawing) -> list[str]:
    return [text.get_text() for text in drawing.texts]


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_two_files_with_provenance_and_equal_bytes_when_drawn_again(kind, preset):
    files = draw(preset, kind)
    assert files == [Path(f"results/toy/figures/{kind}.{ending}") for ending in ("pdf", "png")]
    first = [file.read_bytes() for file in files]
    draw(preset, kind)
    assert [file.read_bytes() for file in files] == first
    for file in files:
        facts = json.loads(sidecar(file).read_text())
        assert facts["sha256"] == sha256_file(file)
        assert facts["code"] == task_of(preset, kind).code
        assert facts["config"]["figure"]["kind"] == kind
        endings = {Path(name).suffix for name in facts["inputs"]}
        assert endings == ({".csv"} if FIGURES[kind].reads == "table" else {".npz", ".json"})


def test_bytes_depend_on_neither_the_process_nor_the_users_matplotlibrc(preset, monkeypatch):
    files = draw(preset, "neighbours")
    first = [file.read_bytes() for file in files]
    Path("matplotlibrc").write_text("font.size: 20\nsavefig.dpi: 50\npdf.compression: 0\n")
    code = "import sys; from nsgf.cli import main; sys.exit(main(sys.argv[1:]))"
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    words = ["make", "--preset", "preset.yaml", str(files[0])]
    for file in files:
        file.unlink()
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    assert [file.read_bytes() for file in files] == first


@pytest.mark.parametrize("kind", KINDS)
def test_the_title_stands_over_a_figure_only_where_the_run_is_reduced(kind, preset):
    assert PRESET["title"] in words_of(drawn(preset, kind))
    assert PRESET["title"] not in words_of(drawn(write_preset({"reduced": []}), kind))


def test_paths_have_a_square_panel_for_each_data_set_and_method(preset):
    drawing = drawn(preset, "paths")
    panels = [axes for axes in drawing.axes if axes.axison]
    assert len(panels) == 4
    width, height = drawing.get_size_inches()
    for axes in panels:
        box = axes.get_position()
        assert box.width * width == pytest.approx(box.height * height)
        assert axes.get_aspect() == 1
    assert {"moons", "8gaussians", "NSGF\nNFE 4"} <= set(words_of(drawing))


def test_paths_start_black_and_turn_from_blue_to_red(preset):
    axes = next(axes for axes in drawn(preset, "paths").axes if axes.axison)
    target, prior = (c for c in axes.collections if isinstance(c, PathCollection))
    (lines,) = (c for c in axes.collections if isinstance(c, LineCollection))
    assert len(target.get_offsets()) == 1024
    assert len(prior.get_offsets()) == M
    assert max(prior.get_facecolor()[0][:3]) < 0.2
    colours = lines.get_color()
    assert len(colours) == len(lines.get_segments()) == STEPS * M
    assert colours[0][2] > 0.5 > colours[0][0]
    assert colours[-1][0] > 0.5 > colours[-1][2]
    assert target.get_zorder() < lines.get_zorder() < prior.get_zorder()


def test_panels_have_five_times_for_each_method_and_data_set(preset):
    drawing = drawn(preset, "panels")
    assert len(drawing.axes) == 2 * 2 * 5
    assert all(axes.get_xlim() == axes.get_ylim() == (-6, 6) for axes in drawing.axes)
    assert set(FRACTIONS.values()) < set(words_of(drawing))
    for axes, fraction in zip(drawing.axes, list(FRACTIONS) * 4, strict=True):
        target, cloud = axes.collections
        expected = fraction * np.linspace(-1, 1, M)
        np.testing.assert_allclose(cloud.get_offsets()[:, 0], expected, atol=1e-6)
        assert min(target.get_facecolor()[0][:3]) > 0.7  # faint
    assert len({to_rgb(axes.collections[1].get_facecolor()[0]) for axes in drawing.axes}) == 2


def test_phases_show_the_hand_over_above_the_end_for_the_two_phase_method_alone(preset):
    drawing = drawn(preset, "phases")
    words = words_of(drawing)
    assert words.count(f"after {HANDOVER} NSGF steps") == words.count("final") == 2
    assert "MNIST: NSGF++, NFE 7.2" in words
    assert not any("Straight" in word for word in words)
    after, final = (axes.images[0].get_array() for axes in drawing.axes[:2])
    stored = toy_path("mnist", "nsgf++")["path"]
    np.testing.assert_array_equal(after, images.strip(as_images(stored[HANDOVER], (1, 28, 28))))
    np.testing.assert_array_equal(final, images.strip(as_images(stored[-1], (1, 28, 28))))


def test_trajectories_show_three_times_of_each_method_nsgf_pp_last(preset):
    drawing = drawn(preset, "trajectories")
    assert len(drawing.axes) == 2 * 3
    headings = [word for word in words_of(drawing) if word.startswith("CIFAR-10")]
    assert [word.split(": ")[1].rsplit(", NFE", 1)[0] for word in headings] == [
        "Straight flow alone (= FM, sigma = 0)",
        "NSGF++",
    ]
    start, half, end = (axes.images[0].get_array() for axes in drawing.axes[:3])
    assert tuple(start[0, 0]) == (128, 128, 128)
    assert (half[0, 0, 0], end[0, 0, 0]) == (64, 0)


def test_neighbours_stand_below_their_samples_in_order(preset):
    drawing = drawn(preset, "neighbours")
    assert len(drawing.axes) == 2 * 2 * 2  # cells, groups of ten, sample and neighbour
    sample, near = (axes.images[0].get_array() for axes in drawing.axes[:2])
    assert (sample[0, 0, 0], near[0, 0, 0]) == (200, 100)
    assert drawing.axes[2].images[0].get_array().shape[1] < sample.shape[1]  # the two left over


def test_the_state_at_a_fraction_is_that_of_each_samples_own_path():
    panel = source.Panel("mnist", SHOWN, 1.0, toy_path("mnist", "nsgf++"))
    path = panel.arrays["path"]
    np.testing.assert_array_equal(source.state_at(panel, 0.0), path[0])
    np.testing.assert_array_equal(source.state_at(panel, 1.0), path[-1])
    middle = source.state_at(panel, 0.5)
    np.testing.assert_allclose(middle[1:], path[2, 1:])  # four steps
    np.testing.assert_allclose(middle[0], (path[1, 0] + path[2, 0]) / 2)  # three steps
    assert flow_steps(panel) == HANDOVER


def test_a_strip_is_white_between_images_and_has_three_channels():
    grey = np.zeros((3, 1, 28, 28), np.uint8)
    strip = images.strip(grey)
    assert strip.shape == (112, 3 * 112 + 2 * 8, 3)
    assert (strip[:, 112:120] == 255).all()
    assert strip[:, :112].max() == 0
    colour = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    np.testing.assert_array_equal(images.strip(colour)[::4, ::4], colour[0].transpose(1, 2, 0))


def test_a_curve_shows_means_intervals_and_floor(preset):
    lines = ["method,dataset,nfe,metric,mean,ci_low,ci_high,floor,flow.blur"]
    lines += ["nsgf,moons,5,w2,0.4,0.3,0.5,0.1,0.5", "nsgf,moons,5,w2,0.2,0.1,0.3,0.1,8"]
    lines += ["nsgf,moons,5,geomloss,7,7,7,7,0.5", "fm,moons,5,w2,9,9,9,0.1,"]  # not over blur
    given(task_of(preset, "curve").inputs["table"], "\n".join(lines) + "\n")
    drawing = drawn(preset, "curve")
    (axes,) = drawing.axes
    mean, floor = axes.lines
    assert mean.get_xydata().tolist() == [[0.5, 0.4], [8.0, 0.2]]
    assert set(floor.get_ydata()) == {0.1}
    assert axes.get_xscale() == "log"
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.1, 0.5)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.5", "8"]
    assert {"moons", "NSGF"} <= set(words_of(drawing))


def test_a_curve_over_words_has_a_place_for_each(preset):
    lines = ["method,dataset,metric,mean,ci_low,ci_high,flow.blur"]
    lines += ["nsgf,moons,w2,0.4,0.3,0.5,same", "nsgf,moons,w2,0.2,0.1,0.3,masked"]
    given(task_of(preset, "curve").inputs["table"], "\n".join(lines) + "\n")
    (axes,) = drawn(preset, "curve").axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["masked", "same"]
    assert axes.lines[0].get_ydata().tolist() == [0.2, 0.4]


@pytest.mark.parametrize("lost", [(), ((1.0, 0.3),)])
def test_a_heat_map_shows_each_cell_with_its_interval_and_marks_the_best(lost, preset):
    given(task_of(preset, "heatmap").inputs["table"], toy_table(lost))
    drawing = drawn(preset, "heatmap")
    (axes,) = drawing.axes
    shown = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
    assert shown.shape == (len(ETAS), len(BLURS))
    assert np.isnan(shown).sum() == len(lost)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.5", "1"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0.2", "0.3", "0.4"]
    best = [text for text in axes.texts if text.get_weight() == "bold"]
    least = 0.9 if not lost else 0.95
    assert [text.get_text() for text in best] == [f"{least:.3g}\n± 0.05"]
    assert best[0].get_position() == ((1, 1) if not lost else (0, 1))
    assert "moons: nsgf, w2" in words_of(drawing)


def test_a_heat_map_of_a_metric_that_is_not_there_is_refused(preset):
    given(task_of(preset, "heatmap").inputs["table"], toy_table().replace("w2", "w3"))
    error = failure(preset, "heatmap")
    assert "has no w2 over flow.blur and flow.step_size" in error.what


def failure(preset: Path, name: str) -> NsgfError:
    with pytest.raises(NsgfError) as caught:
        draw(preset, name)
    return caught.value


def test_an_unknown_figure_is_named_with_the_nearest(preset):
    with pytest.raises(NsgfError) as caught:
        tasks_for(["results/toy/figures/path.png"], preset)
    assert "unknown artefact of preset.yaml 'results/toy/figures/path.png'" in caught.value.what
    assert "did you mean 'results/toy/figures/paths.png'" in caught.value.mend


LOST = f"results/toy/samples/moons/fm,nfe={STEPS}/seed0-0"


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_a_missing_input_is_named_with_the_command_that_makes_it(ending, preset):
    Path(LOST + ending).unlink()
    error = failure(preset, "paths")
    assert LOST + ending in error.what
    assert f"nsgf make {LOST}{ending}" in error.mend
    assert not Path("results/toy/figures").exists()


@pytest.mark.parametrize("stated", [False, True])
def test_a_damaged_input_is_named(stated, preset):
    """Whether its provenance tells, or it has been written so."""
    file = Path(f"{LOST}.npz")
    file.write_bytes(b"PK\x03\x04 no archive")
    if stated:
        given(file)
    error = failure(preset, "paths")
    assert str(file) in error.what
    assert ("cannot be read" if stated else "damaged") in error.what


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("paths", {"study": "table3", "datasets": ["mnist"], "nfe": None}, "2-D points"),
        ("phases", {"study": "table1", "datasets": ["moons"], "nfe": STEPS}, "shows image sets"),
        ("panels", {"nfe": 50}, "nfe 50 is not one of"),
        ("heatmap", {"x": "flow.tol"}, "x is 'flow.tol', none of what study 'sweep' varies"),
        ("heatmap", {"study": "table1"}, "none of what study 'table1' varies"),
    ],
)
def test_a_figure_of_the_wrong_kind_is_refused(kind, changes, says):
    with pytest.raises(NsgfError) as caught:
        parse(PRESET | {"figures": {"x": PRESET["figures"][kind] | changes}}, Preset, "toy")
    assert says in caught.value.what


def test_rows_are_drawn_in_the_order_that_a_figure_names(preset):
    figures = {"paths": PRESET["figures"]["paths"] | {"methods": ["fm", "nsgf"]}}
    panels = task_of(write_preset({"figures": figures}), "paths").settings.panels
    assert [p.cell.row for p in panels] == ["fm", "nsgf"] * 2


def test_editing_one_kind_does_not_touch_the_others(preset):
    codes = {task_of(preset, kind).code for kind in KINDS}
    assert len(codes) == len(KINDS)
    here = Path(figure.__file__).read_text()
    assert not any(re.search(rf"(nsgf\.report\.|import ){kind}\b", here) for kind in FIGURES)
