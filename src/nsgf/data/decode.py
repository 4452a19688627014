"""From archives to arrays, and from arrays to the canonical bytes whose digests are known.

Reading has two independent steps: the container (a tar, zip or Debian archive, or a plain file)
gives named members as bytes, and a format turns members into named arrays. Members are read by
name into memory; nothing is unpacked to disk, and no class is loaded from a pickle but numpy's.

Canonical forms (`CANONICAL`) are the files that the data set's authors published:
    idx        one idx file an array (MNIST): big-endian header, then the bytes in C order
    cifar-bin  one .bin batch per 10,000 images (CIFAR-10): a label byte, then the R, G, B planes
"""

import gzip
import io
import json
import pickle
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

BATCH = 10_000  # records in a CIFAR-10 .bin batch
LARGEST = 4 << 30  # bytes that an archive may inflate to; MNIST takes 55 MB, CIFAR-10 186 MB

Blobs = Mapping[str, list[bytes]]  # what the registry calls `members`, read
Arrays = dict[str, np.ndarray]


class Malformed(Exception):
    """An archive does not hold what the registry says; the text is one line."""


def decode(form: str, members: Mapping[str, str | list[str]], archives: Iterable[Path]) -> Arrays:
    """Read `members` from `archives` and turn them into arrays by name.

    Args:
        form: a key of `FORMATS`.
        members: for each key that the format asks for, one member name or several in order.
        archives: files to read; a file that is no archive is its own, only member.

    Returns:
        dict: of an image set the arrays of `ARRAYS`: images uint8 (n, c, h, w), labels uint8 (n,);
        of a table features float64 (n, d) and classes uint8 (n,).

    Raises:
        Malformed: damaged archive, missing or escaping member, or content of another kind.
    """
    wanted = {key: [names] if isinstance(names, str) else names for key, names in members.items()}
    names = {name for several in wanted.values() for name in several}
    try:
        found: dict[str, bytes] = {}
        for archive in archives:
            found |= _read(archive, names)
        blobs = {key: [found[name] for name in several] for key, several in wanted.items()}
        return {k: np.ascontiguousarray(v) for k, v in FORMATS[form](blobs).items()}
    except Malformed:
        raise
    except KeyError as error:
        raise Malformed(f"no member {error} in the archive") from error
    except Exception as error:  # a damaged or hostile archive makes readers raise nearly anything
        raise Malformed(f"cannot decode ({form}): {error or type(error).__name__}") from error


def _read(archive: Path, names: set[str]) -> dict[str, bytes]:
    """The members of `archive` that are called for, whole and in memory."""
    suffix = archive.name.removesuffix(".gz").rpartition(".")[2]
    if suffix in ("tgz", "tar"):
        with tarfile.open(archive, "r|*") as tar:
            return _read_tar(tar, names)
    if suffix in ("whl", "zip"):
        with zipfile.ZipFile(archive) as wheel:
            inside = {_inside(name) for name in wheel.namelist()}
            wanted = sorted(names & inside)
            _bounded(sum(wheel.getinfo(name).file_size for name in wanted))
            return {name: wheel.read(name) for name in wanted}
    if suffix == "deb":
        return _read_deb(archive, names)
    return {archive.name: archive.read_bytes()} if archive.name in names else {}


def _read_tar(tar: tarfile.TarFile, names: set[str]) -> dict[str, bytes]:
    """Go once through a tar stream to its end, so that every name and checksum is looked at."""
    found, total = {}, 0
    for entry in tar:
        total += entry.size
        _bounded(total)
        name = _inside(entry.name)
        if name in names and entry.isreg():
            found[name] = tar.extractfile(entry).read()
    return found


def _read_deb(archive: Path, names: set[str]) -> dict[str, bytes]:
    if not shutil.which("dpkg-deb"):
        raise Malformed("dpkg-deb is not installed")
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                return _read_tar(tar, names)
        finally:
            process.stdout.read()  # a tar ends before its padding; dpkg-deb must not meet a SIGPIPE
            complaint = process.stderr.read().decode(errors="replace").strip()
            if process.wait():
                raise Malformed(complaint.splitlines()[-1] if complaint else "dpkg-deb failed")


def _bounded(size: int) -> None:
    """Refuses archives that would fill the memory, before they are inflated that far."""
    if size > LARGEST:
        raise ValueError(f"it inflates to more than {LARGEST / 1e9:.1f} GB")


