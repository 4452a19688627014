"""No file runs code, no archive escapes, no secret is kept, no page calls home."""

import ast
import gzip
import io
import json
import pickle
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nsgf import artifact
from nsgf.artifact import sha256_file, sidecar
from nsgf.cli import main
from nsgf.config.base import Model, load
from nsgf.config.preset import Preset
from nsgf.data import decode
from nsgf.data.sources import Source
from nsgf.engine import provenance, state
from nsgf.errors import NsgfError
from nsgf.private import leaks, redact
from tests import tasks, tiny_run
from tests.foreign import foreign
from tests.workflow.checkout import ROOT, Checkout

# ------------------------------------------------- a law: nothing in src/ can run what it reads

CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "marshal.load"),
    *("shelve.open", "joblib.load", "dill.load", "dill.loads", "pd.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
    *("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"),
    *("shutil.unpack_archive", "runpy.run_path", "code.interact"),
}
METHODS = {"extractall", "extract"}  # of archives: they write where the archive says
UNPICKLER = "src/nsgf/data/decode.py"  # the one place, which admits numpy's arrays alone


def forbidden(text: str) -> list[str]:
    """Calls in a module that run what they read, or hand text to a shell."""
    found, tree = [], ast.parse(text)
    safe = {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and _is_safe(n)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "yaml.load" and {ast.unparse(a) for a in node.args[1:]} & safe:
                continue
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if name in CALLS or name.rpartition(".")[2] in METHODS:
                found.append(name)
            if name == "torch.load" and given.get("weights_only") != "True":
                found.append(f"{name} without weights_only=True")
            if given.get("allow_pickle", "False") != "False" or given.get("shell") == "True":
                found.append(f"{name} with {given}")
        if isinstance(node, ast.ClassDef):
            found += [b for b in map(ast.unparse, node.bases) if b in CALLS]
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "marshal", "dill"):
            found.append(f"from {node.module} import")
    return found


def _is_safe(loader: ast.ClassDef) -> bool:
    """Whether a class is YAML's safe loader with no constructor for objects added."""
    added = any(isinstance(n, ast.Attribute) and "constructor" in n.attr for n in ast.walk(loader))
    return {ast.unparse(b) for b in loader.bases} == {"yaml.SafeLoader"} and not added


def test_nothing_in_the_sources_runs_what_it_reads():
    paths = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]
    assert len(paths) > 90
    found = {str(p.relative_to(ROOT)): forbidden(p.read_text()) for p in paths}
    assert {p: f for p, f in found.items() if f} == {UNPICKLER: ["pickle.Unpickler"]}


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "np.load(p, allow_pickle=flag)",
        "pickle.loads(b)",
        "class A(pickle.Unpickler): pass",
        "from pickle import loads",
        "yaml.load(t, Loader=yaml.Loader)",
        "class L(yaml.FullLoader): pass\nyaml.load(t, L)",
        "class L(yaml.SafeLoader): pass\nL.add_constructor(t, f)\nyaml.load(t, yaml.Loader)",
        "subprocess.run(c, shell=True)",
        "tarfile.open(p).extractall(d)",
        "zipfile.ZipFile(p).extract(n)",
        "eval(t)",
    ],
)
def test_the_law_can_be_broken(text):
    assert forbidden(text)


# ------------------------------------------------------------- hostile files in every place


