"""Class scores of whole images, from windows as mmsegmentation lays them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from bench.spec import RunSpec

Size = tuple[int, int]
"""Height, width in pixels."""


# Pixels in one call on a CPU: 9 windows of 64 x 128 took a fifth less time than 32 (one core, eva02-mini).
_CPU_PIXELS = 9 * 64 * 128


class Layout(NamedTuple):
    """How windows cover an image; `crop` None is the whole image at once."""

    crop: Size | None
    stride: Size | None


def layout(spec: RunSpec) -> Layout:
    """The window layout of a run's track: windows of the track's size or the training crop, or the whole image."""
    return Layout(*(spec.windows() or (None, None)))


def windows(size: Size, crop: Size, stride: Size) -> list[tuple[slice, slice]]:
    """Windows (rows, columns) from the top left in steps of `stride`, the last shifted back to the border.

    An image smaller than the crop in a direction is one window there. Row by row.
    """
    rows, columns = (
        [slice(start, start + min(window, length)) for start in _starts(length, window, step)]
        for length, window, step in zip(size, crop, stride, strict=True)
    )
    return list(product(rows, columns))


def _starts(length: int, window: int, step: int) -> list[int]:
    last = max(length - window, 0)
    count = -(-last // step) + 1
    return [min(i * step, last) for i in range(count)]


@torch.inference_mode()
def predict_logits(
    logits: Callable[[Tensor], Tensor],
    images: Tensor,
    crop: Size | None = None,
    stride: Size | None = None,
    at_once: int | None = None,
) -> Tensor:
    """Class scores (B, classes, H, W) of RGB images in [0, 1], (B, 3, H, W).

    `logits` is a segmenter (or anything from images to scores of their size). The windows of all
    images are stacked, `at_once` at most in one call; overlapping scores are averaged. By default 32, on a CPU as
    many as its caches hold.
    """
    if crop is None:
        return logits(images)
    height, width = images.shape[-2:]
    places = windows((height, width), crop, stride or crop)
    if len(places) == 1:
        return logits(images)
    if at_once is None:
        at_once = max(1, _CPU_PIXELS // (crop[0] * crop[1])) if images.device.type == "cpu" else 32
    jobs = [(image, place) for image in range(len(images)) for place in places]
    total: Tensor | None = None
    cover = images.new_zeros(height, width, dtype=torch.float32)
    for rows, columns in places:
        cover[rows, columns] += 1
    for first in range(0, len(jobs), at_once):
        group = jobs[first : first + at_once]
        scores = logits(torch.stack([images[image, :, rows, columns] for image, (rows, columns) in group]))
        if total is None:
            total = scores.new_zeros(len(images), scores.shape[1], height, width, dtype=torch.float32)
        for (image, (rows, columns)), score in zip(group, scores, strict=True):
            total[image, :, rows, columns] += score
    assert total is not None
    return total / cover
