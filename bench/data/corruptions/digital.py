"""Digital: every function takes an RGB image (H, W, 3) uint8 and gives one, cut to 0..255, fractions dropped.

As imagecorruptions 1.1.2 does it, to the bit (tests/parity/test_corruptions_digital.py): `jpeg_compression` and
`pixelate` because the same Pillow writes and shrinks. Only `elastic_transform` draws: equal pictures from equal draws.
"""

from __future__ import annotations

import io

import cv2
import numba
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

Image = npt.NDArray[np.uint8]
Layer = npt.NDArray[np.float32]
"""(H, W) or a stack of them."""


def contrast(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Differences from each channel's mean reduced to 40 to 5%."""
    gain = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    mean = np.array(cv2.sumElems(image)[:3]) / (image.shape[0] * image.shape[1] * 255)
    table = np.clip((np.arange(256)[:, None] / 255 - mean) * gain + mean, 0, 1) * 255
    return np.asarray(cv2.LUT(image, table.astype(np.uint8)[None]), np.uint8)


def brightness(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The V of HSV raised by 10 to 50% of the range; hue and saturation stay."""
    return _with_hsv(image, 1.0, 0.0, (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1])


def saturate(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The S of HSV scaled (0.3, 0.1, 2, 5, 20) and raised (0 to 0.2).

    A defect that is kept: greys have hue 0, so at severities 4 and 5 they turn red.
    """
    gain, lift = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))[severity - 1]
    return _with_hsv(image, gain, lift, 0.0)


def jpeg_compression(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """JPEG of quality 25 to 7, colour at half the resolution, as Pillow writes it; OpenCV reads it, faster."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=(25, 18, 15, 10, 7)[severity - 1])
    return np.asarray(cv2.imdecode(np.frombuffer(file.getbuffer(), np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def pixelate(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Shrunk to 60 to 25% by area, enlarged by repetition."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = image.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    shrunk = Pillow.fromarray(image).resize(small, Pillow.Resampling.BOX)
    return np.asarray(shrunk.resize((width, height), Pillow.Resampling.NEAREST), np.uint8)


def elastic_transform(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Each pixel taken from a place displaced by smooth random fields."""
    return warp(image, displacement(rng.random((2, *image.shape[:2]), np.float32), severity))


def displacement(draws: npt.NDArray[np.floating], severity: int) -> Layer:
    """How far (2, H, W) to the right and down, in pixels, each pixel is taken from; `draws` (2, H, W) in [0, 1).

    Unlike ImageNet-C's, the package's transform has no affine part. A defect that is kept: both directions are drawn
    within 0.5% of the height, but smoothed over 1% of the height and the width, so that wide images bend less.
    """
    strength = 250 * (0.05, 0.065, 0.085, 0.1, 0.12)[severity - 1]
    height, width = draws.shape[1:]
    sigmas = (0.01 * height, 0.01 * width)
    rows, columns = (2 * int(3 * sigma + 0.5) + 1 for sigma in sigmas)
    reach = 0.005 * height * strength
    fields = np.empty(draws.shape, np.float32)
    for field, draw in zip(fields, draws, strict=True):
        centred = np.subtract(draw, 0.5, dtype=np.float32)
        cv2.GaussianBlur(centred, (columns, rows), sigmas[1], field, sigmas[0], cv2.BORDER_REFLECT)
    fields *= np.float32(2 * reach)
    return fields


def warp(image: Image, moves: Layer) -> Image:
    """The image sampled (bilinear, mirrored at its edges) where `moves` (2, H, W) says: to the right, and down."""
    out = np.empty_like(image)
    _warp(image, moves[0], moves[1], out)
    return out


@numba.njit(cache=True, nogil=True)
def _warp(image: Image, right: Layer, down: Layer, out: Image) -> None:
    height, width = right.shape
    for i in range(height):
        for j in range(width):
            row, column = np.floor(down[i, j]), np.floor(right[i, j])
            below, beside = down[i, j] - row, right[i, j] - column  # 0..1 between two rows, two columns
            top, left = i + int(row), j + int(column)
            bottom, far = _mirrored(top + 1, height), _mirrored(left + 1, width)
            top, left = _mirrored(top, height), _mirrored(left, width)
            for c in range(3):
                # Differences first: where the image is flat it stays exactly what it is.
                one, other = np.float32(image[top, left, c]), np.float32(image[bottom, left, c])
                one += beside * (np.float32(image[top, far, c]) - one)
                other += beside * (np.float32(image[bottom, far, c]) - other)
                out[i, j, c] = np.uint8(one + below * (other - one))


@numba.njit(cache=True, nogil=True)
def _mirrored(place: int, length: int) -> int:
    """Where a place outside 0..length - 1 falls when edges are mirrors: -1 is 0, -2 is 1."""
    while place < 0 or place >= length:
        place = -1 - place if place < 0 else 2 * length - 1 - place
    return place


def _with_hsv(image: Image, gain: float, lift: float, light: float) -> Image:
    """The image with saturation * gain + lift and value + light, both cut to 0..1."""
    out = np.empty_like(image)
    _hsv(image, gain, lift, light, out)
    return out


@numba.njit(cache=True, nogil=True)
def _hsv(image: Image, gain: float, lift: float, light: float, out: Image) -> None:
    """To HSV and back, operation by operation as scikit-image's float64 does it, so that fractions drop alike."""
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            red, green, blue = image[i, j, 0] / 255.0, image[i, j, 1] / 255.0, image[i, j, 2] / 255.0
            value = max(red, green, blue)
            delta = value - min(red, green, blue)
            hue, saturation = 0.0, 0.0
            if delta > 0.0:
                saturation = delta / value
                if blue == value:
                    hue = (4.0 + (red - green) / delta) / 6.0
                elif green == value:
                    hue = (2.0 + (blue - red) / delta) / 6.0
                else:
                    hue = (green - blue) / delta / 6.0
                if hue < 0.0:
                    hue += 1.0
            saturation = min(max(saturation * gain + lift, 0.0), 1.0)
            value = min(value + light, 1.0)
            sector = np.floor(hue * 6.0)
            rest = hue * 6.0 - sector
            low = value * (1.0 - saturation)
            falling = value * (1.0 - rest * saturation)
            rising = value * (1.0 - (1.0 - rest) * saturation)
            k = int(sector) % 6
            if k == 0:
                red, green, blue = value, rising, low
            elif k == 1:
                red, green, blue = falling, value, low
            elif k == 2:
                red, green, blue = low, value, rising
            elif k == 3:
                red, green, blue = low, falling, value
            elif k == 4:
                red, green, blue = rising, low, value
            else:
                red, green, blue = value, low, falling
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = np.uint8(red * 255), np.uint8(green * 255), np.uint8(blue * 255)