class Hostile:
    """Whatever unpickles it creates the file `trace`."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def object_array(value: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([value], dtype=object), allow_pickle=True)
    return out.getvalue()


def object_npz(value: object) -> bytes:
    out = io.BytesIO()
    names = ("path", "times", "x0", "index")
    np.savez(out, **{n: np.array([value], dtype=object) for n in names})
    return out.getvalue()


def torch_file(value: object) -> bytes:
    out = io.BytesIO()
    torch.save({"x": value}, out)
    return out.getvalue()


PACKED = {
    "pickle": pickle.dumps,
    "object array": object_array,
    "npz": object_npz,
    "torch": torch_file,
}
PLACES = {
    "pools/moons/flow/seed0/shard0/x.npy": "moons-train-velocity-0",
    "models/moons/straight/seed0.safetensors": "moons-sample-fm_nfe-10-0",
    "samples/moons/fm,nfe=10/seed0-0.npy": "moons-evaluate-fm_nfe-10",
    "samples/moons/fm,nfe=10/seed0-0.npz": "figure-figure3",
    "samples/moons/nsgf/seed0-0.npz": "claims",
}


@pytest.mark.parametrize("packed", PACKED)
def test_the_hostile_object_is_hostile(tmp_path, packed):
    blob, trace = PACKED[packed](Hostile(tmp_path / "trace")), tmp_path / "trace"
    (tmp_path / "file").write_bytes(blob)
    if packed == "torch":
        torch.load(tmp_path / "file", weights_only=False)
    elif packed == "npz":
        np.load(tmp_path / "file", allow_pickle=True)["path"]
    else:
        np.load(tmp_path / "file", allow_pickle=True)
    assert trace.exists()


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_file_runs_nothing_and_is_one_message(
    small, tmp_path, monkeypatch, capsys, place, packed, forged
):
    """Refused by its digest; and where its provenance is forged to fit, by whatever reads it."""
    monkeypatch.chdir(small.folder)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    path, trace = small.results / place, tmp_path / "trace"
    beside = sidecar(path)
    kept, account = path.read_bytes(), beside.read_text()
    try:
        path.write_bytes(PACKED[packed](Hostile(trace)))
        if forged:
            body = json.loads(account) | {"sha256": sha256_file(path)}
            beside.write_text(json.dumps(body))
        assert main(["make", "--preset", "config/small.yaml", "--job", PLACES[place]]) == 1
    finally:
        path.write_bytes(kept)
        beside.write_text(account)
    said = capsys.readouterr().err
    assert not trace.exists()
    assert said.count("nsgf: ") == 1
    assert f"{place}' is damaged" in said or forged
    assert "moons" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("packed", PACKED)
def test_a_hostile_checkpoint_is_dropped(tmp_path, packed):
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    path.write_bytes(PACKED[packed](Hostile(trace)))
    assert state.read_kept(path) is None
    assert not path.exists()
    assert not trace.exists()


@pytest.mark.parametrize("size", [0, 1, 20])
def test_kept_numbers_that_were_cut_off_are_dropped(tmp_path, size):
    path = tmp_path / "0-0.json"
    assert artifact.read_kept_json(path) is None
    artifact.write_json(path, {"facts": {}, "metrics": [{"value": 0.25}]})
    assert artifact.read_kept_json(path)["metrics"] == [{"value": 0.25}]
    path.write_bytes(path.read_bytes()[:size])
    assert artifact.read_kept_json(path) is None
    assert not path.exists()


# ------------------------------------------------------------------------- hostile archives

MEMBERS = {name: f"d/{name}" for name in ("train_images", "train_labels")}
IDX = bytes([0, 0, 8, 1]) + (3).to_bytes(4, "big") + b"abc"
SECRET = b"what lies outside the archive"


def tar_of(folder: Path, change) -> Path:
    """A tar of two idx files, the first of which `change` makes hostile."""
    path = folder / "a.tar"
    with tarfile.open(path, "w") as tar:
        for k, name in enumerate(MEMBERS.values()):
            entry = tarfile.TarInfo(name)
            entry.size = len(IDX)
            if k == 0:
                change(entry)
            tar.addfile(entry, io.BytesIO(IDX) if entry.isreg() else None)
    return path


def becomes(**changes):
    def change(entry: tarfile.TarInfo) -> None:
        for name, value in changes.items():
            setattr(entry, name, value)
        if "type" in changes:
            entry.size = 0

    return change


TARS = {
    "parent": becomes(name="../escaped"),
    "inner parent": becomes(name="d/../../escaped"),
    "absolute": becomes(name="/escaped"),
    "symlink": becomes(type=tarfile.SYMTYPE, linkname="../secret"),
    "absolute symlink": becomes(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": becomes(type=tarfile.LNKTYPE, linkname="../secret"),
    "device": becomes(type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    "fifo": becomes(type=tarfile.FIFOTYPE),
    "folder": becomes(type=tarfile.DIRTYPE),
}


@pytest.fixture
def inner(tmp_path) -> Path:
    """A folder for the archive; whatever escapes from it is seen beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner"


