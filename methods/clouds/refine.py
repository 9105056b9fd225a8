"""From a teacher's label map to clean targets: components, points, what SAM makes of them, and who keeps which pixel.

CLOUDS, arXiv 2312.09788, section 3.3 and its published code.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from bench.api import IGNORE


class Components(NamedTuple):
    """Connected pieces of a label map, in the order of their classes. They do not overlap: one map holds them all."""

    places: np.ndarray
    """(H, W) integers: 1 + number of the component, 0 where there is none."""
    classes: np.ndarray
    """(K,) int64."""

    def masks(self) -> np.ndarray:
        """(K, H, W) bool."""
        return np.asarray(self.places == np.arange(1, len(self.classes) + 1)[:, None, None])


def components(labels: np.ndarray, threshold: int) -> Components:
    """The 4-connected components of every class of `labels` (H, W) uint8 that have more than `threshold` pixels.

    By class, then in reading order of their first pixels. 255 is no class.
    """
    pieces, classes, areas = _pieces(np.ascontiguousarray(labels, np.uint8))
    kept = np.flatnonzero((areas > threshold) & (classes != IGNORE))
    kept = kept[np.argsort(classes[kept], kind="stable")]
    numbers = np.zeros(len(areas), np.int16 if len(kept) < 2**15 else np.int32)
    numbers[kept] = 1 + np.arange(len(kept))
    return Components(numbers[pieces], classes[kept].astype(np.int64))


@numba.njit(cache=True, nogil=True)
def _pieces(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All 4-connected pieces of equal labels, in reading order of their first pixels: map (H, W), labels, areas.

    One pass over all classes at once, with union and find; OpenCV takes a pass for each class.
    """
    height, width = labels.shape
    pieces = np.empty((height, width), np.int32)
    parents = np.empty(height * width, np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            own = -1
            if x > 0 and labels[y, x - 1] == labels[y, x]:
                own = pieces[y, x - 1]
            if y > 0 and labels[y - 1, x] == labels[y, x]:
                above = pieces[y - 1, x]
                if own < 0:
                    own = above
                elif own != above:
                    own, above = _root(parents, own), _root(parents, above)
                    own, above = min(own, above), max(own, above)
                    parents[above] = own
            if own < 0:
                own = count
                parents[count] = count
                count += 1
            pieces[y, x] = own
    numbers = np.full(count, -1, np.int32)
    classes, areas = np.empty(count, labels.dtype), np.zeros(count, np.int64)
    found = 0
    for y in range(height):
        for x in range(width):
            root = _root(parents, pieces[y, x])
            if numbers[root] < 0:
                numbers[root] = found
                classes[found] = labels[y, x]
                found += 1
            pieces[y, x] = numbers[root]
            areas[numbers[root]] += 1
    return pieces, classes[:found], areas[:found]


@numba.njit(cache=True, nogil=True)
def _root(parents: np.ndarray, piece: int) -> int:
    while parents[piece] != piece:
        parents[piece] = parents[parents[piece]]
        piece = parents[piece]
    return piece


def draw_points(found: Components, points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`points` different random pixels of every component that has so many.

    Gives the numbers of those components (K',) and their points (K', points, 2), x and y in pixels.
    """
    flat = found.places.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(1, len(found.classes) + 2))
    chosen, drawn = [], []
    for number, (first, last) in enumerate(pairwise(starts)):
        if last - first >= points:
            chosen.append(number)
            drawn.append(order[first + rng.choice(last - first, points, replace=False)])
    rows, columns = np.divmod(np.asarray(drawn, np.int64).reshape(-1, points), flat.size // len(found.places))
    return np.asarray(chosen, np.int64), np.stack([columns, rows], axis=-1)


class Targets(NamedTuple):
    """What the student is trained on."""

    classes: Tensor
    """(T,) int64, rising."""
    masks: Tensor
    """(T, H, W) bool; no two overlap."""


def unite(masks: Tensor, classes: Tensor) -> Tensor:
    """Label map (H, W) int64 of masks (K, H, W) bool with classes (K,), 255 where none is.

    Pixels that more than one mask claims, of the same class or not, belong to none.
    """
    label = torch.zeros(masks.shape[1:], dtype=torch.uint8, device=masks.device)
    claimed, contested = torch.zeros_like(label, dtype=torch.bool), torch.zeros_like(label, dtype=torch.bool)
    # Mask by mask, in bytes: a tenth of the time that sums over all of them take.
    for mask, number in zip(masks, classes.tolist(), strict=True):
        contested |= claimed & mask
        claimed |= mask
        torch.maximum(label, mask.view(torch.uint8) * number, out=label)
    return torch.where(claimed & ~contested, label, IGNORE).long()


def targets(masks: Tensor, classes: Tensor) -> Targets:
    """The published form of `unite`: one mask for each class that has a component, empty where all was contested."""
    label, present = unite(masks, classes), classes.unique()
    return Targets(present, label == present[:, None, None])
