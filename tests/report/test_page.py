"""The report's arrangement, its page, and what a terminal shows of it."""

import base64
import contextlib
import html
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nsgf import cli
from nsgf.config.base import load, parse
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.layout import is_beside
from nsgf.ops.page.arrange import disagreements, grids, number, sentences
from nsgf.ops.page.contents import Contents, place
from nsgf.ops.page.run import summary, write
from nsgf.ops.show import text
from nsgf.report.tables import COLUMNS, ONE_TRAINING
from tests.foreign import foreign

ALL = sorted(Path("results/published").glob("*/tables/table*.csv"))
PUBLISHED = [file for file in ALL if not is_beside(file.stem)]
DAMAGE = {  # file of a run: what it may hold
    "tables/table1.md": (b"\xff\xfe", None),
    "tables/table1.csv.prov.json": (b"[", b"[1]", b"{}, {}"),
    "timings/claims.csv": (b"\xff", b"a,b\n1,2\n", b"claim,text,verdict,evidence\n1,cut"),
    "samples/moons/nsgf/seed0-0.npz": (b"", b"PK"),
    "samples/moons/nsgf/seed0-0.json": (b"{}", b"[]"),
}
WITHOUT_AN_END = {"meta", "img", "input", "link", "br"}


def row(method, dataset, mean, half, nfe=10, printed=None, seeds=3, protocol="exact", **varied):
    """A row of a study's table; a mean of None was not run."""
    known = dict.fromkeys(COLUMNS) | {"method": method, "dataset": dataset, "nfe": nfe}
    known |= {"metric": "w2", "published": printed, "verdict": "" if mean else "not run"}
    if mean is not None:
        known |= {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "floor": 0.1}
        known |= {"n_seeds": seeds, "n_samples": 64, "protocol": protocol}
    return known | varied


def one(*rows):
    (grid,) = grids(pd.DataFrame(rows))
    return grid


@pytest.mark.parametrize("file", PUBLISHED, ids=str)
def test_every_number_of_a_table_stands_in_its_place_once(file):
    found = pd.read_csv(file)
    for grid in grids(found):
        mine = found[(found["metric"] == grid.metric) & found["mean"].notna()]
        entries = [
            (r.method, c[0], e)
            for r in grid.rows
            for c, e in zip(grid.columns, r.entries, strict=True)
        ]
        ours = [(m, d, e.ours.mean, e.ours.low) for m, d, e in entries if e and e.ours]
        wanted = mine[["method", "dataset", "mean", "ci_low"]].itertuples(index=False)
        assert sorted(ours) == sorted(map(tuple, wanted))
        printed = mine.dropna(subset="published")[["method", "dataset", "published"]]
        there = {(m, d, e.printed) for m, d, e in entries if e and e.printed is not None}
        assert set(printed.itertuples(index=False, name=None)) <= there
        all_printed = found[(found["metric"] == grid.metric) & found["published"].notna()]
        placed = sum(e.printed is not None for _, _, e in entries if e)
        assert placed + grid.elsewhere == len(all_printed)


def test_methods_go_down_and_data_sets_with_their_steps_across():
    grid = one(
        row("nsgf", "moons", 0.3, 0.1, nfe=10, printed=0.07),
        row("nsgf", "moons", 0.2, 0.1, nfe=100),
        row("fm", "moons", 0.5, 0.1, nfe=100),
        row("fm", "moons", 0.6, 0.1, nfe=10),
        row("nsgf", "scurve", 0.4, 0.1, nfe=10),
        row("ept", "moons", None, None, nfe=10, printed=0.9),
        row("ept", "moons", None, None, nfe=50, printed=0.8),
    )
    assert grid.elsewhere == 1
    assert grid.columns == (("moons", 10), ("moons", 100), ("scurve", 10))
    assert [r.method for r in grid.rows if r.is_run] == ["nsgf", "fm"]
    assert [e and e.ours and e.ours.mean for e in grid.rows[1].entries] == [0.6, 0.5, None]
    assert grid.rows[2].entries[0].printed == 0.9
    assert not grid.rows[2].is_run


