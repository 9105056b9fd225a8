"""Noise: every function takes an image (H, W, C) uint8 and gives the noisy one, uint8.

Drawn by table from 16 random bits a value: the normal distribution at the 65,536 midpoints of its quantiles (so up
to 4.2 standard deviations), Poisson counts by the alias method, chances in steps of 1/65,536. After the draw there
are integers only, and the bytes are the same on every platform.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numba
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, pdtr

from bench.data.corruptions.pixels import Draws, Image, draws

_DRAWS: Final = 1 << 16
_SLOTS: Final = 64
"""Of an alias table: a white pixel has at most 61 outcomes (0 to 60 photons; more is clipped)."""
Table = npt.NDArray[np.int32]


def gaussian_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Independent normal noise, standard deviation 8 to 38% of the range."""
    scale = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return _run(_add, image, normal_table(255 * scale), rng)


def shot_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Poisson noise of a sensor that catches 60 to 3 photons in a white pixel."""
    return _run(_choose, image, poisson_table((60, 25, 12, 5, 3)[severity - 1]), rng)


def impulse_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Salt and pepper, equally many, on 3 to 27% of the values, each channel on its own."""
    amount = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    limits = [round(amount / 2 * _DRAWS), round(amount * _DRAWS)]
    return _run(_strike, image, np.array(limits, np.int32), rng)


def speckle_noise(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Normal noise, standard deviation 15 to 60% of the value."""
    scale = (0.15, 0.2, 0.35, 0.45, 0.6)[severity - 1]
    return _run(_multiply, image, normal_table(_DRAWS * scale), rng)


@cache
def normal_table(scale: float) -> Table:
    """Normal numbers of this standard deviation, rounded down, by draw.

    Gaussian noise is added to a whole number and the fraction then cut off, so nothing is lost by it.
    """
    return np.floor(scale * ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)).astype(np.int32)


@cache
def poisson_table(photons: int) -> Table:
    """For every grey level an alias table of the levels that shot noise makes of it: (256, 64) int32.

    A slot holds two levels (bits 0-7 and 8-15) and how many of its 1,024 draws give the first (bits 16 on).
    """
    counts = np.arange(photons + 1)
    levels = (counts / float(photons) * 255).astype(np.int32)  # in the package's order of rounding
    means = np.arange(256) / 255 * photons
    below = pdtr(counts[None, :], means[:, None])
    below[:, -1] = 1  # more photons than white has are clipped
    edges = np.rint(below * _DRAWS).astype(np.int64)
    return np.stack([_alias(np.diff(row, prepend=0), levels) for row in edges])


def _alias(weights: npt.NDArray[np.int64], levels: Table) -> Table:
    """Vose's alias table of outcomes whose weights, whole numbers, add up to 65,536."""
    share = _DRAWS // _SLOTS
    left = [*weights.tolist(), *[0] * (_SLOTS - len(weights))]
    names = [*levels.tolist(), *[0] * (_SLOTS - len(levels))]
    table = np.zeros(_SLOTS, np.int32)
    small = [slot for slot in range(_SLOTS) if left[slot] < share]
    large = [slot for slot in range(_SLOTS) if left[slot] >= share]
    while small:
        slot, giver = small.pop(), large[-1]
        table[slot] = left[slot] << 16 | names[giver] << 8 | names[slot]
        left[giver] -= share - left[slot]
        if left[giver] < share:
            small.append(large.pop())
    for slot in large:
        table[slot] = share << 16 | names[slot]
    return table


_Kernel = Callable[[Image, Draws, Table, Image], None]


def _run(kernel: _Kernel, image: Image, table: Table, rng: np.random.Generator) -> Image:
    out = np.empty_like(image)
    kernel(image.reshape(-1), draws(image.size, rng), table, out.reshape(-1))
    return out


@numba.njit(cache=True, nogil=True)
def _add(values: Image, numbers: Draws, table: Table, out: Image) -> None:
    for i in range(values.size):
        out[i] = np.uint8(min(max(np.int32(values[i]) + table[numbers[i]], 0), 255))


@numba.njit(cache=True, nogil=True)
def _multiply(values: Image, numbers: Draws, table: Table, out: Image) -> None:
    """Value x (1 + noise) in 65,536ths: at most 255 x (1 + 0.6 x 4.2), within 32 bits."""
    for i in range(values.size):
        product = np.int32(values[i]) * (table[numbers[i]] + np.int32(65536))
        out[i] = np.uint8(min(max(product, 0) >> 16, 255))


@numba.njit(cache=True, nogil=True)
def _choose(values: Image, numbers: Draws, table: Table, out: Image) -> None:
    for i in range(values.size):
        slot = table[values[i], numbers[i] >> 10]
        kept = np.int32(numbers[i] & 1023) < slot >> 16
        out[i] = np.uint8(slot & 255 if kept else slot >> 8 & 255)


@numba.njit(cache=True, nogil=True)
def _strike(values: Image, numbers: Draws, limits: Table, out: Image) -> None:
    salt, struck = limits[0], limits[1]
    for i in range(values.size):
        number = np.int32(numbers[i])
        struck_value = np.uint8(255) if number < salt else np.uint8(0)
        out[i] = struck_value if number < struck else values[i]
