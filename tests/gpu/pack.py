"""`make gpu-kit`: what tests/gpu/run.sh needs on a bare machine without a network, in one folder.

Our code, wheels for CPython 3.12 of what such a machine may lack (`tests.gpu.kit` takes those that
it does), MNIST and the first 10,000 training images of CIFAR-10.
"""

import lzma
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from nsgf.errors import NsgfError
from nsgf.registry import ARRAYS

ROOT = Path(__file__).parents[2]
KIT, CACHE, DATA = ROOT / "gpu-kit", ROOT / "data/cache/gpu-kit", ROOT / "data/processed"
LARGEST = 45_000_000  # bytes
CODE = ("src/nsgf", "config", "pyproject.toml", "tests/gpu", "tests/image_sets.py")
# Names in the lock; torch, numpy, scipy, numba and pillow are too large and must be there.
LOCKED = (
    *("annotated-types", "geomloss", "iniconfig", "packaging", "platformdirs", "pluggy"),
    *("psutil", "pydantic", "pydantic-core", "pygments", "pytest", "pyyaml"),
    *("safetensors", "threadpoolctl", "torchcfm", "torchdiffeq", "tqdm", "typing-extensions"),
    "typing-inspection",
)
# The locked POT's wheel holds 170 MB of debugging symbols. The others are peers of the benchmark.
BESIDE = ("pot==0.9.6.post1", "flash-sinkhorn==0.4.1", "ott-jax==0.6.0", "jaxopt==0.8.5")
PLATFORMS = ("2_28_x86_64", "2_27_x86_64", "2_24_x86_64", "2_17_x86_64", "2014_x86_64")
IMAGES = {"mnist": (ARRAYS, None), "cifar10": (ARRAYS[:2], 10_000)}


def main() -> None:
    """Make the folder anew, whole or not at all.

    Raises:
        NsgfError: a data set is missing, a wheel cannot be fetched, or the kit is too large.
    """
    wheels = _wheels()
    images = [_packed(name, array, n) for name, (arrays, n) in IMAGES.items() for array in arrays]
    new = KIT.with_name("gpu-kit.new")
    shutil.rmtree(new, ignore_errors=True)
    for path in _git("ls-files", *CODE).splitlines():
        _copy(ROOT / path, new / path)
    # Ours asks for portable numerics, which other versions of the libraries may not have.
    (new / "tests/__init__.py").write_text('"""Tests compute as this machine does."""\n')
    (new / "COMMIT").write_text(_git("describe", "--always", "--abbrev=40", "--dirty=+changes"))
    for wheel in wheels:
        _copy(wheel, new / "wheels" / wheel.name)
    for path in images:
        _copy(path, new / "data/packed" / path.relative_to(CACHE))
    size = sum(path.stat().st_size for path in new.rglob("*") if path.is_file())
    if size > LARGEST:
        raise NsgfError(
            f"the kit would have {size / 1e6:.1f} MB, over {LARGEST / 1e6:.0f}",
            "take something out of LOCKED, BESIDE or IMAGES in tests/gpu/pack.py",
        )
    shutil.rmtree(KIT, ignore_errors=True)
    new.rename(KIT)
    print(f"gpu-kit: {size / 1e6:.1f} MB; there: gpu-kit/tests/gpu/run.sh")


def _wheels() -> list[Path]:
    """Wheels for CPython 3.12 on x86-64, fetched where they are not in the cache."""
    lock = (ROOT / "requirements/lock.txt").read_text()
    blocks = [re.search(rf"^{name}==(?:.*\\\n)*.*\n", lock, re.M)[0] for name in LOCKED]
    found = []
    for needs in (blocks, [f"{pin}\n" for pin in BESIDE]):
        missing = [text for text in needs if not _cached(text)]
        if missing:
            _fetch(missing)
        found += [_cached(text) for text in needs]
    return found


def _cached(pin: str) -> Path | None:
    name, version = re.match(r"([\w.-]+)==([\w.]+)", pin).groups()
    start = f"{name.replace('-', '_')}-{version}-".lower()
    held = (CACHE / "wheels").glob("*.whl")
    return next((path for path in held if path.name.lower().startswith(start)), None)


def _fetch(needs: list[str]) -> None:
    listed = CACHE / "wheels.txt"
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("".join(needs))
    words = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--quiet"]
    words += [f"--platform=manylinux{'_' * (p[1] == '_')}{p}" for p in PLATFORMS]
    command = [sys.executable, "-m", "pip", "download", *words]
    result = subprocess.run([*command, "-d", str(CACHE / "wheels"), "-r", str(listed)])
    if result.returncode or not all(map(_cached, needs)):
        raise NsgfError("a wheel cannot be fetched", "read the lines above; it needs a network")


def _packed(name: str, array: str, n: int | None) -> Path:
    """An array, compressed; colours as differences of neighbours, which saves 12 %."""
    source, target = DATA / name / f"{array}.npy", CACHE / name / f"{array}.npy.xz"
    if not source.exists():
        raise NsgfError(f"'{source.relative_to(ROOT)}' is missing", f"nsgf make data/{name}")
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        values = np.load(source)[:n]
        for axis in (-2, -1) if values.shape[1:2] == (3,) else ():
            values = np.diff(values, axis=axis, prepend=np.uint8(0))
        target.parent.mkdir(parents=True, exist_ok=True)
        with lzma.open(target.with_suffix(".new"), "wb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(values))
        target.with_suffix(".new").replace(target)
    return target


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


if __name__ == "__main__":
    try:
        main()
    except NsgfError as error:
        sys.exit(f"nsgf: {error}")