def test_an_nfe_of_a_methods_own_and_what_varies_go_to_its_name():
    grid = one(
        row("nsgf++", "mnist", 2.0, 0.1, nfe=35.2, **{"flow.blur": 0.5}),
        row("nsgf++", "mnist", 2.0, 0.1, nfe=34.7, **{"flow.blur": 1.0}),
        row("straight", "mnist", 3.0, 0.1, nfe=36, **{"flow.blur": None}),
    )
    assert grid.columns == (("mnist", None),)
    named = ["flow.blur 0.5, NFE 35.2", "flow.blur 1, NFE 34.7", "NFE 36"]
    assert [r.varied for r in grid.rows] == named


def test_the_best_is_marked_where_its_interval_is_apart_from_all_others():
    def best(*rows):
        return [e.best for r in one(*rows).rows for e in r.entries if e]

    apart = row("nsgf", "moons", 0.2, 0.05), row("fm", "moons", 0.5, 0.05)
    assert best(*apart) == [True, False]
    assert best(*apart, row("ot_cfm", "moons", 0.28, 0.05)) == [False] * 3
    assert best(*apart, row("1-rf", "moons", 0.5, 0.05)) == [True, False, False]
    assert best(apart[1], row("1-rf", "moons", 0.5, 0.05)) == [False, False]
    assert best(*(r | {"n_seeds": 2} for r in apart)) == [False, False]
    assert best(*(r | {"protocol": f"exact; {ONE_TRAINING}"} for r in apart)) == [False, False]
    assert best(*(r | {"metric": "is"} for r in apart)) == [False, True]


THREE = (
    row("fm", "moons", 0.5, 0.05),
    row("nsgf", "moons", 0.2, 0.05),
    row("ot_cfm", "moons", 0.28, 0.05),
)
LOWEST = (
    "moons, 10 steps: NSGF lowest, 0.200 ± 0.050; intervals overlap: OT_CFM (0.280);"
    " apart: FM (0.500)"
)


def test_where_all_are_level_at_the_floor_no_order_is_told():
    level = [row(m, "moons", v, 0.2) for m, v in (("fm", 0.5), ("1-rf", 0.5), ("nsgf", 0.45))]
    grid = one(*(each | {"floor": 0.4} for each in level))
    said = "moons, 10 steps: all at the floor (0.4), so no order can be read: "
    names = "NSGF (0.450), FM = 1-RF (0.500)."
    assert sentences(grid, lambda r: r.method.upper(), place) == [said + names]


def test_another_metric_that_says_otherwise_is_told():
    first = one(row("fm", "moons", 0.2, 0.05), row("nsgf", "moons", 0.3, 0.05))
    named = {"metric": "geomloss"}
    other = one(row("fm", "moons", 4.0, 0.5) | named, row("nsgf", "moons", 3.0, 0.5) | named)
    same = one(row("fm", "moons", 3.0, 0.5) | named, row("nsgf", "moons", 4.0, 0.5) | named)
    (said,) = disagreements(first, other, lambda r: r.method.upper(), place)
    assert said == "moons, 10 steps, by geomloss: NSGF comes first, 3.00 ± 0.50."
    assert disagreements(first, same, lambda r: r.method.upper(), place) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, f"{LOWEST}; none is at the floor (0.1), the nearest has 2 times as much."),
        ({"floor": 0.24}, f"{LOWEST}; at the floor (0.24): NSGF, OT_CFM."),
        (
            {"floor": 0.6},
            f"{LOWEST}; all are at the floor (0.6): not to be told from the target by it.",
        ),
        ({"floor": None}, f"{LOWEST}."),
        (
            {"protocol": f"exact; {ONE_TRAINING}", "floor": None},
            "moons, 10 steps: NSGF (0.200), OT_CFM (0.280), FM (0.500); one training each, so who"
            " is better is not known.",
        ),
    ],
)
def test_a_sentence_says_who_is_lowest_who_apart_and_who_at_the_floor(changes, said):
    grid = one(*(each | changes for each in THREE))
    assert sentences(grid, lambda r: r.method.upper(), place) == [said]


