"""Training augmentation in Rein's order, as a pure function of (seed, sample number).

Resize, random crop, flip, photometric distortion, padding (spec: Rein, arXiv 2312.04265, and the
mmsegmentation pipeline its configuration names).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.ahead import ahead
from bench.data.labels import IGNORE
from bench.data.reader import Sample, SegmentationDataset
from bench.spec import Recipe

Image = npt.NDArray[np.uint8]

# The published pipeline pads with 0 after normalisation, which is the ImageNet mean before it.
PAD_COLOUR = (124, 116, 104)
_CROP_TRIES = 10
_BRIGHTNESS = 32.0
_GAIN = (0.5, 1.5)
_HUE = 18  # of OpenCV's 180 hue steps, as mmsegmentation counts them


class Batch(NamedTuple):
    """One training step's input."""

    images: Image
    """(B, 3, H, W) RGB."""
    labels: Image
    """(B, H, W) train ids, 255 ignored."""


def train_transform(sample: Sample, recipe: Recipe, rng: np.random.Generator) -> tuple[Image, Image]:
    """Augment one sample: (3, h, w) uint8 RGB and (h, w) label of the recipe's crop size.

    Images smaller than the crop are padded at the right and the bottom (label 255).
    """
    image, label = _resize(sample.image, sample.label, recipe, rng)
    image, label = _crop(image, label, recipe, rng)
    if rng.random() < recipe.flip:
        image, label = image[:, ::-1], label[:, ::-1]
    if recipe.photometric:
        image = photometric(image, rng)
    image, label = _pad(image, label, recipe.crop)
    return np.ascontiguousarray(image.transpose(2, 0, 1)), np.ascontiguousarray(label)


def photometric(image: Image, rng: np.random.Generator) -> Image:
    """Photometric distortion of a (H, W, 3) RGB image; each part with probability 0.5.

    Brightness +-32; contrast 0.5 to 1.5, before or after colour by a coin; saturation 0.5 to 1.5;
    hue +-18 steps of OpenCV's 180. Rounded towards zero and clipped to 0..255 after each part.
    """
    if rng.random() < 0.5:
        image = _scaled(image, 1.0, rng.uniform(-_BRIGHTNESS, _BRIGHTNESS))
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        image = _scaled(image, rng.uniform(*_GAIN), 0.0)
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 1] = _scaled(_as_image(hsv[..., 1]), rng.uniform(*_GAIN), 0.0)
        image = _as_image(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(rng.integers(-_HUE, _HUE))) % 180
        image = _as_image(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    if not contrast_first and rng.random() < 0.5:
        image = _scaled(image, rng.uniform(*_GAIN), 0.0)
    return image


class TrainStream:
    """An endless, shuffled, augmented stream over a data set.

    Item k is a pure function of (seed, k): the same whatever was asked before, so a run that
    resumes at any step sees what an uninterrupted one sees.
    """

    def __init__(self, dataset: SegmentationDataset, recipe: Recipe, seed: int) -> None:
        self.dataset, self.recipe, self.seed = dataset, recipe, seed
        self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def index(self, item: int) -> int:
        """Which sample item k shows: every epoch is a fresh permutation of the data set."""
        epoch, place = divmod(item, len(self.dataset))
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng((self.seed, 1, epoch)).permutation(len(self.dataset))
            self._order = (epoch, order)
        return int(order[place])

    def item(self, item: int) -> tuple[Image, Image]:
        """The augmented image (3, h, w) and label (h, w) number k."""
        rng = np.random.default_rng((self.seed, 2, item))
        return train_transform(self.dataset[self.index(item)], self.recipe, rng)

    def batch(self, step: int) -> Batch:
        """Batch of training step `step`."""
        size = self.recipe.batch_size
        items = [self.item(step * size + i) for i in range(size)]
        return Batch(np.stack([image for image, _ in items]), np.stack([label for _, label in items]))

    def samples(self, start: int, stop: int) -> list[int]:
        """The different samples that steps start..stop-1 show, in the order of their first use."""
        size = self.recipe.batch_size
        return list(dict.fromkeys(self.index(item) for item in range(start * size, stop * size)))

    def batches(
        self, start: int, stop: int, depth: int = 4, made: Callable[[], object] = lambda: None
    ) -> Generator[Batch, None, None]:
        """Batches of steps start..stop-1, made by a thread that runs up to `depth` steps ahead.

        All samples are made first, in all threads, `made` called after each: beside training, which waits for its
        slowest thread at every operation, the same work costs more (250 steps of `streets`: 61 s instead of 56).
        """
        try:
            coming = self.samples(start, stop)
            self.dataset.prefetch(coming)
            for index in coming:
                self.dataset[index]
                made()
            yield from ahead(self.batch, range(start, stop), threads=1, depth=depth)
        finally:
            self.dataset.cancel()


def _resize(image: Image, label: Image, recipe: Recipe, rng: np.random.Generator) -> tuple[Image, Image]:
    height, width = image.shape[:2]
    edge = recipe.short_edges[int(rng.integers(len(recipe.short_edges)))]
    scale = min(edge / min(height, width), recipe.long_edge_max / max(height, width))
    size = (max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))
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
        if np.count_nonzero(counts) > 1 and counts.max() < recipe.cat_max_ratio * counts.sum():
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
    """gain * values + offset, rounded towards zero, in 0..255; by table, as there are only 256 values."""
    table = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
    return _as_image(table[values])


def _as_image(array: npt.NDArray[np.generic]) -> Image:
    return np.asarray(array, dtype=np.uint8)
