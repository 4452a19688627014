"""Arrays that go when they are used: their provenance stays, and stands for them."""

from pathlib import Path

import pytest

from nsgf.artifact import sha256_file, sidecar
from nsgf.config.base import Model, load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs, targets
from nsgf.engine.provenance import account, record
from nsgf.ops.audit import files
from nsgf.ops.audit.expected import of_preset
from tests.tasks import task


@pytest.fixture
def part(tmp_path) -> Path:
    path = tmp_path / "part0.npy"
    path.write_bytes(b"samples")
    record(task("sample", {}, Model(), {}, {"samples": path}), {}, account({}))
    return path


def digest_of(part: Path, temporary: bool) -> str | None:
    name = str(part)
    return files.read({name: part}, {name} if temporary else ())[name].sha256


def test_provenance_stands_for_a_temporary_file_that_is_gone(part):
    digest = sha256_file(part)
    part.unlink()
    assert digest_of(part, temporary=True) == digest
    assert digest_of(part, temporary=False) is None
    sidecar(part).unlink()
    assert digest_of(part, temporary=True) is None


def test_bytes_speak_for_themselves_while_they_are_there(part):
    part.write_bytes(b"others")
    assert digest_of(part, temporary=True) == sha256_file(part)


def test_what_is_temporary_is_never_asked_for():
    paper = load("config/paper.yaml", Preset)
    temporary = {p for job in jobs(paper) for p in job.temporary}
    wanted = set(targets(paper, complete=True))
    assert temporary
    assert not wanted & temporary
    assert {str(sidecar(p)) for p in temporary} <= wanted
    assert {p for t in of_preset(paper) if t.temporary for p in t.artefacts} == temporary
