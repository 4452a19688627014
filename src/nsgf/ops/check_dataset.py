"""`nsgf check-dataset`: is a data set that a researcher has added fit for a run?

One line a check, `ok` or `FAILED` with what to mend; the checks are the demands that pools,
training and metrics make, put to the data set before a run of hours finds out.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from nsgf.config.compute import Compute
from nsgf.config.pool import Flow, Pool, PoolStage
from nsgf.data import arrays, images
from nsgf.data.problem import open_problem
from nsgf.data.synthetic import sample
from nsgf.engine.make import Files
from nsgf.errors import NsgfError
from nsgf.flows.pool import open_pool
from nsgf.registry import DATASETS, Dataset, lookup
from nsgf.rng import stream
from nsgf.stages import build_pool
from nsgf.stages.build_pool import shard_files

N, SEED = 512, 0  # points that a law is judged by, and the stream that draws them
# Root mean square distance from the mean for which blur and step_size of the presets make sense.
SPREADS = (0.05, 50.0)
BLUR = {True: 1.0, False: 0.5}  # of the presets, for image sets and for 2-D laws

Check = tuple[str, Callable[[], str]]  # its name; it returns a remark or raises


def run(name: str, data: Path, registry: Path | None = None) -> None:
    """Check data set `name` and print one line a check; a failed check ends the list.

    Args:
        name: a key of DATASETS in nsgf.registry.
        data: folder of the image sets; one that is not there yet is fetched to a temporary folder.
        registry: the file that describes image sets, by default config/datasets.yaml.

    Raises:
        NsgfError: there is no such data set, or a check failed.
    """
    spec = lookup(DATASETS, name, "data set")
    with tempfile.TemporaryDirectory(prefix="nsgf-check-") as folder:
        checks = _image if spec.is_image else _planar
        for title, check in checks(name, spec, Path(data), Path(folder), registry):
            try:
                print(f"{title:<8} ok      {check()}", flush=True)
            except Exception as error:  # the researcher's own code may raise anything
                what, mend = _explained(error)
                print(f"{title:<8} FAILED  {what}; mend: {mend}", flush=True)
                raise NsgfError(f"data set '{name}' failed check '{title}'", mend) from error
    print(f"data set '{name}' is fit for a run")


def _explained(error: Exception) -> tuple[str, str]:
    if isinstance(error, NsgfError):
        return error.what, error.mend
    what = f"it raised {type(error).__name__}: {error}"
    return what, "call its function by hand and mend it; docs/extend.md says what it is given"


# ------------------------------------------------------------------------------- 2-D laws


def _planar(name: str, spec: Dataset, data: Path, folder: Path, _) -> Iterator[Check]:
    yield "entry", lambda: _planar_entry(spec)
    for side in ("source", "target"):
        yield side, lambda side=side: _law(getattr(spec, side))
    yield "flow", lambda: _pool(name, data, folder, "points")


def _planar_entry(spec: Dataset) -> str:
    if spec.shape != (2,):
        raise NsgfError(
            f"shape {spec.shape} is neither (2,) nor (channels, height, width)",
            "write (2,) for a 2-D law",
        )
    return f"label '{_label(spec)}', {spec.source} to {spec.target}"


def _label(spec: Dataset) -> str:
    if not spec.label.strip():
        raise NsgfError("the label is empty", "give the name that tables and figures print")
    return spec.label


def _law(law: str) -> str:
    """Demands on a law's sampler: form, streams and scale."""
    mend = f"correct the sampler of '{law}'"
    points = _draw(law, 0)
    for n in (1, 7, N):
        got = _draw(law, 0, n)
        if not isinstance(got, Tensor) or got.shape != (n, 2) or got.dtype != torch.float32:
            form = f"{got.dtype} {tuple(got.shape)}" if isinstance(got, Tensor) else type(got)
            raise NsgfError(f"{n} points are {form}", f"{mend}: float32 of shape (n, 2)")
    if not points.isfinite().all():
        raise NsgfError("some points are not finite", mend)
    if not torch.equal(points, _draw(law, 0)):
        raise NsgfError(
            "the same random stream gives other points",
            f"{mend}: draw from the stream that it is given, and from nothing else",
        )
    if torch.equal(points, _draw(law, 1)):
        raise NsgfError(
            "different random streams give the same points",
            f"{mend}: draw from the stream that it is given",
        )
    spread = float((points - points.mean(0)).square().sum(1).mean().sqrt())
    if not SPREADS[0] <= spread <= SPREADS[1]:
        raise NsgfError(
            f"its spread is {spread:.3g}, outside {SPREADS[0]:g} to {SPREADS[1]:g}",
            "scale the points; flow.blur of the presets is 0.5 in the same units",
        )
    return f"float32 (n, 2), spread {spread:.2f}"