def beside(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", TARS)
def test_a_tar_member_that_is_no_plain_file_inside_is_not_followed(inner, kind):
    archive = tar_of(inner, TARS[kind])
    before = beside(inner)
    with pytest.raises(decode.Malformed, match=r"leads out|no member"):
        decode.decode("idx", MEMBERS, [archive])
    assert beside(inner) == before
    assert not Path("/escaped").exists()


def test_the_same_tar_without_the_trick_is_read(inner):
    found = decode.decode("idx", MEMBERS, [tar_of(inner, lambda entry: None)])
    assert {name: bytes(array) for name, array in found.items()} == dict.fromkeys(MEMBERS, b"abc")


@pytest.mark.parametrize("name", ["../escaped", "d/../../escaped", "/escaped"])
def test_a_zip_member_that_leads_out_is_refused(inner, name):
    with zipfile.ZipFile(inner / "a.zip", "w") as archive:
        for member in (*MEMBERS.values(), name):
            archive.writestr(member, IDX)
    before = beside(inner)
    with pytest.raises(decode.Malformed, match="leads out"):
        decode.decode("idx", MEMBERS, [inner / "a.zip"])
    assert beside(inner) == before


def test_a_symlink_in_a_zip_is_its_own_text(inner):
    with zipfile.ZipFile(inner / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("d/train_images")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../secret")
        archive.writestr("d/train_labels", IDX)
    with pytest.raises(decode.Malformed, match="not an idx file"):
        decode.decode("idx", MEMBERS, [inner / "a.zip"])


def bomb_tgz(path: Path, zeros: bytes) -> None:
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("not-asked-for")
        entry.size = len(zeros)
        tar.addfile(entry, io.BytesIO(zeros))


def bomb_zip(path: Path, zeros: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/train_images", zeros)


def bomb_member(path: Path, zeros: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("d/train_images", gzip.compress(zeros))
        archive.writestr("d/train_labels", gzip.compress(IDX))


@pytest.mark.parametrize(
    ("name", "pack"), [("a.tgz", bomb_tgz), ("a.zip", bomb_zip), ("b.zip", bomb_member)]
)
def test_an_archive_that_inflates_beyond_the_bound_is_refused(inner, monkeypatch, name, pack):
    monkeypatch.setattr(decode, "LARGEST", 100_000)
    pack(inner / name, b"\0" * 2_000_000)
    assert (inner / name).stat().st_size < 10_000
    with pytest.raises(decode.Malformed, match="inflates to more than"):
        decode.decode("idx", MEMBERS, [inner / name])


@pytest.mark.parametrize("name", ["../x.tgz", "/etc/x.tgz", ".x.tgz", "a/x.tgz", ""])
def test_an_archives_own_name_stays_in_the_cache_folder(name):
    with pytest.raises(ValueError, match=r"archives"):
        Source(url="https://h", archives={name: None}, format="idx", members={})


# ------------------------------------------------------------------------------ secrets

ALLOWED = {
    *("artefact", "code", "command", "commit", "config", "config_sha256", "facts", "inputs"),
    *("machine", "numerics", "seed", "sha256", "stage", "unit", "versions"),
}
MACHINE = {"system", "arch", "cores", "processor", "vectors", "gpu"}
WITH_PASSWORD = "https://me:hunter2hunter2@data.example.org/sets"


def test_a_sidecar_holds_what_is_allowed_and_nothing_else(small):
    found = list(small.results.rglob("*.prov.json"))
    assert len(found) > 30
    for path in found:
        body = json.loads(path.read_text())
        assert set(body) == ALLOWED, path
        assert set(body["machine"]) <= MACHINE


def test_no_file_of_a_run_holds_a_secret(small):
    """The run's environment held them; tests/test_crate.py looks into the crate too."""
    made = [p for p in small.results.rglob("*") if p.is_file()]
    made += [p for name in ("state", "logs") for p in (small.folder / name).rglob("*")]
    assert len(made) > 60
    for path in filter(Path.is_file, made):
        text = path.read_bytes().decode("latin1")
        assert leaks(text, tiny_run.SECRETS) == [], path


class Given(Model):
    """Settings of a stage of no interest."""

    seed: int = 0


def recorded(made: Path) -> str:
    """The provenance of a file, as the engine writes it."""
    made.write_text("y")
    work = tasks.task("table", {}, Given(), {}, {"out": made})
    provenance.record(work, {}, provenance.account({}))
    return sidecar(made).read_text()


def test_a_command_is_recorded_without_its_credentials(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_API_TOKEN", "t0ken-of-mine")
    (tmp_path / "t0ken-of-mine").mkdir()
    text = recorded(tmp_path / "t0ken-of-mine/out.txt")
    assert "t0ken" not in text
    assert "nsgf make " in text


def test_a_password_in_the_git_remote_is_not_recorded(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "module.py").write_text("")
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", WITH_PASSWORD],
        ["add", "."],
        ["commit", "-qm", "x"],
    ):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "module.py"))
    provenance.commit.cache_clear()
    try:
        text = recorded(tmp_path / "made.txt")
    finally:
        provenance.commit.cache_clear()
    assert len(json.loads(text)["commit"]) == 40
    assert "hunter2" not in text


def test_a_source_with_a_password_is_named_without_it():
    source = Source(url=WITH_PASSWORD, archives={"a.tgz": None}, format="idx", members={})
    assert source.label == "url https://***@data.example.org/sets"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("ssh://git@host/x, a@b.c, http://host/a@b", 0),
        ("https://***@host", 0),
        ("see https://user:pw@host/x", 1),
        ("s3://key:secret@bucket and t0ken-of-mine", 2),
    ],
)
def test_leaks_are_named_by_kind_and_gone_once_redacted(text, kinds):
    environment = {"MY_API_TOKEN": "t0ken-of-mine", "HOME": "host", "SHORT_TOKEN": "x"}
    found = leaks(text, environment)
    assert len(found) == kinds
    assert "t0ken" not in str(found)
    assert "pw" not in str(found)
    assert leaks(redact(text, environment), environment) == []


