"""What is wrong with one result that its schema does not see: `results validate`. Imports no torch.

Numbers that follow from each other are compared: the bins of confidence with the confusion matrix and with the
negative log-likelihood, which they bound; the training curve with the iterations; the images with the data set's card.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bench.data import cards
from bench.data.reader import list_hash
from bench.result import Provenance, RunResult, TargetResult
from bench.spec import Target

BINS = 15
"""Of confidence (`bench.reliability.BINS`, which is beside torch; a test compares)."""
FLOOR = 1e-12
"""The least probability that is counted (`bench.reliability.FLOOR`)."""
ABOVE = 1.001
"""Rounded probabilities may be a little above 1: what `bench.reliability` lets pass."""
SLACK = 1e-4
"""How far a pixel's probabilities may be from adding up to 1."""
ROUNDED = 1e-6
"""Tolerance of a pixel's share of a sum: confidences are counted in units of 2^-28, losses of 2^-30 nat."""


class Bounds(NamedTuple):
    """Between these a sum lies."""

    least: float
    most: float


def of_one(result: RunResult, known: frozenset[str]) -> Iterator[str]:
    """One line for each thing that is wrong; `known` are the data sets with cards."""
    if result.state != "complete":
        missing = [target.name for target in result.spec.targets if target.name not in result.targets]
        yield f"it is not complete: {', '.join(missing) or 'its cost'} is missing"
    yield from _provenance(result.provenance)
    yield from _training(result)
    for target in result.spec.targets:
        found = result.targets.get(target.name)
        if found is not None:
            told = (*_of_target(target, found), *_reliability(found))
            if target.dataset in known:
                told += tuple(_images(result, target, found))
            yield from (f"target {target.name!r} {what}" for what in told)


def _provenance(found: Provenance) -> Iterator[str]:
    """What another group needs to check the numbers."""
    if found.commit is not None and not re.fullmatch("[0-9a-f]{40}", found.commit):
        yield f"its provenance names {found.commit!r}, which is no commit"
    if "torch" not in found.packages:
        yield "its provenance does not say which torch it was made with"
    if found.threads < 1:
        yield f"its provenance says that it was made with {found.threads} threads"


def _training(result: RunResult) -> Iterator[str]:
    """The curve ends with the last iteration of the recipe (and joint phase); an imported run has none."""
    spec, iterations = result.spec, [point.iteration for point in result.curve]
    if spec.checkpoint is not None:
        if iterations:
            yield "it was imported, and has a training curve"
        return
    if not iterations:
        yield f"its training curve is empty: {spec.iterations} iterations are to be trained"
    elif iterations[-1] != spec.iterations:
        yield f"its training curve ends at iteration {iterations[-1]}, not {spec.iterations}"
    if any(one >= two for one, two in pairwise([0, *iterations])):
        yield "the iterations of its training curve do not rise"


def _of_target(target: Target, found: TargetResult) -> Iterator[str]:
    if found.group != target.group:
        yield f"is of group {found.group}, in the specification of {target.group}"
    if found.images < 1 or not found.confusion.any():
        yield "has no labelled pixel"


def _images(result: RunResult, target: Target, found: TargetResult) -> Iterator[str]:
    """What its card says of the data set: how many images, and, of the embedded world, which."""
    card = cards.load_card(target.dataset)
    count = card.count if isinstance(card, cards.FilesCard) else card.images
    listed = len(cards.excluded(card)) if isinstance(card, cards.FilesCard) else 0
    if found.left_out != listed:
        yield f"says that {found.left_out} images are left out; the list of {target.dataset} has {listed}"
    if count is not None:
        there = count - listed
        wanted = there if target.images is None else min(target.images, there)
        if found.images != wanted:
            yield f"has {found.images} images, not {wanted}"
    wanted_list = _list_hash(target.dataset, found.images, result.spec.data.get(target.dataset))
    if wanted_list not in (None, found.file_list_hash):
        yield f"has another list than that of the first {found.images} images of {target.dataset}"


@functools.cache
def _list_hash(dataset: str, images: int, revision: str | None) -> str | None:
    """Of the first images of a set of the embedded world, as it is now; None of others, and of another revision."""
    card = cards.load_card(dataset)
    if not isinstance(card, cards.StreetsCard) or cards.revision(card) != revision:
        return None
    return list_hash(card, images)


def _reliability(found: TargetResult) -> Iterator[str]:
    """Whether the bins can be, are of the predictions that the matrix counts, and fit the likelihood."""
    bins, nll = found.reliability.bins, found.reliability.nll_sum
    if len(bins) != BINS:
        yield f"has {len(bins)} bins of confidence, not {BINS}"
        return
    pixels, confidence, right = np.array(bins, dtype=np.float64).T
    low, high = _edges(len(bins))
    tolerance = ROUNDED * (pixels + 1)
    inside = (confidence >= pixels * low - tolerance) & (confidence <= pixels * high + tolerance)
    possible = (pixels >= 0) & (right >= 0) & (right <= pixels) & inside
    if not possible.all():
        place = int(possible.argmin())
        yield f"has a bin of confidence, {low[place]:.3f} to {high[place]:.3f}, that cannot be: {list(bins[place])}"
        return
    if int(right.sum()) != int(found.confusion.trace()):
        yield f"has {int(right.sum())} right pixels in its bins of confidence, {found.confusion.trace()} in its matrix"
    least, most = nll_bounds(bins, len(found.confusion))
    if not least <= nll <= most:
        between = f"between {least:.1f} and {most:.1f}"
        yield f"has a negative log-likelihood (sum) of {nll:.1f}; its bins of confidence put it {between}"


def nll_bounds(bins: Sequence[tuple[int, float, int]], classes: int) -> Bounds:
    """Bounds of the sum of -log p of the true class in nats, from the bins (pixels, sum of confidence, right).

    p of a right pixel is its confidence; that of a wrong one is at most its confidence, and at most 1 - its confidence.
    Of pixels with a given mean of p, the sum of -log p is least where all have that mean (Jensen), and the mean of p
    is bounded by the bin's edges and by its sum: the right pixels have at most what is left of it when the wrong ones
    have no more than the lower edge, the wrong ones at least what is left when the right ones have the upper edge.
    Most: right ones at the lower edge (no largest of C probabilities is below 1/C), wrong ones at the floor.
    """
    pixels, confidence, right = np.array(bins, dtype=np.float64).T
    wrong = pixels - right
    low, high = _edges(len(bins))
    mean_right = np.minimum(high, (confidence - wrong * low) / np.maximum(right, 1))
    mean_wrong = np.maximum(low, (confidence - right * high) / np.maximum(wrong, 1))
    of_right = np.where(right > 0, mean_right, 1.0)
    of_wrong = np.where(wrong > 0, np.minimum(high, 1 - mean_wrong + SLACK), 1.0)
    least = -(right * np.log(np.maximum(of_right, FLOOR)) + wrong * np.log(np.maximum(of_wrong, FLOOR))).sum()
    most = -(right * np.log(np.maximum(low, 1 / classes - SLACK)) + wrong * np.log(FLOOR)).sum()
    tolerance = ROUNDED * (pixels.sum() + 1)
    return Bounds(float(least - tolerance), float(most + tolerance))


def _edges(bins: int) -> tuple[np.ndarray, np.ndarray]:
    edges = np.arange(bins + 1) / bins
    edges[-1] = ABOVE
    return edges[:-1], edges[1:]
