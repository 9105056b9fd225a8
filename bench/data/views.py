"""The sizes at which a target's images are shown to the model and scored."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

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
    """The sample at half its size, rounded down: image bicubic, label and mask nearest, both as Pillow has them.

    So does Rein's published code, and then saves the image as a JPEG of quality 75; here nothing is lost. Pillow's
    bicubic looks at all pixels that become one, OpenCV's at four by four; their nearest pixels are others, too.
    """
    height, width = (max(1, side // 2) for side in sample.label.shape)

    def halved(array: npt.NDArray[np.uint8], how: Image.Resampling) -> npt.NDArray[np.uint8]:
        return np.asarray(Image.fromarray(array).resize((width, height), how), dtype=np.uint8)

    label, mask = halved(sample.label, Image.Resampling.NEAREST), sample.anomaly
    if mask is not None:
        mask = halved(mask, Image.Resampling.NEAREST)
    return Sample(halved(sample.image, Image.Resampling.BICUBIC), label, sample.name, mask)


def show(sample: Sample, view: View) -> Sample:
    """The sample as the model sees it: the image at the size shown, label and mask at the size they are scored at.

    Halving is not done here: a data set is opened halved (`open_dataset`).
    """
    height, width = sample.image.shape[:2]
    size, label, mask = shown_size((height, width), view), sample.label, sample.anomaly
    if view.scored == "shown":
        label = _resized(label, size, cv2.INTER_NEAREST)
        mask = None if mask is None else _resized(mask, size, cv2.INTER_NEAREST)
    return Sample(_resized(sample.image, size, cv2.INTER_LINEAR), label, sample.name, mask)


def _resized(array: npt.NDArray[np.uint8], size: Size, interpolation: int) -> npt.NDArray[np.uint8]:
    if array.shape[:2] == size:
        return array
    return np.asarray(cv2.resize(array, size[::-1], interpolation=interpolation), dtype=np.uint8)
