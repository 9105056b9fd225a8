"""The sizes at which a target's images are shown to the model and scored."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.reader import Sample
from bench.spec import View

Size = tuple[int, int]
"""Height, width in pixels."""


def shown_size(size: Size, view: View) -> Size:
    """The size at which an image of `size` (halved before, if the view says so) is shown to the model."""
    height, width = size
    if view.fit is not None:
        # As mmcv's `imrescale`: the long edge within the long one, the short edge within the short one.
        scale = min(max(view.fit) / max(size), min(view.fit) / min(size))
    elif view.short_edge is not None:
        scale = view.short_edge / min(size)
    else:
        return size
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def half(sample: Sample) -> Sample:
    """The sample at half its size, rounded down: image bicubic, label and mask nearest."""
    height, width = (max(1, side // 2) for side in sample.label.shape)
    size, mask = (height, width), sample.anomaly
    image = _resized(sample.image, size, cv2.INTER_CUBIC)
    label = _resized(sample.label, size, cv2.INTER_NEAREST)
    return Sample(image, label, sample.name, None if mask is None else _resized(mask, size, cv2.INTER_NEAREST))


def show(sample: Sample, view: View) -> Sample:
    """The sample as the model sees it: the image at the size shown, label and mask at the size they are scored at.

    Halving is not done here: a data set is opened halved (`open_dataset`).
    """
    height, width = sample.label.shape
    size, label, mask = shown_size((height, width), view), sample.label, sample.anomaly
    if view.scored == "shown":
        label = _resized(label, size, cv2.INTER_NEAREST)
        mask = None if mask is None else _resized(mask, size, cv2.INTER_NEAREST)
    return Sample(_resized(sample.image, size, cv2.INTER_LINEAR), label, sample.name, mask)


def _resized(array: npt.NDArray[np.uint8], size: Size, interpolation: int) -> npt.NDArray[np.uint8]:
    if array.shape[:2] == size:
        return array
    return np.asarray(cv2.resize(array, size[::-1], interpolation=interpolation), dtype=np.uint8)
