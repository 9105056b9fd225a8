"""Digital: every function takes an RGB image (H, W, 3) uint8 and gives floats in about 0..255."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


def contrast(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Differences from each channel's mean reduced to 40 to 5%."""
    gain = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    values = image.astype(np.float32)
    mean = values.mean(axis=(0, 1), keepdims=True)
    return np.asarray((values - mean) * gain + mean, np.float32)


def brightness(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """The V of HSV raised by 10 to 50%; hue and saturation stay, so RGB scales with V."""
    lift = 255 * (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1]
    values = image.astype(np.float32)
    top = values.max(axis=2, keepdims=True)
    lifted = np.minimum(top + lift, 255)
    return np.asarray(np.where(top > 0, values * (lifted / np.maximum(top, 1)), lifted), np.float32)


def saturate(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """The S of HSV scaled (0.3, 0.1, 2, 5, 20) and raised (0 to 0.2); greys have hue 0, which is red."""
    gain, lift = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))[severity - 1]
    values = image.astype(np.float32)
    top = values.max(axis=2, keepdims=True)
    depth = top - values  # of each channel below the strongest: V * S at the weakest
    saturation = depth.max(axis=2, keepdims=True) / np.maximum(top, 1)
    wanted = np.clip(saturation * gain + lift, 0, 1)
    red = top * np.array((0, 1, 1), np.float32) * wanted
    below = np.where(saturation > 0, depth * (wanted / np.maximum(saturation, 1e-6)), red)
    return np.asarray(top - below, np.float32)


def jpeg_compression(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """JPEG of quality 25 to 7."""
    quality = (25, 18, 15, 10, 7)[severity - 1]
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32)[..., ::-1]


def pixelate(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Shrunk to 60 to 25% by area, enlarged by repetition."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = image.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_NEAREST), np.float32)


def elastic_transform(image: Image, severity: int, rng: np.random.Generator) -> Floats:
    """Each pixel taken from a place displaced by smooth random fields."""
    strength = 250 * (0.05, 0.065, 0.085, 0.1, 0.12)[severity - 1]
    height, width = image.shape[:2]
    reach = 0.005 * height
    fields = []
    for _ in range(2):
        field = rng.uniform(-reach, reach, (height, width)).astype(np.float32)
        sigma_y, sigma_x = 0.01 * height, 0.01 * width
        size = (2 * int(3 * sigma_x + 0.5) + 1, 2 * int(3 * sigma_y + 0.5) + 1)
        smoothed = cv2.GaussianBlur(field, size, sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
        fields.append(smoothed * np.float32(strength))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    moved = cv2.remap(
        image.astype(np.float32),
        columns + fields[0],
        rows + fields[1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(moved, np.float32)
