"""Common image corruptions: the 19 of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), for images of any size.

Names and strengths are those of the imagecorruptions package (Michaelis et al. 2019, arXiv 1907.07484),
with which Cityscapes-C is made, and so are their results: without chance to one grey level, with it in distribution
(tests/parity). The package's defects, each named where it is, are kept so that scores stay comparable.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.corruptions import blur, digital, noise, weather
from bench.data.corruptions.pixels import finish
from bench.errors import UnknownName, UserError
from bench.protocols.corruptions import COMMON, GROUPS

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["COMMON", "GROUPS", "NAMES", "corrupt", "corrupt_batch", "require_corruption", "seed_number"]

Image = npt.NDArray[np.uint8]
_Corruption = Callable[[Image, int, np.random.Generator], Image | npt.NDArray[np.floating]]

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
_FUNCTIONS["ice"] = weather.ice  # frost without a package; corrupt() takes it, sets of corruptions do not hold it


def corrupt(image: Image, name: str, severity: int, seed: int | str) -> Image:
    """Corrupt an RGB image (H, W, 3) or a grey one (H, W), uint8; the result is of the same form, and new.

    `severity` is 1 to 5, or 0 for an unchanged copy. The result is a function of the arguments: no thread, order,
    batch or global generator comes in. `seed` is a whole number from 0 on or the name of the image (any string), so
    that every image of a set has its own noise. Noise is the same to the byte on every platform; what OpenCV or libm
    computes in floats may differ by a level in a few pixels between kinds of CPU and versions.

    A grey image is corrupted as three equal channels, as in the package, which returns those; here it comes back as
    the luma of the result, and after noise, which differs between the channels, as the first.
    Raises UnknownName for a name that is none of the 19, and UserError for another severity, seed, type or shape.
    """
    require_corruption(name)
    require_severity(severity)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise UserError(f"a corruption wants a uint8 image, not {kind}")
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or image.size == 0:
        raise UserError(f"a corruption wants an RGB image (H, W, 3) or a grey one (H, W), not of shape {image.shape}")
    rng = np.random.default_rng((seed_number(seed), severity, zlib.crc32(name.encode())))
    if severity == 0:
        return image.copy()
    coloured = image if image.ndim == 3 else np.stack((image,) * 3, axis=-1)
    # Writeable, though nothing is written: numba would compile its loops once more for arrays that are not.
    coloured = np.require(coloured, requirements=("C", "W"))
    result = finish(_FUNCTIONS[name](coloured, severity, rng))
    if image.ndim == 3:
        return result
    return result[..., 0].copy() if name in GROUPS["noise"] else np.asarray(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY))


def corrupt_batch(images: Tensor, name: str, severity: int, seeds: Sequence[int | str]) -> Tensor:
    """Corrupt RGB images (B, 3, H, W) uint8, each with its own seed; the result is on the same device, and new.

    On a GPU those of `tensors.ON_DEVICE` are computed there, and equal `corrupt` to one grey level on 99.9% of the
    pixels; the others, and all on a CPU, where none gains, are `corrupt` image by image, to the byte. For training and
    tools: evaluation corrupts images one by one, so that a score does not depend on the device.
    Raises UnknownName and UserError as `corrupt` does, also where the number of seeds is not that of the images.
    """
    from bench.data.corruptions import tensors  # torch takes a second to import

    return tensors.corrupt_batch(images, name, severity, seeds)


def seed_number(seed: int | str) -> int:
    """A seed as a number; strings by the first 16 bytes of their SHA-256. Raises UserError for any other kind."""
    if isinstance(seed, str):
        return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "little")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise UserError(f"seed of a corruption is a whole number from 0 on or the name of an image, not {seed!r}")
    return int(seed)


def require_severity(severity: int) -> None:
    """Raise UserError unless `severity` is a whole number from 0 to 5."""
    if not isinstance(severity, int | np.integer) or severity not in range(6):
        raise UserError(f"severity of a corruption is 0 to 5, a whole number, not {severity!r}")


def require_corruption(name: str) -> None:
    """Raise UnknownName unless `name` is one of the 19, or ice, and PrerequisiteError for frost without its package."""
    if not isinstance(name, str) or name not in _FUNCTIONS:
        raise UnknownName("corruption", str(name), NAMES)
    if name == "frost":
        weather.require_photographs()
