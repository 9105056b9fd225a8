"""Training augmentation in Rein's order, as a pure function of (seed, sample number).

Resize, random crop, flip, photometric distortion, padding (spec: Rein, arXiv 2312.04265, and the
mmsegmentation pipeline its configuration names).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.labels import IGNORE
from bench.data.reader import Sample
from bench.spec import Jitter, Recipe

Image = npt.NDArray[np.uint8]

# The published pipeline pads with 0 after normalisation, which is the ImageNet mean before it.
PAD_COLOUR = (124, 116, 104)
_CROP_TRIES = 10
_BRIGHTNESS = 32.0
_GAIN = (0.5, 1.5)
_HUE = 18  # of OpenCV's 180 hue steps, as mmsegmentation counts them
_LEVELS = np.arange(256, dtype=np.uint8)


def train_transform(sample: Sample, recipe: Recipe, rng: np.random.Generator) -> tuple[Image, Image]:
    """Augment one sample: (3, h, w) uint8 RGB and (h, w) label of the recipe's crop size.

    Images smaller than the crop are padded at the right and the bottom (label 255).
    """
    image, label = _resize(sample.image, sample.label, recipe, rng)
    image, label = _crop(image, label, recipe, rng)
    if rng.random() < recipe.flip:
        image, label = _as_image(cv2.flip(image, 1)), _as_image(cv2.flip(label, 1))
    if recipe.photometric:
        image = photometric(image, rng)
    image, label = _pad(image, label, recipe.crop)
    return np.ascontiguousarray(image.transpose(2, 0, 1)), np.ascontiguousarray(label)


def generated_transform(image: Image, recipe: Recipe, rng: np.random.Generator) -> tuple[Image, Image]:
    """Two views (3, h, w) of a generated (H, W, 3) image, of the recipe's crop size: the student's and the clean one.

    The same place and flip; the student's has photometric distortion besides (CLOUDS, arXiv 2312.09788, whose images
    are of the crop's size). An image that is smaller than the crop is enlarged until it covers it.
    """
    height, width = recipe.crop
    scale = max(height / image.shape[0], width / image.shape[1])
    if scale > 1:
        size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
        image = _as_image(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))
    top = int(rng.integers(image.shape[0] - height + 1))
    left = int(rng.integers(image.shape[1] - width + 1))
    clean = image[top : top + height, left : left + width]
    if rng.random() < recipe.flip:
        clean = _as_image(cv2.flip(clean, 1))
    student = photometric(clean, rng) if recipe.photometric else clean
    views = (np.ascontiguousarray(view.transpose(2, 0, 1)) for view in (student, clean))
    return next(views), next(views)


def photometric(image: Image, rng: np.random.Generator) -> Image:
    """Photometric distortion of a (H, W, 3) RGB image; each part with probability 0.5.

    Brightness +-32; contrast 0.5 to 1.5, before or after colour by a coin; saturation 0.5 to 1.5;
    hue +-18 steps of OpenCV's 180. Rounded towards zero and clipped to 0..255 after each part.
    mmsegmentation's PhotoMetricDistortion multiplies in 32 bits: one gain in a thousand moves some values by one there.
    """
    if rng.random() < 0.5:
        image = _scaled(image, 1.0, rng.uniform(-_BRIGHTNESS, _BRIGHTNESS))
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        image = _scaled(image, rng.uniform(*_GAIN), 0.0)
    if rng.random() < 0.5:
        hsv = _as_image(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        hsv = _looked_up(hsv, (_LEVELS, _gained(rng.uniform(*_GAIN), 0.0), _LEVELS))
        image = _as_image(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    if rng.random() < 0.5:
        hsv = _as_image(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        turned = ((_LEVELS.astype(np.int16) + int(rng.integers(-_HUE, _HUE))) % 180).astype(np.uint8)
        hsv = _looked_up(hsv, (turned, _LEVELS, _LEVELS))
        image = _as_image(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    if not contrast_first and rng.random() < 0.5:
        image = _scaled(image, rng.uniform(*_GAIN), 0.0)
    return image


def target_size(height: int, width: int, edge: int, longest: int) -> tuple[int, int]:
    """Width and height, in pixels, of a picture brought to a short edge of `edge`, the long one at most `longest`.

    Rounded twice, as mmsegmentation's ResizeShortestEdge does: to a box, then to the largest picture of the old aspect
    ratio within it. Of pictures wider than 2:1 at the limit this may take a pixel off the long edge.
    """
    scale = edge / min(height, width)
    long = scale * max(height, width)
    limit = longest / long if long > longest else 1.0
    box = max(1, int(edge * limit + 0.5)), int(long * limit + 0.5)
    scale = min(box[1] / max(height, width), box[0] / min(height, width))
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


def jittered_size(height: int, width: int, jitter: Jitter, factor: float) -> tuple[int, int]:
    """Width and height, in pixels, of a picture that fits into the jitter's size times `factor`, aspect ratio kept.

    As detectron2's ResizeScale, with which CLOUDS trains; that draws and rounds so, but resizes with Pillow.
    """
    scale = min(factor * jitter.size[0] / height, factor * jitter.size[1] / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resize(image: Image, label: Image, recipe: Recipe, rng: np.random.Generator) -> tuple[Image, Image]:
    height, width = image.shape[:2]
    if recipe.jitter is not None:
        size = jittered_size(height, width, recipe.jitter, rng.uniform(recipe.jitter.low, recipe.jitter.high))
    else:
        edge = recipe.short_edges[int(rng.integers(len(recipe.short_edges)))]
        size = target_size(height, width, edge, recipe.long_edge_max)
    if size == (width, height):
        return image, label
    resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return _as_image(resized), _as_image(cv2.resize(label, size, interpolation=cv2.INTER_NEAREST))


def _crop(image: Image, label: Image, recipe: Recipe, rng: np.random.Generator) -> tuple[Image, Image]:
    """A random window, drawn again up to 10 times while one class covers too much of what is labelled."""
    height, width = recipe.crop
    for _ in range(_CROP_TRIES + 1):
        top = int(rng.integers(max(label.shape[0] - height, 0) + 1))
        left = int(rng.integers(max(label.shape[1] - width, 0) + 1))
        window = np.s_[top : top + height, left : left + width]
        if recipe.cat_max_ratio >= 1:
            break
        counts = np.bincount(label[window].ravel(), minlength=IGNORE + 1)[:IGNORE]
        if np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < recipe.cat_max_ratio:
            break
    return image[window], label[window]


def _pad(image: Image, label: Image, crop: tuple[int, int]) -> tuple[Image, Image]:
    height, width = label.shape
    if (height, width) == tuple(crop):
        return image, label
    canvas = np.empty((*crop, 3), np.uint8)
    canvas[...] = PAD_COLOUR
    ids = np.full(crop, IGNORE, np.uint8)
    canvas[:height, :width], ids[:height, :width] = image, label
    return canvas, ids


def _scaled(values: Image, gain: float, offset: float) -> Image:
    """gain * values + offset, rounded towards zero, in 0..255."""
    return _looked_up(values, (_gained(gain, offset),))


def _gained(gain: float, offset: float) -> Image:
    """What becomes of each of the 256 values."""
    return np.clip(_LEVELS * gain + offset, 0, 255).astype(np.uint8)


def _looked_up(image: Image, tables: tuple[Image, ...]) -> Image:
    """Every value of a picture replaced by that of the one table, or of its channel's."""
    return _as_image(cv2.LUT(image, np.stack(tables, axis=-1).reshape(1, 256, -1)))


def _as_image(array: npt.NDArray[np.generic]) -> Image:
    return np.asarray(array, dtype=np.uint8)
