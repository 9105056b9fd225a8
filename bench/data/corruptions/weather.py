"""Weather: every function takes an RGB image (H, W, 3) uint8 and gives floats in about 0..255."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.corruptions.blur import smooth, trail, zoom

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

_WATER = np.array((175, 238, 238), np.float32)
_MUD = np.array((63, 42, 20), np.float32)


def snow(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """A whitened picture under streaks of flakes that fall in two directions."""
    mean, spread, size, least, radius, sigma, kept = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity - 1]
    flakes = zoom(_normal(image.shape[:2], mean, spread, rng), size)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1).astype(np.float32)
    flakes = trail(flakes, radius, sigma, rng.uniform(-135, -45))
    picture = image.astype(np.float32) / 255
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    white = kept * picture + (1 - kept) * np.maximum(picture, grey * 1.5 + 0.5)
    return np.asarray(255 * (white + (flakes + flakes[::-1, ::-1])[..., None]), np.float32)


def fog(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Fractal fog over the picture, the sum scaled to the picture's own maximum."""
    density, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity - 1]
    height, width = image.shape[:2]
    layer = plasma(max(height, width), decay, rng)[:height, :width]
    picture = image.astype(np.float32) / 255
    most = float(picture.max())
    return np.asarray(255 * (picture + density * layer[..., None]) * (most / (most + density)), np.float32)


def frost(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """The darkened picture plus ice on the lens.

    The ice is procedural (the published corruption takes it from five photographs, which are not
    shipped): ridges of a fractal, denser away from the middle, with the brightness (mean 0.45 to 0.8
    of the range) and the bluish tint of those photographs.
    """
    kept, ice = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    height, width = image.shape[:2]
    coarse = plasma(max(height, width), 2.0, rng)[:height, :width]
    fine = plasma(max(height, width), 1.5, rng)[:height, :width]
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    ridges = (1 - np.abs(2 * fine - 1)) ** 3
    crystals = 0.5 * coarse + 0.35 * ridges + 0.15 * np.sqrt(rows**2 + columns**2)
    amount = np.clip(crystals - crystals.mean() + rng.uniform(0.45, 0.8), 0, 1)
    tint = np.array((0.9, 1.0, 1.05), np.float32)
    return np.asarray(kept * image.astype(np.float32) + ice * 255 * amount[..., None] * tint, np.float32)


def spatter(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Drops of water on the lens; from severity 4 on, mud."""
    mean, spread, sigma, least, strength, mud = (
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    )[severity - 1]
    liquid = smooth(_normal(image.shape[:2], mean, spread, rng), sigma)
    picture = image.astype(np.float32)
    if mud:
        mask = smooth((liquid > least).astype(np.float32), strength)
        mask = np.where(mask < 0.8, 0, mask)[..., None]
        return np.asarray(picture * (1 - mask) + _MUD * mask, np.float32)
    mask = _drops(np.where(liquid < least, 0, liquid))[..., None]
    return np.asarray(picture + strength * mask * _WATER, np.float32)


def plasma(least: int, decay: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A fractal height map in 0..1, square, of the power of two not below `least` (diamond-square).

    It wraps around; the noise of each level is smaller by decay squared.
    """
    size = 1 << max(least - 1, 1).bit_length()
    grid = np.zeros((size, size))
    step, noise = size, 100.0**2
    while step >= 2:
        half = step // 2
        corner = grid[::step, ::step]
        amplitude = rng.uniform(-noise, noise, (3, *corner.shape))
        right, below = np.roll(corner, -1, axis=1), np.roll(corner, -1, axis=0)
        middle = (corner + right + below + np.roll(below, -1, axis=1)) / 4 + amplitude[0]
        grid[half::step, half::step] = middle
        grid[::step, half::step] = (corner + right + middle + np.roll(middle, 1, axis=0)) / 4 + amplitude[1]
        grid[half::step, ::step] = (corner + below + middle + np.roll(middle, 1, axis=1)) / 4 + amplitude[2]
        step, noise = half, noise / decay**2
    grid -= grid.min()
    return np.asarray(grid / max(float(grid.max()), 1e-12), np.float32)


def _drops(liquid: Floats) -> Floats:
    """Drops shaded by the distance to their outlines, lit from one side, (H, W) in 0..1."""
    body = (np.clip(liquid, 0, 1) * 255).astype(np.uint8)
    outside = 255 - cv2.Canny(body, 50, 150)
    distance = np.minimum(cv2.distanceTransform(outside, cv2.DIST_L2, 5), 20)
    level = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    light = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    shade = cv2.blur(cv2.filter2D(level, cv2.CV_8U, light), (3, 3)).astype(np.float32)
    drops = body * shade
    return np.asarray(drops / max(float(drops.max()), 1.0), np.float32)


def _normal(shape: tuple[int, ...], mean: float, spread: float, rng: np.random.Generator) -> Floats:
    return np.asarray(mean + spread * rng.standard_normal(shape, dtype=np.float32), np.float32)
