"""Paired bootstrap over images: is one row of a leaderboard really ahead of another? Imports no torch.

Every draw takes as many images as a target has, with replacement, and scores all rows on the very same ones (Efron
1979; paired as in Koehn, EMNLP 2004). Each target is drawn from independently of the others; the mean over targets is
taken within a draw. Where a row has several seeds, a draw also takes as many of them, with replacement, and averages
over these; rows with the same seeds are given the same ones. So the intervals hold what other images and other
trainings would change; of the second, three seeds tell too little rather than too much, and one seed nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench import metrics
from bench.metrics import FloatArray

DRAWS = 10_000
ALPHA = 0.05
"""Below this an adjusted p-value is called a difference; 1 - ALPHA is the intervals' confidence."""
_BLOCK = 1_000  # draws at once: 2,000 images take 16 MB
_EXACT = 2**24  # float32 holds integers up to here


class Run(NamedTuple):
    """The counts of one run: what is resampled."""

    seed: int
    counts: Mapping[str, npt.NDArray[np.int64]]
    """Target -> (images, 3, classes) pixels of each image: right, in the truth, predicted."""
    lists: Mapping[str, str]
    """Target -> hash of the list of its images: equal for the same images in the same order."""


class Difference(NamedTuple):
    """How far the first is ahead of the second, in points of mIoU."""

    value: float
    low: float
    high: float
    """Ends of the 95% interval: percentiles of the draws."""
    p: float
    """Two-sided: twice the share of draws on the other side of 0, (1 + k) / (1 + draws) each."""


def image_counts(confusions: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """What IoU needs of each image, (images, classes, classes) -> (images, 3, classes): right, truth, predicted."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    sums = (hits, confusions.sum(axis=2, dtype=np.int64), confusions.sum(axis=1, dtype=np.int64))
    return np.stack(sums, axis=1).astype(np.int64)


def draw(
    rows: Sequence[Sequence[Run]],
    targets: Sequence[str],
    classes: Sequence[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> FloatArray:
    """mIoU in percent, averaged over targets, of each row (its runs, one a seed) in each draw: (rows, draws).

    `classes` are those that mIoU is a mean of, None for all; one that has no pixel in a draw's truth is left out of it,
    as always. The same `seed` gives the same draws. Raises ValueError where runs were scored on different images.
    """
    runs = [run for row in rows for run in row]
    found = np.zeros((len(runs), draws))
    for target in targets:
        lists = {(run.lists[target], len(run.counts[target])) for run in runs}
        if len(lists) > 1:
            raise ValueError(f"target {target!r} is not of the same images in all runs")
        rng = _generator(seed, target, lists.pop()[0])
        found += _scores([run.counts[target] for run in runs], classes, draws, rng) / len(targets)
    return _over_seeds(rows, found, seed)


def difference(first: FloatArray, second: FloatArray, value: float) -> Difference:
    """Of the draws (draws,) of two rows; `value` is their difference on all images as they are, all seeds."""
    apart = first - second
    low, high = np.quantile(apart, [ALPHA / 2, 1 - ALPHA / 2])
    tail = min(int((apart <= 0).sum()), int((apart >= 0).sum()))
    return Difference(value, float(low), float(high), min(1.0, 2 * (1 + tail) / (1 + len(apart))))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979): by luck, one falls below alpha with a chance of at most alpha."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors))
    return [float(value) for value in adjusted]


def _generator(seed: int, *names: str) -> np.random.Generator:
    digest = hashlib.sha256("\n".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _scores(
    counts: Sequence[npt.NDArray[np.int64]], classes: Sequence[int] | None, draws: int, rng: np.random.Generator
) -> FloatArray:
    """mIoU in percent of each run in each draw, (runs, draws), from (images, 3, classes) of each.

    How often each image is drawn, times what is counted in it: one matrix product for all runs. The sums are of
    integers that the floating type holds exactly, so they are the same on every machine.
    """
    images, _, wide = counts[0].shape
    flat = np.concatenate([each.reshape(images, -1) for each in counts], axis=1)
    exact: npt.DTypeLike = np.float32 if images * int(flat.max(initial=0)) < _EXACT else np.float64
    pixels: npt.NDArray[np.floating] = flat.astype(exact)
    found = np.empty((len(counts), draws))
    for first in range(0, draws, _BLOCK):
        many = min(_BLOCK, draws - first)
        drawn = rng.integers(0, images, (many, images)) + images * np.arange(many)[:, None]
        times = np.bincount(drawn.reshape(-1), minlength=many * images).reshape(many, images).astype(exact)
        sums = np.matmul(times, pixels).astype(np.float64).reshape(many, len(counts), 3, wide)
        hits, truth, predicted = np.moveaxis(sums, 2, 0)
        iou = np.where(truth > 0, hits / np.maximum(truth + predicted - hits, 1), np.nan)
        found[:, first : first + many] = 100 * metrics.mean_present(iou, classes).T
    return found


def _over_seeds(rows: Sequence[Sequence[Run]], found: FloatArray, seed: int) -> FloatArray:
    """The mean over the seeds of each row that a draw takes: (runs, draws) -> (rows, draws)."""
    draws = found.shape[1]
    ends = np.cumsum([len(row) for row in rows])
    means = []
    for row, scores in zip(rows, np.split(found, ends[:-1]), strict=True):
        order = np.argsort([run.seed for run in row], kind="stable")
        rng = _generator(seed, "seeds", *(str(row[place].seed) for place in order))
        taken = rng.integers(0, len(row), (len(row), draws))
        means.append(np.take_along_axis(scores[order], taken, axis=0).mean(axis=0))
    return np.stack(means)