def _draw(law: str, k: int, n: int = N) -> Tensor:
    return sample(law, n, stream(SEED, "check-dataset", k))


# ------------------------------------------------------------------------------ image sets


def _image(
    name: str, spec: Dataset, data: Path, folder: Path, registry: Path | None
) -> Iterator[Check]:
    registry = registry or images.REGISTRY
    here = data if (data / spec.target).is_dir() else folder / "data"
    yield "entry", lambda: _image_entry(spec, registry)
    yield "bytes", lambda: _bytes(spec, here, registry)
    yield "labels", lambda: _labels(spec, here / spec.target, registry)
    yield "flow", lambda: _pool(name, here, folder, "coefficients")


def _image_entry(spec: Dataset, registry: Path) -> str:
    entry = images.describe(spec.target, registry)
    if entry.shape != spec.shape:
        raise NsgfError(
            f"its shape is {spec.shape} in registry.py, but {entry.shape} in {registry.name}",
            "write the same (channels, height, width) in both",
        )
    return f"label '{_label(spec)}', {len(entry.sources)} sources"


def _bytes(spec: Dataset, data: Path, registry: Path) -> str:
    folder = data / spec.target
    if folder.is_dir():
        images.verify(spec.target, folder, registry)
        return f"{folder} holds what the digests say"
    source = images.fetch(spec.target, folder, registry=registry)
    return f"what {source} gives is what the digests say"


def _labels(spec: Dataset, folder: Path, registry: Path) -> str:
    classes = set(range(images.describe(spec.target, registry).classes))
    counts = []
    for split in ("train", "test"):
        x, labels = arrays.load(folder, split)
        found = set(labels.tolist())
        if beyond := sorted(found - classes):
            raise NsgfError(
                f"{split} has label {beyond[0]}, but classes are 0 to {len(classes) - 1}",
                f"correct `classes` in {registry.name}, or the labels",
            )
        if absent := sorted(classes - found):
            raise NsgfError(
                f"{split} has no image of class {absent[0]}",
                f"correct `classes` in {registry.name}, or the choice of images",
            )
        counts.append(f"{len(x)} {split}")
    return f"{' and '.join(counts)} images, all {len(classes)} classes in both"


# ------------------------------------------------------------------------------ both kinds


def _pool(name: str, data: Path, folder: Path, storage: str) -> str:
    """Build the smallest pool, which must descend, and read rows of it back."""
    settings = PoolStage(
        flow=Flow(steps=3, step_size=0.3, blur=BLUR[storage == "coefficients"]),
        pool=Pool(batch_size=64, batches=2, storage=storage),
        seed=SEED,
        compute=Compute(device="cpu"),
    )
    outputs = {n: Path(p) for n, p in shard_files(str(folder / "pool"), settings).items()}
    images = [data / DATASETS[name].target / "train_images.npy"] if DATASETS[name].is_image else []
    files = Files({"data": images}, outputs, folder)
    with contextlib.redirect_stderr(io.StringIO()):  # its bar would break the lines of checks
        build_pool.make(settings, {"dataset": name, "seed": SEED, "shard": 0}, files)
    drawn = open_pool([folder / "pool"], open_problem(name, data)).draw(32, stream(SEED, "rows"))
    if not (drawn.x.isfinite().all() and drawn.v.isfinite().all()):
        raise NsgfError("a pool made from it holds points that are not finite", "mend the sampler")
    return "a small Sinkhorn flow descends; its pool can be read"
