"""Corruptions of batches on the GPU that holds the batch, for those without chance, which gain from staying there.

The others, noise above all, go through `corrupt` on the CPU, image by image: their bytes are then the same everywhere.
So do all where the batch is on a CPU: there OpenCV and compiled loops beat torch (`benchmarks/corruption_batches.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.data.corruptions import blur, corrupt, require_corruption, require_severity
from bench.errors import UserError

_Corruption = Callable[[Tensor, int], Tensor]
LEAST = 32
"""Pixels of the shorter side; below, mirrored borders are wider than the image."""


def corrupt_batch(images: Tensor, name: str, severity: int, seeds: Sequence[int | str]) -> Tensor:
    """What `bench.data.corruptions.corrupt_batch` says."""
    require_corruption(name)
    require_severity(severity)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise UserError(f"corrupt_batch wants uint8 (B, 3, H, W), not {images.dtype} of shape {tuple(images.shape)}")
    if len(seeds) != len(images):
        raise UserError(f"corrupt_batch wants a seed for each of the {len(images)} images, not {len(seeds)}")
    if severity == 0:
        return images.clone()
    if images.device.type != "cpu" and name in ON_DEVICE and min(images.shape[2:]) >= LEAST:
        with torch.no_grad():
            return ON_DEVICE[name](images, severity)
    rows = images.permute(0, 2, 3, 1).cpu().numpy()
    done = np.stack([corrupt(row, name, severity, seed) for row, seed in zip(rows, seeds, strict=True)])
    return torch.from_numpy(done).permute(0, 3, 1, 2).contiguous().to(images.device)


def brightness(images: Tensor, severity: int) -> Tensor:
    """V of HSV raised; the other channels in proportion, black becomes grey."""
    lift = 255 * (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1]
    values = images.float()
    top = values.amax(1, keepdim=True)
    lifted = (top + lift).clamp_(max=255)
    return _bytes(torch.where(top > 0, values * (lifted / top.clamp(min=1)), lifted), blur.GUARD)


def contrast(images: Tensor, severity: int) -> Tensor:
    """Differences from each channel's mean reduced."""
    gain = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    pixels = images.shape[2] * images.shape[3]
    mean = (images.sum((2, 3), keepdim=True).double() / pixels).float()
    return _bytes((images.float() - mean).mul_(gain).add_(mean), blur.GUARD)


def saturate(images: Tensor, severity: int) -> Tensor:
    """S of HSV scaled and raised; grey has hue 0, which is red."""
    gain, lift = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))[severity - 1]
    values = images.float()
    top = values.amax(1, keepdim=True)
    depth = top - values
    deepest = depth.amax(1, keepdim=True)
    wanted = (deepest / top.clamp(min=1) * gain + lift).clamp_(0, 1)
    red = torch.tensor((0.0, 1.0, 1.0), device=images.device).view(1, 3, 1, 1)
    share = torch.where(deepest > 0, depth / deepest.clamp(min=1), red)
    return _bytes(top - top * wanted * share, blur.GUARD)


def pixelate(images: Tensor, severity: int) -> Tensor:
    """Means of boxes of whole pixels, first along rows and then along columns, each rounded; enlarged by repetition."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    values = images.int()
    for axis in (3, 2):
        length = images.shape[axis]
        values = _boxes(values, axis, int(length * share))
    for axis in (3, 2):
        length, small = images.shape[axis], values.shape[axis]
        steps = np.full(length, small / length)
        steps[0] /= 2
        places = torch.from_numpy(np.cumsum(steps).astype(np.int64))  # Pillow's order of rounding decides between two
        values = values.index_select(axis, places.to(images.device))
    return values.to(torch.uint8)


def gaussian_blur(images: Tensor, severity: int) -> Tensor:
    """Along columns, then rows; edges repeated."""
    weights = torch.from_numpy(blur.gaussian_weights((1, 2, 3, 4, 6)[severity - 1])).float().to(images.device)
    weights = torch.cat((weights[1:].flip(0), weights))
    radius = len(weights) // 2
    values = images.float()
    for shape, pad in (((-1, 1), (0, 0, radius, radius)), ((1, -1), (radius, radius, 0, 0))):
        values = _filter(F.pad(values, pad, mode="replicate"), weights.view(*shape))
    return _bytes(values, blur.GUARD)


def defocus_blur(images: Tensor, severity: int) -> Tensor:
    """A disc; edges mirrored."""
    weights = torch.from_numpy(blur.disc(severity))
    reach = weights.shape[0] // 2
    values = _filter(F.pad(images.float(), (reach,) * 4, mode="reflect"), weights.to(images.device))
    return _bytes(values, -blur.GUARD if weights.double().sum() < 1 else 0.0)


ON_DEVICE: Final[dict[str, _Corruption]] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturate": saturate,
    "pixelate": pixelate,
    "gaussian_blur": gaussian_blur,
    "defocus_blur": defocus_blur,
}
"""Corruptions with a version in torch: images (B, 3, H, W) uint8 with sides of LEAST or more, severity -> images."""


def _filter(values: Tensor, weights: Tensor) -> Tensor:
    """Every channel filtered by itself, without TF32, whose 10 bits are less than a grey level takes."""
    batch, channels, height, width = values.shape
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = F.conv2d(values.reshape(batch * channels, 1, height, width), weights[None, None])
    return found.reshape(batch, channels, *found.shape[2:])


def _boxes(values: Tensor, axis: int, small: int) -> Tensor:
    """Means over boxes as Pillow takes them: of the whole pixels whose middles lie in the box, halves rounded up."""
    length = values.shape[axis]
    scale = length / small
    middles = (np.arange(small) + 0.5) * scale
    first, last = (np.floor(middles + sign * (0.5 * scale) + 0.5).astype(np.int64) for sign in (-1, 1))
    first += (first - middles + 0.5) * (1 / scale) <= -0.5  # in Pillow's order of rounding, which decides about ties
    last = np.minimum(last, length)
    last -= (last - 1 - middles + 0.5) * (1 / scale) > 0.5
    sums = F.pad(values.cumsum(axis, dtype=torch.int32), (1, 0) if axis == 3 else (0, 0, 1, 0))
    begin, end = (sums.index_select(axis, torch.from_numpy(edges).to(sums.device)) for edges in (first, last))
    shape = [1] * 4
    shape[axis] = -1
    counts = torch.from_numpy((last - first).astype(np.int32)).to(sums.device).view(shape)
    return (2 * (end - begin) + counts) // (2 * counts)


def _bytes(values: Tensor, guard: float) -> Tensor:
    """As `pixels.to_bytes`."""
    return values.add_(guard).clamp_(0, 255).to(torch.uint8)