def _inside(name: str) -> str:
    """`name` without a leading './'; refuses names that lead out of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"member {name!r} leads out of the archive")
    return str(path)


# ---------------------------------------------------------------------------- formats


def idx(blobs: Blobs) -> Arrays:
    """One idx file an array, plain or gzipped (MNIST's own format)."""
    arrays = {name: _parse_idx(_inflate(blob)) for name, (blob,) in blobs.items()}
    # An idx file of grey images has no channel axis.
    return {name: a[:, None] if a.ndim == 3 else a for name, a in arrays.items()}


def mnist_pickle(blobs: Blobs) -> Arrays:
    """`mnist.pkl.gz` of the deep-learning tutorials: 50k + 10k + 10k, grey levels in [0, 1)."""
    *train, test = _unpickle(_inflate(blobs["all"][0]))
    parts = {"train": train, "test": [test]}
    arrays = {}
    for split, pairs in parts.items():
        grey = np.concatenate([images for images, _ in pairs]) * 256
        arrays[f"{split}_images"] = np.rint(grey).astype(np.uint8).reshape(-1, 1, 28, 28)
        arrays[f"{split}_labels"] = np.concatenate([labels for _, labels in pairs]).astype(np.uint8)
    return arrays


def cifar_pickle(blobs: Blobs) -> Arrays:
    """Batches of `cifar-10-python.tar.gz`: a dictionary with data (n, 3072) and labels each."""
    arrays = {}
    for split in ("train", "test"):
        batches = [_unpickle(blob) for blob in blobs[split]]
        images = np.concatenate([batch["data"] for batch in batches])
        arrays[f"{split}_images"] = images.astype(np.uint8).reshape(-1, 3, 32, 32)
        labels = [label for batch in batches for label in batch["labels"]]
        arrays[f"{split}_labels"] = np.array(labels, dtype=np.uint8)
    return arrays


def cifar_png(blobs: Blobs) -> Arrays:
    """PNGs of 1024 × n RGB pixels, one 32 × 32 image a row, and JSON lists of labels."""
    from PIL import Image

    arrays = {}
    for split in ("train", "test"):
        rows = [np.asarray(Image.open(io.BytesIO(blob))) for blob in blobs[f"{split}_images"]]
        images = np.concatenate([r.reshape(-1, 32, 32, 3) for r in rows])
        arrays[f"{split}_images"] = images.transpose(0, 3, 1, 2)
        labels = json.loads(blobs[f"{split}_labels"][0])
        arrays[f"{split}_labels"] = np.array(labels, dtype=np.uint8)
    return arrays


def keel(blobs: Blobs) -> Arrays:
    """Rows of `feature, ..., class` with commas. A category, such as A34 in the third column, is
    the number behind its column's; classes are numbered in the order of their names."""
    lines = blobs["all"][0].decode("ascii").splitlines()
    rows = [[w.strip() for w in x.split(",")] for x in lines if x.strip() and x[0] not in "@%"]
    *columns, names = zip(*rows, strict=True)
    known = sorted(set(names))
    features = [
        [float(word.removeprefix(f"A{k}")) for word in column]
        for k, column in enumerate(columns, start=1)
    ]
    classes = np.array([known.index(name) for name in names], np.uint8)
    return {"features": np.array(features).T, "classes": classes}


FORMATS: dict[str, Callable[[Blobs], Arrays]] = {
    "idx": idx,
    "mnist-pickle": mnist_pickle,
    "cifar-pickle": cifar_pickle,
    "cifar-png": cifar_png,
    "keel": keel,
}


def _inflate(blob: bytes) -> bytes:
    if blob[:2] != b"\x1f\x8b":
        return blob
    with gzip.GzipFile(fileobj=io.BytesIO(blob)) as inside:
        inflated = inside.read(LARGEST + 1)
    _bounded(len(inflated))
    return inflated


def _parse_idx(blob: bytes) -> np.ndarray:
    zero, kind, dimensions = struct.unpack_from(">HBB", blob)
    if zero or kind != 8:
        raise ValueError(f"not an idx file of unsigned bytes (starts with {blob[:4].hex()})")
    shape = struct.unpack_from(f">{dimensions}I", blob, 4)
    return np.frombuffer(blob, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


class _NumpyOnly(pickle.Unpickler):
    """Loads arrays and plain containers; refuses every other class or function."""

    _RECONSTRUCT = np.empty(0).__reduce__()[0]
    _ALLOWED: Mapping[tuple[str, str], object] = {
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}: refused")
        return self._ALLOWED[module, name]


def _unpickle(blob: bytes) -> object:
    # latin1 reads what Python 2 wrote.
    return _NumpyOnly(io.BytesIO(blob), encoding="latin1").load()


# --------------------------------------------------------------------- canonical bytes


def canonical_idx(arrays: Mapping[str, np.ndarray], name: str) -> Iterator[bytes]:
    """The idx file of array `name`, as one part; grey images are written without channel axis."""
    array = arrays[name]
    shape = [d for axis, d in enumerate(array.shape) if not (axis == 1 and d == 1)]
    yield struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + array.tobytes()


def canonical_cifar(arrays: Mapping[str, np.ndarray], name: str) -> Iterator[bytes]:
    """Labels: their bytes, as one part. Images: the .bin batches, which hold the labels too."""
    if name.endswith("labels"):
        yield arrays[name].tobytes()
        return
    images, labels = arrays[name], arrays[name.replace("images", "labels")]
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        yield np.column_stack(
            [labels[start : start + BATCH], batch.reshape(len(batch), -1)]
        ).tobytes()


def canonical_table(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A table as its features, little-endian float64 row by row, and its classes, a byte each."""
    return arrays["features"].astype("<f8").tobytes() + arrays["classes"].tobytes()


CANONICAL: dict[str, Callable[[Mapping[str, np.ndarray], str], Iterator[bytes]]] = {
    "idx": canonical_idx,
    "cifar-bin": canonical_cifar,
}
