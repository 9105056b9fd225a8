"""CLOUDS' refinement besides SAM: `python -m benchmarks.refine`.

One 768 x 768 label map of 60 components, one thread, against the published form of the same steps (dense masks, one
connected-component pass of scipy for each class, points drawn mask by mask), written here from the paper. The goal is
under 150 ms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import scipy.ndimage as ndimage
import torch
from torch import Tensor

from bench.errors import UserError
from benchmarks import timing
from methods.clouds.refine import components, draw_points, unite

GRID, POINTS = (6, 10), 5


def label_map(size: int, rng: np.random.Generator) -> np.ndarray:
    """Sixty patches of 19 classes with ragged edges, and specks that are too small to be kept, (size, size)."""
    rows, columns = (np.arange(size) * count // size for count in GRID)
    patches = (rows[:, None] * GRID[1] + columns) * 7 % 19
    moved = patches[:, np.clip(np.arange(size) + rng.integers(-3, 4, size), 0, size - 1)]
    specks = rng.random((size, size)) < 0.002
    return np.where(specks, rng.integers(0, 19, (size, size)), moved).astype(np.uint8)


def ours(labels: np.ndarray, threshold: int, masks: Tensor, rng: np.random.Generator) -> Tensor:
    """As CLOUDS is trained here."""
    found = components(labels, threshold)
    numbers, _ = draw_points(found, POINTS, rng)
    return unite(masks[: len(numbers)], torch.from_numpy(found.classes[numbers]))


def dense(labels: np.ndarray, threshold: int, masks: Tensor, rng: np.random.Generator) -> Tensor:
    """The same with one dense mask for each component."""
    kept, classes = [], []
    for label in np.unique(labels):
        pieces, count = ndimage.label(labels == label)
        areas = ndimage.sum(labels == label, pieces, range(count + 1))
        for piece in range(1, count + 1):
            if areas[piece] > threshold:
                kept.append((pieces == piece).astype(int))
                classes.append(int(label))
    for mask in kept:
        places = np.column_stack(np.where(mask == 1))
        rng.choice(len(places), POINTS, replace=False)
    own = masks[: len(kept)].float()
    own[:, own.sum(0) > 1] = 0
    label = torch.full(labels.shape, 255)
    for number, mask in zip(classes, own, strict=True):
        label[mask > 0] = number
    return label


def timed(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds and what came out."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def compare(options: argparse.Namespace) -> None:
    """Print both medians and their ratio. Raises AssertionError where labels differ, UserError for too small a map."""
    if options.size < 32:
        raise UserError(f"--size {options.size}: so few pixels have no components; 32 at least")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    labels, threshold = label_map(options.size, rng), 5000 * options.size**2 // 768**2
    found = components(labels, threshold)
    # SAM's answer: each component, grown a little, so that neighbours contest their edges.
    masks = torch.from_numpy(np.stack([ndimage.binary_dilation(mask, iterations=2) for mask in found.masks()]))
    seconds: dict[str, list[float]] = {"ours": [], "dense": []}
    for _ in range(options.runs):
        mine, first = timed(lambda: ours(labels, threshold, masks, rng))
        theirs, second = timed(lambda: dense(labels, threshold, masks, rng))
        assert torch.equal(first, second), "both give the same labels"
        seconds["ours"].append(mine)
        seconds["dense"].append(theirs)
    own, other = median(seconds["ours"]) * 1e3, median(seconds["dense"]) * 1e3
    print(f"{len(masks)} components of {options.size} x {options.size}, one thread, medians of {options.runs}")
    print(f"ours {own:.1f} ms, dense masks {other:.1f} ms: {other / own:.1f} times as fast")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.plain_parser("refine", __doc__)
    parser.add_argument("--size", type=timing.count, default=768, help="height and width of the label map in pixels")
    parser.add_argument("--runs", type=timing.count, default=15, help="measurements, of which medians are shown")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
