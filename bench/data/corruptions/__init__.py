"""Common image corruptions: the 19 of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), for images of any size.

Names and strengths are those of the imagecorruptions package (Michaelis et al. 2019, arXiv 1907.07484),
with which Cityscapes-C is made; random numbers are drawn otherwise, so single pixels differ.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.data.corruptions import blur, digital, noise, weather
from bench.errors import UnknownName, UserError

Image = npt.NDArray[np.uint8]
_Corruption = Callable[[Image, int, np.random.Generator], npt.NDArray[np.floating]]

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "gaussian_blur"),
    "weather": ("snow", "spatter", "fog", "frost"),
    "digital": ("brightness", "contrast", "saturate", "jpeg_compression"),
}
COMMON: Final = tuple(name for group in GROUPS.values() for name in group)
"""The 16 of Cityscapes-C, four groups of four."""

_FUNCTIONS: Final[dict[str, _Corruption]] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "speckle_noise": noise.speckle_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "gaussian_blur": blur.gaussian_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "spatter": weather.spatter,
    "fog": weather.fog,
    "frost": weather.frost,
    "brightness": digital.brightness,
    "contrast": digital.contrast,
    "saturate": digital.saturate,
    "jpeg_compression": digital.jpeg_compression,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
}
NAMES: Final = tuple(_FUNCTIONS)
"""All 19."""


def corrupt(image: Image, name: str, severity: int, seed: int) -> Image:
    """Corrupt an RGB image (H, W, 3) uint8; the result is of the same form and a function of the arguments.

    `severity` is 1 to 5, or 0 for an unchanged copy. Raises UnknownName for a name that is none of
    the 19, and UserError for another severity, type or shape.
    """
    require_corruption(name)
    if severity not in range(6):
        raise UserError(f"severity of a corruption is 0 to 5, not {severity!r}")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise UserError(f"a corruption wants a uint8 image, not {kind}")
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise UserError(f"a corruption wants an RGB image (H, W, 3), not of shape {image.shape}")
    if severity == 0:
        return image.copy()
    rng = np.random.default_rng((seed, severity, zlib.crc32(name.encode())))
    values = _FUNCTIONS[name](np.ascontiguousarray(image), severity, rng)
    return np.clip(values, 0, 255).astype(np.uint8)  # rounds towards zero, as the package does


def require_corruption(name: str) -> None:
    """Raise UnknownName unless `name` is one of the 19."""
    if name not in _FUNCTIONS:
        raise UnknownName("corruption", name, NAMES)
