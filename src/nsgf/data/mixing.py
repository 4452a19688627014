"""Weighted sums of stored images, without making the images first."""

from functools import partial

import numpy as np

from nsgf import compiled


def add_images(out, owner, weights, images, index, mirrored):
    """out[owner_k] += weights_k * image_k for every k, images as float32 in [-1, 1].

    Args:
        out: float32 (n, d), changed in place.
        owner, weights, index, mirrored: (k,), row of `out`, factor, image, and whether mirrored.
        images: uint8 (N, c, h, w), memory-mapped or not; d = c h w.
    """
    compiled.ensure()
    held = np.asarray(images).view()  # one type for all that images may be
    held.flags.writeable = False
    _add(out, owner, weights, held, index, mirrored)


@partial(compiled.kernel, parallel=False)
def _add(out, owner, weights, images, index, mirrored):
    c, h, w = images.shape[1:]
    scale = np.float32(1 / 127.5)
    for k in range(owner.size):
        target, image = out[owner[k]], images[index[k]]
        factor, offset, at = weights[k] * scale, weights[k], 0
        for channel in range(c):
            for line in range(h):
                row = image[channel, line]
                if mirrored[k]:
                    for j in range(w):
                        target[at + j] += factor * np.float32(row[w - 1 - j]) - offset
                else:
                    for j in range(w):
                        target[at + j] += factor * np.float32(row[j]) - offset
                at += w


def compile_all() -> None:
    """The loop with the types that it is called with (`nsgf.compiled`)."""
    index, images = np.zeros(1, np.int64), np.zeros((1, 1, 2, 2), np.uint8)
    out, weights = np.zeros((1, 4), np.float32), np.zeros(1, np.float32)
    add_images(out, index, weights, images, index, np.zeros(1, np.bool_))
