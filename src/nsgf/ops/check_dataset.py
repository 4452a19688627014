"""`nsgf check-dataset`: is a data set that a researcher has added fit for a run?

One line a check, `ok` or `FAILED` with what to mend; the checks are the demands that pools,
training and metrics make, put to the data set before a run of hours finds out.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from nsgf import numerics
from nsgf.config.compute import Compute
from nsgf.config.pool import Flow, Pool, PoolStage
from nsgf.data import arrays, images
from nsgf.data.problem import PlanarProblem, open_problem
from nsgf.engine.make import Files
from nsgf.errors import NsgfError
from nsgf.flows.pool import open_pool
from nsgf.flows.scale import blur_for
from nsgf.registry import DATASETS, Dataset, lookup
from nsgf.rng import stream
from nsgf.stages import build_pool
from nsgf.stages.build_pool import shard_files

N, SEED = 512, 0  # points that a law is judged by, and the stream that draws them
# Root mean square distance from the mean for which blur and step_size of the presets make sense.
SPREADS = (0.05, 50.0)


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
        here = data if not spec.is_image or (data / spec.target).is_dir() else Path(folder, "data")
        checks = _checks(name, spec, here, Path(folder), registry or images.REGISTRY)
        for title, check in checks:
            try:
                print(f"{title:<8} ok      {check()}", flush=True)
            except Exception as error:  # the researcher's own code may raise anything
                told = error if isinstance(error, NsgfError) else _told(error)
                print(f"{title:<8} FAILED  {told.what}; mend: {told.mend}", flush=True)
                raise NsgfError(f"data set '{name}' failed check '{title}'", told.mend) from error
    print(f"data set '{name}' is fit for a run")


def _checks(
    name: str, spec: Dataset, data: Path, folder: Path, registry: Path
) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is checked, in turn: its name, and what returns a remark or raises."""
    if spec.is_image:
        files = (spec.target, data / spec.target, registry)
        yield "entry", partial(_image_entry, spec, registry)
        yield "bytes", partial(_bytes, *files)
        yield "labels", partial(_labels, *files)
    else:
        yield "entry", partial(_law_entry, spec)
        yield "source", partial(_law, spec, "source")
        yield "target", partial(_law, spec, "target")
    yield "flow", partial(_pool, name, spec.is_image, data, folder)


def _told(error: Exception) -> NsgfError:
    return NsgfError(
        f"it raised {type(error).__name__}: {error}",
        "call its function by hand and mend it; docs/extend.md says what it is given",
    )


def _demand(holds: bool, what: str, mend: str) -> None:
    """Raise unless `holds`."""
    if not holds:
        raise NsgfError(what, mend)


def _labelled(spec: Dataset) -> str:
    mend = "give the name that tables and figures print"
    _demand(bool(spec.label.strip()), "the label is empty", mend)
    return f"label '{spec.label}'"


# ----------------------------------------------------------------------------------- laws


def _law_entry(spec: Dataset) -> str:
    what = f"shape {spec.shape} is neither (d,) nor (channels, height, width)"
    _demand(len(spec.shape) == 1 and spec.shape[0] > 0, what, "write (d,) for a law of d numbers")
    return f"{_labelled(spec)}, {spec.source} to {spec.target}"


def _law(spec: Dataset, side: str) -> str:
    """Demands on a law's sampler: form, streams and scale."""

    def draw(k: int, n: int = N) -> Tensor:
        return getattr(PlanarProblem(spec), side)(n, stream(SEED, "check-dataset", k))

    law, (d,) = getattr(spec, side), spec.shape
    mend = f"correct the sampler of '{law}'"
    drawn = f"{mend}: draw from the stream that it is given, and from nothing else"
    for n in (1, 7, N):
        points = draw(0, n)
        form = (
            f"{points.dtype} {tuple(points.shape)}" if isinstance(points, Tensor) else type(points)
        )
        fits = form == f"torch.float32 ({n}, {d})"
        _demand(fits, f"{n} points are {form}", f"{mend}: float32 of shape (n, {d})")
    _demand(bool(points.isfinite().all()), "some points are not finite", mend)
    _demand(torch.equal(points, draw(0)), "the same random stream gives other points", drawn)
    alike = torch.equal(points, draw(1))
    _demand(not alike, "different random streams give the same points", drawn)
    spread = float((points - points.mean(0)).square().sum(1).mean().sqrt())
    _demand(
        SPREADS[0] <= spread <= SPREADS[1],
        f"its spread is {spread:.3g}, outside {SPREADS[0]:g} to {SPREADS[1]:g}",
        "scale the points; flow.blur of the presets is 0.5 in the same units",
    )
    return f"float32 (n, {d}), spread {spread:.2f}"


# ------------------------------------------------------------------------------ image sets


def _image_entry(spec: Dataset, registry: Path) -> str:
    entry = images.describe(spec.target, registry)
    what = f"its shape is {spec.shape} in registry.py, but {entry.shape} in {registry.name}"
    _demand(entry.shape == spec.shape, what, "write the same (channels, height, width) in both")
    return f"{_labelled(spec)}, {len(entry.sources)} sources"


def _bytes(name: str, folder: Path, registry: Path) -> str:
    if folder.is_dir():
        images.verify(name, folder, registry)
        return f"{folder} holds what the digests say"
    source = images.fetch(name, folder, registry=registry)
    return f"what {source} gives is what the digests say"


def _labels(name: str, folder: Path, registry: Path) -> str:
    classes = set(range(images.describe(name, registry).classes))
    mend = f"correct `classes` in {registry.name}, or the choice of images and labels"
    counts = []
    for split in ("train", "test"):
        x, labels = arrays.load(folder, split)
        found = set(labels.tolist())
        beyond, absent = (
            ", ".join(map(str, sorted(s))) for s in (found - classes, classes - found)
        )
        what = f"{split} has label {beyond}, but classes are 0 to {len(classes) - 1}"
        _demand(not beyond, what, mend)
        _demand(not absent, f"{split} has no image of class {absent}", mend)
        counts.append(f"{len(x)} {split}")
    return f"{' and '.join(counts)} images, all {len(classes)} classes in both"


# ------------------------------------------------------------------------------ both kinds


def _pool(name: str, is_image: bool, data: Path, folder: Path) -> str:
    """Build the smallest pool, which must descend, and read rows of it back."""
    storage, problem = "coefficients" if is_image else "points", open_problem(name, data)
    blur = blur_for(problem.target(N, stream(SEED, "blur")))
    settings = PoolStage(
        flow=Flow(steps=3, step_size=0.3, blur=blur),
        pool=Pool(batch_size=64, batches=2, storage=storage),
        seed=SEED,
        compute=Compute(device="cpu", numerics=numerics.asked()),
    )
    outputs = {n: Path(p) for n, p in shard_files(str(folder / "pool"), settings).items()}
    held = [data / DATASETS[name].target / "train_images.npy"] if is_image else []
    files = Files({"data": held}, outputs, folder)
    with contextlib.redirect_stderr(io.StringIO()):  # its bar would break the lines of checks
        build_pool.make(settings, {"dataset": name, "seed": SEED, "shard": 0}, files)
    drawn = open_pool([folder / "pool"], problem).draw(32, stream(SEED, "rows"))
    finite = bool(drawn.x.isfinite().all() and drawn.v.isfinite().all())
    _demand(finite, "a pool made from it holds points that are not finite", "mend the sampler")
    return "a small Sinkhorn flow descends; its pool can be read"
