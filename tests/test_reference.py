"""`make docs`: the API reference is whole, holds together and names no machine."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import nsgf
import nsgf.ot

pytest.importorskip("pdoc")
ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """What a page links to, what it loads, its anchors and its words."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.loads, self.anchors, self.words = set(), set(), set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.anchors.add(named.get("id"))
        target = named.get("href") or named.get("src")
        if target:
            (self.links if tag == "a" else self.loads).add(target)

    def handle_data(self, data):
        self.words += data.split()


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "api"
    result = subprocess.run(
        [sys.executable, "docs/reference.py", folder],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(built) -> dict[Path, Page]:
    return {path: Page(path) for path in built.rglob("*.html")}


def test_every_link_has_its_file_and_anchor(built, pages):
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                dead.append(f"{path.relative_to(built)}: {link}")
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert dead == []


def test_nothing_is_loaded_from_a_network(pages):
    loaded = {target for page in pages.values() for target in page.loads}
    assert [target for target in loaded if urlsplit(target).netloc] == []


PUBLIC = [("nsgf.html", n, nsgf) for n in nsgf.__all__]
PUBLIC += [("nsgf/ot.html", n, nsgf.ot) for n in nsgf.ot.__all__]


@pytest.mark.parametrize(("page", "name", "module"), PUBLIC, ids=lambda v: str(v)[:20])
def test_a_public_name_has_its_docstring(page, name, module, built, pages):
    found = pages[built / page]
    assert name in found.anchors
    first = getattr(module, name).__doc__.strip().splitlines()[0]
    assert first in " ".join(found.words)


def test_no_path_of_this_machine_stands_there(built):
    private = {str(ROOT), str(Path.home()), sys.prefix, str(built)}
    files = [path for path in built.rglob("*") if path.is_file()]
    assert [path for path in files if any(p in path.read_text() for p in private)] == []
