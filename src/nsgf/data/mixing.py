"""Weighted sums of stored images, without making the images first."""

import numpy as np
from numba import njit


@njit(fastmath=True, nogil=True, cache=True)
def add_images(out, owner, weights, images, index, mirrored):
    """out[owner_k] += weights_k * image_k for every k, images as float32 in [-1, 1].

    Args:
        out: float32 (n, d), changed in place.
        owner, weights, index, mirrored: (k,), row of `out`, factor, image, and whether mirrored.
        images: uint8 (N, c, h, w), memory-mapped or not; d = c h w.
    """
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
