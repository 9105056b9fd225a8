"""Layers that weather is made of: float32 (H, W), each a pure function of the numbers drawn for it."""

from __future__ import annotations

import cv2
import numba
import numpy as np
import numpy.typing as npt

Layer = npt.NDArray[np.float32]
Draws = npt.NDArray[np.floating]
_Places = npt.NDArray[np.int64]


def plasma_size(height: int, width: int) -> int:
    """The side of the plasma that covers an image: the next power of two."""
    return 1 << (max(height, width, 3) - 1).bit_length()  # 3: the package counts the channels as a side


def plasma(draws: Draws, decay: float) -> Layer:
    """A fractal height map in 0..1 (diamond-square), square, that wraps around.

    `draws` are size * size - 1 numbers in [0, 1) for a size that is a power of two, coarsest first; the noise of each
    level is smaller by decay squared, as the package scales both its range and its draws.
    """
    size = int(np.sqrt(len(draws) + 1))
    grid = np.zeros((1, 1), np.float32)
    noise, first = 100.0**2, 0
    while len(grid) < size:
        cells = len(grid) ** 2
        draw = draws[first : first + 3 * cells].astype(np.float32, copy=False).reshape(3, *grid.shape)
        finer = np.empty((2 * len(grid), 2 * len(grid)), np.float32)
        _refine(grid, draw, np.float32(noise), finer, np.empty((3, len(grid)), np.float32))
        grid, noise, first = finer, noise / decay**2, first + 3 * cells
    least, most, _, _ = cv2.minMaxLoc(grid)
    grid -= np.float32(least)
    grid *= np.float32(1 / max(most - least, 1e-12))
    return grid


@numba.njit(cache=True, nogil=True)
def _refine(grid: Layer, draws: Layer, noise: np.float32, out: Layer, rows: Layer) -> None:
    """Double the resolution of a map; `rows` (3, n) is room for the middles of three rows."""
    n = len(grid)
    last = n - 1
    quarter, shift = np.float32(0.25), np.float32(2) * noise
    for i in range(-1, n):
        here, below = grid[i if i >= 0 else last], grid[i + 1 if i < last else 0]
        middle, above = rows[(i + 1) % 2], rows[i % 2]
        draw = draws[0, i if i >= 0 else last]
        for j in range(n):
            k = j + 1 if j < last else 0
            middle[j] = (here[j] + here[k] + below[j] + below[k]) * quarter + draw[j] * shift - noise
        if i < 0:  # the row above the first is the last
            continue
        upper, lower = out[2 * i], out[2 * i + 1]
        for j in range(n):
            k, h = (j + 1 if j < last else 0), (j - 1 if j > 0 else last)
            upper[2 * j] = here[j]
            upper[2 * j + 1] = (here[j] + here[k] + middle[j] + above[j]) * quarter + draws[1, i, j] * shift - noise
            lower[2 * j] = (here[j] + below[j] + middle[j] + middle[h]) * quarter + draws[2, i, j] * shift - noise
            lower[2 * j + 1] = middle[j]


def enlarged(layer: Draws, factor: float) -> Layer:
    """`layer` at `factor` times its size, bilinear; the outermost samples stay the outermost."""
    shape = [round(length * factor) for length in layer.shape]
    steps = [(a - 1) / max(b - 1, 1) for a, b in zip(layer.shape, shape, strict=True)]
    places = [np.arange(length) * step for length, step in zip(shape, steps, strict=True)]
    firsts = [np.clip(place.astype(np.int64), 0, max(a - 2, 0)) for place, a in zip(places, layer.shape, strict=True)]
    shares = [(place - first).astype(np.float32) for place, first in zip(places, firsts, strict=True)]
    out = np.empty(shape, np.float32)
    _enlarge(layer.astype(np.float32, copy=False), firsts[0], firsts[1], shares[0], shares[1], out)
    return out


@numba.njit(cache=True, nogil=True)
def _enlarge(layer: Layer, rows: _Places, columns: _Places, down: Layer, right: Layer, out: Layer) -> None:
    height, width = layer.shape
    mixed = np.empty(width, np.float32)
    for i in range(len(rows)):
        here, below = layer[rows[i]], layer[min(rows[i] + 1, height - 1)]
        for j in range(width):
            mixed[j] = here[j] + down[i] * (below[j] - here[j])
        line = out[i]
        for j in range(len(columns)):
            k = columns[j]
            line[j] = mixed[k] + right[j] * (mixed[min(k + 1, width - 1)] - mixed[k])
