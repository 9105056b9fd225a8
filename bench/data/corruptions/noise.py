"""Noise: every function takes an RGB image (H, W, 3) uint8 and gives floats in about 0..255."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


def gaussian_noise(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Independent normal noise, standard deviation 8 to 38% of the range."""
    scale = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return image + rng.standard_normal(image.shape, dtype=np.float32) * (255 * scale)


def shot_noise(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Poisson noise of a sensor that catches 60 to 3 photons in a white pixel."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return rng.poisson(image * (photons / 255)) * (255 / photons)


def impulse_noise(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Salt and pepper on 3 to 27% of the values, each channel on its own."""
    amount = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    draw = rng.random(image.shape, dtype=np.float32)
    noisy = image.astype(np.float32)
    noisy[draw < amount] = 0
    noisy[draw < amount / 2] = 255
    return noisy


def speckle_noise(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Normal noise in proportion to the value."""
    scale = (0.15, 0.2, 0.35, 0.45, 0.6)[severity - 1]
    return image * (1 + rng.standard_normal(image.shape, dtype=np.float32) * scale)