# -------------------------------------------------------- names that reach a shell or a path


@pytest.mark.parametrize("name", ["x; touch pwned", "$(id)", "../../up", "a b", "-o", "", "x\n"])
def test_a_name_in_a_preset_cannot_be_a_command_or_a_path(tmp_path, name):
    figure, study, row, paper = (tiny_run.small() for _ in range(4))
    figure["figures"][name] = figure["figures"].pop("figure3")
    study["studies"][name] = study["studies"]["table1"]
    row["studies"]["table1"]["methods"][name] = {"method": "fm"}
    paper["studies"]["table1"]["paper"] = name
    for number, whole in enumerate((figure, study, row, paper)):
        checkout = Checkout(tmp_path / str(number), whole)
        with pytest.raises(NsgfError):
            load(checkout.folder / "config/small.yaml", Preset)


@pytest.mark.parametrize("value", ["x; touch pwned", "$(id)", "../../up"])
def test_a_value_that_varies_cannot_be_a_command_or_a_path(tmp_path, value):
    """Values stand in paths and in names of jobs."""
    whole = tiny_run.small()
    whole["studies"]["table1"]["methods"]["nsgf"] = {"flow.backend": [value, "newton"]}
    with pytest.raises(NsgfError):
        load(Checkout(tmp_path, whole).folder / "config/small.yaml", Preset)


# --------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    "page",
    [
        "<script src='https://cdn/x.js'></script>",
        "<script src=//cdn/x.js></script>",
        "<SCRIPT SRC='local.js'></SCRIPT>",
        "<img src='http://h/p.png'>",
        "<img srcset='http://h/p.png 2x'>",
        "<link rel=stylesheet href='https://h/s.css'>",
        "<link rel=preconnect href='https://h'>",
        "<iframe srcdoc='x'></iframe>",
        "<object data='https://h/x'></object>",
        "<video poster='https://h/x'></video>",
        "<base href='https://h/'>",
        "<form action='https://h'></form>",
        "<meta http-equiv=refresh content='0;url=https://h'>",
        "<style>p { background: url(https://h/x.png) }</style>",
        "<style>@import 'https://h/x.css';</style>",
        "<p style=\"background:url('https://h/x')\">",
        "<svg><image xlink:href='https://h/x'/></svg>",
        "<svg><use href='https://h/x'/></svg>",
        "<script>fetch('https://h/x')</script>",
        "<script>import('https://h/x.js')</script>",
        "<script>x.open('GET', 'https://h/x')</script>",
        "<script>i = new Image(); i.src = 'https://h/x'</script>",
        "<body onload=\"fetch('//h')\">",
        "<script>p = 'data:text/html;base64,PGltZyBzcmM9aHR0cDovL2gvcD4='</script>",
    ],
)
def test_a_page_that_calls_elsewhere_is_found_out(page):
    assert foreign(page), page


@pytest.mark.parametrize(
    "page",
    [
        "<a href='https://h'>text</a>",
        "<img src='data:image/png;base64,AAAA'>",
        "<style>p { background: url(data:image/png;base64,AAAA) }</style>",
        "<script>// see https://h/x\nvar ns = 'http://www.w3.org/2000/svg'</script>",
        "<script>p = 'data:text/html;base64,PHA+aGk8L3A+'</script>",
    ],
)
def test_a_page_that_keeps_to_itself_is_not_accused(page):
    assert foreign(page) == []


def test_every_page_of_a_run_keeps_to_itself(small):
    pages = list(small.results.rglob("*.html"))
    assert {p.name for p in pages} >= {"table1.html", "claims.html"}
    assert {p.name: foreign(p.read_text()) for p in pages} == {p.name: [] for p in pages}


def test_snakemakes_report_template_inlines_what_it_loads():
    """Its scripts (React, Vega and others) come with the installed packages, not from a server."""
    import snakemake.report.html_reporter as reporter

    template = Path(reporter.__file__).parent / "template/index.html.jinja2"
    text = re.sub(r"\{[{%].*?[%}]\}", "", template.read_text())
    assert "<script" in text
    assert foreign(text) == []
