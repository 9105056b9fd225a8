"""Blur: every function takes an image (H, W, C) uint8 and gives the blurred one, uint8.

Borders are the package's: repeated everywhere but in defocus_blur, which mirrors them. gaussian_blur, motion_blur and
glass_blur add up in float64 in the order in which the package does, and so equal it to the byte; defocus_blur and
zoom_blur add up in float32, and may be one level off where a sum lies next to a whole number (in flat areas all do).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.corruptions import loops
from bench.data.corruptions.loops import Doubles, Offsets, Values
from bench.data.corruptions.pixels import Floats, Image, draws, to_bytes

GLASS: Final = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
"""Per severity: standard deviation of the two blurs, reach of the moves, rounds of them."""
GUARD: Final = 1e-3
"""Levels added before the fraction is cut off, against rounding errors: float32 sums are exact to about 1e-4."""


def gaussian_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Gaussian of 1 to 6 pixels, cut at 4 sigma."""
    return _smoothed(image, (1, 2, 3, 4, 6)[severity - 1])


def defocus_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A disc of radius 3 to 10 pixels, its rim softened.

    As in the package the disc fills its array at radius 8 and 10, where softening mirrors part of the rim
    inwards: the weights then add up to 1.012 and 1.009, and the picture gets lighter by that. At 3 to 6 they
    add up to a rounding error less than 1, so that flat areas come out one level darker.
    """
    weights = disc(severity)
    quarter = weights[len(weights) // 2 :, len(weights) // 2 :]
    quarter = np.ascontiguousarray(quarter[quarter[0] > 0][:, quarter[0] > 0].T)
    reach, height, channels = len(quarter) - 1, image.shape[0], image.shape[2]
    mirrored = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    guard = -GUARD if weights.sum(dtype=np.float64) < 1 else 0.0
    out = np.empty_like(image)
    loops.defocus(np.asarray(mirrored).reshape(len(mirrored), -1), quarter, channels, guard, out.reshape(height, -1))
    return out


def disc(severity: int) -> npt.NDArray[np.float32]:
    """Weights of defocus_blur, square and the same in all four quarters."""
    radius, rim = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    reach = max(8, radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = (rows**2 + columns**2 <= radius**2).astype(np.float32)
    size = 3 if radius <= 8 else 5
    return np.asarray(cv2.GaussianBlur(inside / inside.sum(), (size, size), rim))


def glass_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blur, move pixels about within 1 to 4 pixels, blur.

    The package means to swap pixels; as both sides are views of one array, it overwrites one by the other,
    and so does this. Its moves go as far as `reach` up and left and one less down and right, and leave a margin alone.
    """
    _, reach, rounds = GLASS[severity - 1]
    return glass(image, severity, (_moves(image.shape[0] * image.shape[1], reach, rng) for _ in range(rounds)))


def glass(image: Image, severity: int, rounds: Iterable[Image]) -> Image:
    """Glass blur with given moves, of which `displace` tells."""
    sigma, reach, _ = GLASS[severity - 1]
    pixels = _smoothed(image, sigma)
    for moves in rounds:
        displace(pixels, moves, reach)
    return _smoothed(pixels, sigma)


def _moves(count: int, reach: int, rng: np.random.Generator) -> Image:
    """Equally likely moves, to within 1 in 1,800."""
    chosen = np.empty(count, np.uint8)
    loops.scale(draws(count, rng), (2 * reach) ** 2, chosen)
    return chosen


def displace(pixels: Image, moves: Image, reach: int) -> None:
    """One round of glass_blur, in place: each pixel overwritten by a near one, from the bottom right on.

    `moves` has one number a pixel, row by row: (rows + reach) x 2 reach + columns + reach of the move to the near one.
    """
    height, width, channels = pixels.shape
    near = np.arange(-reach, reach)
    offsets = ((near[:, None] * width + near[None, :]) * channels).reshape(-1)
    loops.displace(pixels.reshape(-1), moves, offsets, reach, (height, width, channels))


def motion_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A fading trail of 21 to 41 pixels, within 45 degrees of the horizontal."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    out = np.empty_like(image)
    _trail(image, radius, sigma, rng.uniform(-45, 45), out)
    return out