@pytest.mark.parametrize(
    ("mean", "half", "said"),
    [
        (0.2712, 0.0506, "0.271 ± 0.051"),
        (169.2, 10.4, "169 ± 10"),
        (0.01331, 0.00132, "0.0133 ± 0.0013"),
    ],
)
def test_numbers_have_three_digits(mean, half, said):
    (entry,) = one(row("nsgf", "moons", mean, half)).rows[0].entries
    assert number(entry) == said


class Parsed(HTMLParser):
    """Tags that are open, ids, pictures and text of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.ids, self.pictures, self.text = [], [], [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.ids += [about["id"]] if "id" in about else []
        self.pictures += [about] if tag == "img" else []
        if tag not in WITHOUT_AN_END:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data


@pytest.fixture
def at(small, monkeypatch) -> Path:
    """The folder of the smallest finished run."""
    monkeypatch.chdir(small.folder)
    return Path("results/small")


def written(root: Path, preset: Preset, verdict: str | None = "All is well.") -> Parsed:
    page = root / "page.html"
    try:
        write(page, Contents(preset, root), verdict)
        return Parsed(page.read_text())
    finally:
        page.unlink(missing_ok=True)


def test_the_page_of_a_run_is_sound_html_that_asks_nobody(at):
    preset = load("config/small.yaml", Preset)
    page = written(at, preset)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert page.pictures
    assert all(p["alt"] and p["src"].startswith("data:image/png;base64,") for p in page.pictures)
    for words in ("All is well.", preset.title, "Clouds on their way", "moons", "floor"):
        assert words in page.text
    write(at / "page.html", Contents(preset, at), None)
    text = (at / "page.html").read_text()
    (at / "page.html").unlink()
    assert foreign(text) == []
    assert len(text) < 3e6


def test_the_player_moves_each_method_from_its_starts_to_its_samples(at):
    preset = load("config/small.yaml", Preset)
    (moons,) = Contents(preset, at).clouds()
    assert [m["label"] for m in moons["methods"]] == ["NSGF, NFE 10", "FM (sigma = 0), NFE 10"]
    for method, cell in zip(moons["methods"], ("nsgf", "fm,nfe=10"), strict=True):
        frames = np.frombuffer(base64.b64decode(method["frames"]), "<i2")
        frames = frames.reshape(-1, method["points"], 2)
        path = np.load(at / f"samples/moons/{cell}/seed0-0.npz")["path"]
        assert len(frames) == 41
        for frame, state in ((frames[0], path[0]), (frames[-1], path[-1])):
            inside = (np.abs(frame) < 32767).all(1)
            fitted = np.polyfit(state[inside, 0], frame[inside, 0], 1)
            assert np.allclose(np.polyval(fitted, state[inside, 0]), frame[inside, 0], atol=2)


def test_names_of_a_user_are_no_markup(at):
    body = load("config/small.yaml", Preset).model_dump(mode="json")
    body["title"] = "<script>alert(1)</script> & co"
    body["studies"]["table1"]["methods"]["nsgf"] = {"label": "</td><b>mine"}
    page = written(at, parse(body, Preset, "test"))
    assert page.open == []
    assert "<script>alert(1)</script> & co" in page.text
    assert "</td><b>mine" in page.text


def test_a_study_without_a_paper_has_nothing_printed(at):
    body = load("config/small.yaml", Preset).model_dump(mode="json")
    body["studies"]["table1"]["paper"] = None
    page = written(at, parse(body, Preset, "test"))
    assert "published" not in page.text
    assert "verdict" not in page.text


def test_a_run_that_has_not_got_far_says_so(tmp_path, monkeypatch):
    preset = load("config/small.yaml", Preset) if Path("config/small.yaml").exists() else None
    preset = preset or load("config/quick.yaml", Preset)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/quick").mkdir(parents=True)
    assert "has not got that far" in written(Path("results/quick"), preset).text
    assert preset.title in text(Contents(preset, Path("results/quick")))


def test_a_damaged_table_is_one_clear_error(at):
    table = at / "tables/table1.csv"
    kept = table.read_text()
    try:
        for damaged in ("", "a,b\n1,2\n", kept[: len(kept) // 2] + ",,,,,,,,,,,,,,,,,,,\n,"):
            table.write_text(damaged)
            with pytest.raises(NsgfError, match=r"table1\.csv"):
                written(at, load("config/small.yaml", Preset))
    finally:
        table.write_text(kept)


@pytest.mark.parametrize(("name", "damaged"), [(n, d) for n, many in DAMAGE.items() for d in many])
def test_any_other_damaged_file_is_one_clear_error(at, name, damaged):
    file = at / name
    kept = file.read_bytes() if file.exists() else None
    try:
        file.unlink(missing_ok=True)
        if damaged is not None:
            file.write_bytes(damaged)
        with pytest.raises(NsgfError, match=re.escape(name)):
            written(at, load("config/small.yaml", Preset))
    finally:
        file.unlink(missing_ok=True)
        if kept is not None:
            file.write_bytes(kept)


def test_the_committed_targets_are_told_in_a_table_and_in_sentences(monkeypatch):
    preset, root = load("config/quick.yaml", Preset), Path("results/published/quick")
    *_, targets = Contents(preset, root).studies
    known = pd.read_csv(root / "tables/targets.csv")
    assert len(targets.brief) == len(known)
    assert [s.split(":")[0] for s in targets.sentences] == ["moons", "8gaussians"]
    assert all("do not measurably change W2" in s for s in targets.sentences)
    for width, heads in ((80, {"velocity error"}), (100, {"velocity error", "W2 of NSGF"})):
        monkeypatch.setenv("COLUMNS", str(width))
        said = text(Contents(preset, root))
        assert max(map(len, said.splitlines())) <= width
        assert all(head in said for head in heads)


def test_a_page_of_one_study_shows_its_clouds_alone(at):
    body = load("config/small.yaml", Preset).model_dump(mode="json")
    body["studies"]["other"] = body["studies"]["table1"] | {"datasets": ["8gaussians"]}
    body["figures"] = {}
    preset = parse(body, Preset, "test")
    assert [c["label"] for c in Contents(preset.part("table1"), at).clouds()] == ["moons"]
    assert Contents(preset.part("other"), at).clouds() == []


def test_a_terminal_shows_the_same_numbers_within_its_width(at, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    preset = load("config/small.yaml", Preset)
    said, contents = text(Contents(preset, at)), Contents(preset, at)
    assert max(map(len, said.splitlines())) <= 80
    for study in contents.studies:
        for grid in study.grids:
            shown = [number(e) for r in grid.rows for e in r.entries if e and e.ours]
            assert all(n in said for n in shown)
    assert all(claim["text"][:40] in said for claim in contents.claims)
    assert len(summary(contents).splitlines()) >= len(contents.claims)


def test_show_takes_the_committed_run_where_there_is_none(tmp_path, monkeypatch):
    for name in ("config", "results/published"):
        shutil.copytree(name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.main(["show", "quick"]) == 0
    assert "(the committed run: results/published/quick)" in out.getvalue()
    assert "NSGF" in out.getvalue()
    assert cli.main(["show", "paper"]) == 1


CHROMIUM = shutil.which("chromium")
# Chromium's windows are 500 px wide at least, a frame is as narrow as one likes.
PROBE = """<script>
const clouds = [...document.querySelectorAll("canvas")].map((c) => c.getBoundingClientRect().top);
const wide = document.documentElement.scrollWidth;
parent.document.title = [wide, innerWidth, clouds.length, new Set(clouds).size].join(" ");
</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_does_not_scroll_sideways_and_clouds_stand_side_by_side(at, tmp_path, width):
    write(at / "page.html", Contents(load("config/small.yaml", Preset), at), None)
    page = html.escape((at / "page.html").read_text() + PROBE)
    (at / "page.html").unlink()
    frame = tmp_path / "frame.html"
    frame.write_text(f'<title></title><iframe style="width:{width}px;border:0" srcdoc="{page}">')
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--window-size=1600,900", f"--user-data-dir={tmp_path / 'profile'}"]
    result = subprocess.run(
        [*command, frame.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    title = re.search(r"<title>(.*?)</title>", result.stdout)[1]
    wide, window, clouds, rows = map(int, title.split())
    assert wide <= window == width
    assert (clouds, rows) == (2, 1)
