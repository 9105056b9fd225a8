"""Blur: every function takes an RGB image (H, W, 3) uint8 and gives floats in about 0..255."""

from __future__ import annotations

import cv2
import numba
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


def gaussian_blur(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Gaussian of 1 to 6 pixels."""
    return smooth(image.astype(np.float32), (1, 2, 3, 4, 6)[severity - 1])


def defocus_blur(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """A disc of radius 3 to 10 pixels, its rim softened."""
    radius, rim = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    reach = max(8, radius)  # room for the rim to spread into
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.float32)
    size = 3 if radius <= 8 else 5
    kernel = cv2.GaussianBlur(disc / disc.sum(), (size, size), rim)
    return _floats(cv2.filter2D(image.astype(np.float32), -1, kernel))


def glass_blur(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Blur, move pixels about within 1 to 4 pixels, blur."""
    sigma, reach, rounds = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[severity - 1]
    pixels = smooth(image.astype(np.float32), sigma).astype(np.uint8)
    for _ in range(rounds):
        moves = rng.integers(-reach, reach, size=(*image.shape[:2], 2), dtype=np.int8)
        _displace(pixels, moves, reach)
    return smooth(pixels.astype(np.float32), sigma)


def motion_blur(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """A fading trail of 21 to 41 pixels, within 45 degrees of the horizontal."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    return trail(image.astype(np.float32), radius, sigma, rng.uniform(-45, 45))


def zoom_blur(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """The mean of the image and its zooms by up to 1.10 to 1.33."""
    stop, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    factors = np.arange(1, stop, step)
    source = image.astype(np.float32)
    total = source.copy()
    for factor in factors:
        total += zoom(source, float(factor))
    return _floats(total / (len(factors) + 1))


def smooth(values: Floats, sigma: float) -> Floats:
    """Gaussian of `sigma` pixels, cut at 4 sigma, edges repeated; (H, W) or (H, W, C) float32."""
    size = 2 * int(4 * sigma + 0.5) + 1
    return _floats(cv2.GaussianBlur(values, (size, size), sigma, borderType=cv2.BORDER_REPLICATE))


def trail(values: Floats, radius: int, sigma: float, angle: float) -> Floats:
    """Motion blur: 2 radius + 1 copies along `angle` (degrees), each a pixel further, edges repeated.

    The weights fall as a Gaussian of `sigma` pixels. (H, W) or (H, W, C) float32.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    rows = -np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(int)
    columns = -np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(int)
    # Copies move by (rows, columns): a pixel is the sum of those it would come from.
    top, left = int(-rows.max()), int(-columns.max())
    kernel = np.zeros((int(-rows.min()) - top + 1, int(-columns.min()) - left + 1), np.float32)
    np.add.at(kernel, (-rows - top, -columns - left), weights / weights.sum())
    anchor = (-left, -top)  # the copy that does not move lies in the kernel, as step 0 is (0, 0)
    return _floats(cv2.filter2D(values, -1, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE))


def zoom(values: Floats, factor: float) -> Floats:
    """The middle of the picture enlarged by `factor` to its full size, bilinear; float32."""
    height, width = values.shape[:2]
    rows, columns = _zoomed(height, factor), _zoomed(width, factor)
    matrix = np.array([[columns[1], 0, columns[0]], [0, rows[1], rows[0]]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return _floats(cv2.warpAffine(values, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _zoomed(length: int, factor: float) -> tuple[float, float]:
    """First source coordinate and step along one direction."""
    inner = int(np.ceil(length / factor))
    outer = max(round(inner * factor), 2)
    return float((length - inner) // 2), (inner - 1) / (outer - 1)


@numba.njit(cache=True, nogil=True)
def _displace(pixels: Image, moves: npt.NDArray[np.int8], reach: int) -> None:
    """Overwrite each pixel by a near one, from the bottom right on, so that some travel further.

    The package means to swap the two; as both sides are views of one array, it copies.
    """
    height, width = pixels.shape[:2]
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            from_row = row + moves[row, column, 0]
            from_column = column + moves[row, column, 1]
            for channel in range(3):
                pixels[row, column, channel] = pixels[from_row, from_column, channel]


def _floats(array: npt.NDArray[np.generic]) -> Floats:
    return np.asarray(array, dtype=np.float32)