def zoom_blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The mean of the image and its zooms by 1 to 1.11 or up to 1.30, as in the package: the image counts twice."""
    stop, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    factors = np.arange(1, stop, step)
    total = 2 * image.astype(np.float32)
    for factor in factors[1:]:
        _add_zoom_of(image, float(factor), total)
    total /= len(factors) + 1
    return to_bytes(total, GUARD)


def smooth(values: Values, sigma: float) -> Floats:
    """Gaussian of `sigma` pixels, cut at 4 sigma, edges repeated; (H, W) or (H, W, C) uint8 or float32 -> float32."""
    kernel = gaussian_weights(sigma).astype(np.float32)
    kernel = np.concatenate((kernel[:0:-1], kernel))
    return np.asarray(cv2.sepFilter2D(values, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE))


def _smoothed(image: Image, sigma: float) -> Image:
    """Like `smooth`, in bytes, to the last bit what scipy makes of it in float64."""
    height, _, channels = image.shape
    out = np.empty_like(image)
    loops.smooth(
        image.reshape(height, -1), np.arange(256) / 255.0, gaussian_weights(sigma), channels, out.reshape(height, -1)
    )
    return out


def gaussian_weights(sigma: float) -> Doubles:
    """Weights by distance, 0 to 4 sigma, of which all but the first stand on both sides."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 / sigma**2 * np.arange(-radius, radius + 1) ** 2)
    return np.asarray(weights / weights.sum())[radius:]


def trail(values: Values, radius: int, sigma: float, angle: float) -> Floats:
    """Motion blur: 2 radius + 1 copies along `angle` (degrees), each a pixel further, edges repeated; -> float32.

    The weights fall as a Gaussian of `sigma` pixels. Moves are rounded to whole pixels as the package does it: halves
    up in the direction against the move. It stops at the first copy that would leave the image and does not make up
    for its weight, so that an image smaller than the trail gets darker. (H, W) or (H, W, C) uint8 or float32.
    """
    out = np.empty(values.shape, np.float32)
    _trail(values, radius, sigma, angle, out)
    return out


def _trail(values: Values, radius: int, sigma: float, angle: float, out: Values) -> None:
    """`trail` into `out`; in bytes the fraction is cut off."""
    height, width = values.shape[:2]
    channels = math.prod(values.shape[2:])
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * (sigma**2))) / (np.sqrt(2 * np.pi) * sigma)
    weights /= np.sum(weights)
    point = len(steps) * np.sin(np.deg2rad(angle)), len(steps) * np.cos(np.deg2rad(angle))
    length = math.hypot(*point)
    moves = np.array([[math.ceil(step * part / length - 0.5) for part in point] for step in steps])
    beyond = np.flatnonzero((abs(moves[:, 0]) >= height) | (abs(moves[:, 1]) >= width))
    kept = moves[: beyond[0]] if len(beyond) else moves
    (top, left), (bottom, right) = -kept.min(0), kept.max(0)
    padded = cv2.copyMakeBorder(values, top, bottom, left, right, cv2.BORDER_REPLICATE)
    loops.sum_copies(
        np.ascontiguousarray(padded).reshape(height + top + bottom, -1),
        kept[:, 0] + top,
        (kept[:, 1] + left) * channels,
        weights,
        out.reshape(height, -1),
    )


def zoom(values: Values, factor: float) -> Floats:
    """The middle of the picture enlarged by `factor` to its full size, bilinear; (H, W) or (H, W, C) -> float32.

    The enlarged middle is a little too large and cut at the bottom and right, as in the package; so is
    its last row or column of 0, which some sizes have (scipy's zoom leaves the picture by a rounding error).
    """
    total = np.zeros(values.shape, np.float32)
    _add_zoom_of(values, factor, total)
    return total


def _add_zoom_of(values: Values, factor: float, total: Floats) -> None:
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    rows, row_shares = _sources(height, factor)
    columns, column_shares = _sources(width, factor)
    first = (columns[:, None] * channels + np.arange(channels)).reshape(-1)
    loops.add_zoom(
        np.ascontiguousarray(values).reshape(height, -1),
        rows,
        row_shares,
        first,
        column_shares.repeat(channels),
        channels,
        total.reshape(height, -1),
    )


def _sources(length: int, factor: float) -> tuple[Offsets, npt.NDArray[np.float32]]:
    """Along one direction: for each pixel the first of two it lies between, and the share of the second.

    Where the last pixel lies beyond the picture by a rounding error it is left out: scipy's zoom has a 0 there.
    """
    inner = int(np.ceil(length / factor))
    outer = max(round(inner * factor), 2)
    places = np.arange(length) * ((inner - 1) / (outer - 1))
    places = places[places <= inner - 1]
    first = np.minimum(places.astype(np.int64), max(inner - 2, 0))
    shares = (places - first).astype(np.float32)
    return first + (length - inner) // 2, shares
