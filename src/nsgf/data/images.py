"""Image data sets: fetched from the first source that works, verified, read as memory maps.

Whatever the source, what is verified are the decoded arrays in their canonical form: the bytes of
the files that the data set's authors published (see `nsgf.data.decode`), whose digests stand in
config/datasets.yaml. On disk a data set is a folder with one .npy file for each of `ARRAYS`:
images uint8 (n, c, h, w), labels uint8 (n,).
"""

import contextlib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from nsgf.artifact import atomic, write_npy
from nsgf.config import base
from nsgf.data import sources
from nsgf.data.arrays import load
from nsgf.data.decode import CANONICAL
from nsgf.data.fetched import cannot_write, default_cache, first_that_works
from nsgf.data.sources import Digest, Source
from nsgf.errors import NsgfError
from nsgf.registry import ARRAYS, lookup

REGISTRY = Path(__file__).parents[3] / "config" / "datasets.yaml"


class ImageSet(base.Model):
    """What config/datasets.yaml says of one data set."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Channels, height, width."""
    classes: int = Field(ge=1, le=256)
    """Number of labels; labels are 0 ... classes - 1."""
    sizes: dict[Literal["train", "test"], Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Images of each split, count; a preset that asks for more is refused before a run begins."""
    canonical: Literal[*CANONICAL]
    """Form of the bytes that the digests belong to."""
    digests: dict[Literal[*ARRAYS], Annotated[tuple[Digest, ...], Field(min_length=1)]] = Field(
        min_length=len(ARRAYS)
    )
    """Digests of the parts of each array in canonical form."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where to get it, in order of preference."""


class Registry(base.Model):
    """The whole of config/datasets.yaml."""

    datasets: dict[Annotated[str, Field(pattern=r"^\w[\w-]*$")], ImageSet]


def describe(name: str, registry: Path = REGISTRY) -> ImageSet:
    """The registry's entry for `name`.

    Raises:
        NsgfError: unreadable registry, unknown key in it, or unknown name.
    """
    try:
        known = base.load(registry, Registry).datasets
    except NsgfError as error:
        mend = f"correct it; the comments at the head of {REGISTRY.name} explain every key"
        raise NsgfError(error.what, mend) from error
    return lookup(known, name, "image data set")


def fetch(name: str, out: Path, cache: Path | None = None, registry: Path = REGISTRY) -> str:
    """Write the verified arrays of data set `name` as `out/<array>.npy`, all four or none.

    Sources whose archives are in the cache come first, then the others in the registry's order.

    Args:
        name: a data set of the registry.
        out: folder to write to; made if need be.
        cache: folder of downloads, default $NSGF_CACHE or `nsgf/downloads` in the user's cache
            folder; archives lie in its sub-folder `name`.
        registry: the file that describes data sets.

    Returns:
        str: the source that gave them.

    Raises:
        NsgfError: no source gave data with the right digests (it lists every source with its
            reason), or a folder cannot be written.
    """
    image_set = describe(name, registry)
    source, arrays = first_that_works(
        f"image data set '{name}'",
        image_set.sources,
        lambda arrays: _difference(image_set, arrays),
        (Path(cache) if cache else default_cache()).absolute() / name,
    )
    _write(arrays, Path(out))
    return source


def verify(name: str, folder: Path, registry: Path = REGISTRY) -> None:
    """Hash the arrays in `folder` once more, in canonical form.

    Raises:
        NsgfError: an array is missing or differs from the registry; the message names it.
    """
    arrays = dict(zip(ARRAYS, (*load(folder, "train"), *load(folder, "test")), strict=True))
    wrong = _difference(describe(name, registry), arrays)
    if wrong:
        what = f"'{folder}' does not hold image data set '{name}': {wrong}"
        raise NsgfError(what, "remove the folder and fetch the data set again")


def _difference(image_set: ImageSet, arrays: Mapping[str, np.ndarray]) -> str | None:
    """What distinguishes `arrays` from the registry's data set; None if nothing does."""
    # Labels first: CIFAR's batches hold both, so after this a difference is the images'.
    for name in sorted(ARRAYS, key=lambda n: "images" in n):
        labels = arrays[name.replace("images", "labels")]
        demand = labels.shape if labels is arrays[name] else (len(labels), *image_set.shape)
        if arrays[name].shape != demand or arrays[name].dtype != np.uint8:
            got = f"{arrays[name].dtype} {arrays[name].shape}"
            return f"{name} is {got}, not uint8 {demand}"
        parts = CANONICAL[image_set.canonical](arrays, name)
        expected = image_set.digests[name]
        for k, (part, digest) in enumerate(itertools.zip_longest(parts, expected), start=1):
            got = part is not None and digest is not None and sources.digest_of(part, digest)
            if got != digest:
                return f"{name} (part {k} of {len(expected)}) is {got}, not {digest}"
    return None


def _write(arrays: Mapping[str, np.ndarray], out: Path) -> None:
    """All files are complete under temporary names before the first one gets its own."""
    try:
        with contextlib.ExitStack() as stack:
            for name in ARRAYS:
                target = stack.enter_context(atomic(out / f"{name}.npy"))
                write_npy(target, arrays[name])
    except OSError as error:
        need = sum(array.nbytes for array in arrays.values()) / 1e6
        raise cannot_write(out, error, f"name a folder with {need:.0f} MB free") from error
