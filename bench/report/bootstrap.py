"""Paired bootstrap over images: is one row of a leaderboard really ahead of another? Imports no torch.

Every draw takes as many images as a target has, with replacement, and scores all rows on the very same ones (Efron
1979; paired as in Koehn, EMNLP 2004); the mean over targets is taken within a draw.

A scene that several targets show, under another weather or corruption, is drawn for all of them or for none (a cluster
bootstrap; Davison and Hinkley 1997, section 3.8): twenty streets in five weathers are twenty observations, not a
hundred. Images show the same scene where their labels have the same pixels of each class.

Few images vary less among themselves than others would, by (n - 1) / n, and one cannot be sure of by how much they do:
draws are spread out as Student's t is beside a normal distribution (compare Hesterberg, The American Statistician 2015,
section 5). What other trainings would have given is not in the images: to each draw a term of Student's t is added, of
the standard error of the difference over seeds. Three seeds say little of how far a row's trainings vary, so all rows
that are drawn together say it (the pooled variance of an analysis of variance, with its degrees of freedom), unless the
row's own vary more. So a single seed has an interval, too, if a row beside it has more. By simulation, two methods
that are equally good are called different in 1 to 6 of 100 cases, in 8 where six images are all there are. Where rows
vary very unlike (deviations of 0.1 to 0.9 in one table, three seeds each), the t-term alone does so in 4 to 8, beside a
single seed in 13, of two seeds that vary against five that do not (0.9 and 0.2) in 19: give all rows as many seeds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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
    """Target -> (images, 3, classes) pixels of each image: `image_counts`."""
    lists: Mapping[str, str]
    """Target -> hash of the list of its images: equal for the same images in the same order."""


class Drawn(NamedTuple):
    """What a row scored in the draws: mIoU in percent, averaged over targets."""

    scores: FloatArray
    """(runs,) on all images as they are, one a seed."""
    draws: FloatArray
    """(draws,) averaged over the runs."""
    images: int
    """How many different scenes the targets show."""
    freedom: int
    """Of these, less one for each set of them that is drawn from by itself."""
    variance: float
    """Of the mean over seeds: what other trainings would change; 0 where no row has two seeds."""
    trainings: int
    """Degrees of freedom of that: all seeds of all rows, less one for each row."""

    @property
    def mean(self) -> float:
        """On all images, over all seeds."""
        return float(self.scores.mean())


class Difference(NamedTuple):
    """How far the first is ahead of the second, in points of mIoU."""

    value: float
    low: float
    high: float
    """Ends of the 95% interval; -100 and 100 where there is but one image, or none with labels."""
    p: float
    """Two-sided: twice the share of draws on the other side of 0, (1 + k) / (1 + draws) each."""


def image_counts(confusions: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """What IoU needs of each image, (images, classes, classes) -> (images, 3, classes): in the truth, right, union."""
    hits, truth = np.diagonal(confusions, axis1=1, axis2=2), confusions.sum(axis=2, dtype=np.int64)
    return np.stack((truth, hits, truth + confusions.sum(axis=1, dtype=np.int64) - hits), axis=1)


def same_labels(first: Run, second: Run) -> bool:
    """Whether the images of all targets have the same pixels of each class, as the same images must."""
    return all(np.array_equal(counts[:, 0], second.counts[target][:, 0]) for target, counts in first.counts.items())


def draw(
    rows: Sequence[Sequence[Run]],
    targets: Sequence[str],
    classes: Sequence[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Drawn]:
    """What each row (its runs, one a seed) scores on average over `targets`, on all images and in each draw.

    `classes` are those that mIoU is a mean of, None for all; one that has no pixel in a draw's truth is left out of it,
    as always. The same `seed` gives the same draws. Raises ValueError where runs were scored on different images, or
    on other labels.
    """
    runs = [run for row in rows for run in row]
    truths = {target: runs[0].counts[target][:, 0] for target in targets}
    for target in targets:
        if len({(run.lists[target], len(run.counts[target])) for run in runs}) > 1:
            raise ValueError(f"target {target!r} is not of the same images in all runs")
    if not all(same_labels(runs[0], run) for run in runs):
        raise ValueError("the images have not the same labels in all runs")
    strata = _strata(truths)
    found, whole = np.zeros((len(runs), draws)), np.zeros(len(runs))
    for target in targets:
        counts = [run.counts[target] for run in runs]
        mine = [stratum for stratum in strata if target in stratum]
        found += _scores(counts, classes, draws, _times(target, mine, draws, seed)) / len(targets)
        once = iter([np.ones((1, len(counts[0])), dtype=np.int64)])
        whole += _scores(counts, classes, 1, once)[:, 0] / len(targets)
    images = sum(len(next(iter(stratum.values()))) for stratum in strata)
    ends = np.cumsum([len(row) for row in rows])[:-1]
    scores, freedom = np.split(whole, ends), len(runs) - len(rows)
    own = [float(of.var(ddof=1)) if len(of) > 1 else 0.0 for of in scores]
    pooled = sum(each * (len(of) - 1) for each, of in zip(own, scores, strict=True)) / max(freedom, 1)
    return [
        Drawn(of, mine.mean(axis=0), images, images - len(strata), max(pooled, each) / len(of), freedom)
        for of, mine, each in zip(scores, np.split(found, ends), own, strict=True)
    ]


def difference(first: Drawn, second: Drawn) -> Difference:
    """How far the first row of a `draw` is ahead of the second of the same one.

    Draws whose images have no labelled pixel of the scored classes say nothing, and are left out.
    """
    value, apart = first.mean - second.mean, first.draws - second.draws
    apart = apart[~np.isnan(apart)]
    draws = len(apart)
    if first.freedom < 1 or not draws:
        return Difference(value, -100.0, 100.0, 1.0)
    wider = np.sqrt(first.images / _generator(0, "images").chisquare(first.freedom, draws))
    apart = value + (apart - apart.mean()) * wider
    if first.trainings:
        other = _generator(0, "trainings").standard_t(first.trainings, draws)
        apart += np.sqrt(first.variance + second.variance) * other
    low, high = np.quantile(apart, [ALPHA / 2, 1 - ALPHA / 2])
    tail = min(int((apart <= 0).sum()), int((apart >= 0).sum()))
    return Difference(value, float(low), float(high), min(1.0, 2 * (1 + tail) / (1 + draws)))


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


Stratum = Mapping[str, Sequence[int]]
"""Target -> the places of its images, of scenes that exactly these targets show; the same order in each."""


def _strata(truths: Mapping[str, npt.NDArray[np.int64]]) -> list[Stratum]:
    """The scenes of the targets, from the pixels of each class in each image, (images, classes) of each target."""
    scenes: dict[tuple[bytes, int], dict[str, int]] = {}
    for target, truth in truths.items():
        times: Counter[bytes] = Counter()
        for place, pixels in enumerate(truth):
            key = pixels.tobytes() if pixels.any() else f"{target} has nothing labelled".encode()
            scenes.setdefault((key, times[key]), {})[target] = place
            times[key] += 1
    strata: dict[tuple[str, ...], list[dict[str, int]]] = {}
    for places in scenes.values():
        strata.setdefault(tuple(places), []).append(places)
    return [{target: [places[target] for places in members] for target in shown} for shown, members in strata.items()]


def _times(target: str, strata: Sequence[Stratum], draws: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each image of a target is drawn, in blocks of (draws, images): its scenes as for all that show them."""
    generators = [_generator(seed, *stratum) for stratum in strata]
    for first in range(0, draws, _BLOCK):
        many = min(_BLOCK, draws - first)
        times = np.empty((many, sum(len(stratum[target]) for stratum in strata)), dtype=np.int64)
        for stratum, rng in zip(strata, generators, strict=True):
            places = stratum[target]
            drawn = rng.integers(0, len(places), (many, len(places))) + len(places) * np.arange(many)[:, None]
            times[:, places] = np.bincount(drawn.reshape(-1), minlength=many * len(places)).reshape(many, -1)
        yield times


def _scores(
    counts: Sequence[npt.NDArray[np.int64]],
    classes: Sequence[int] | None,
    draws: int,
    times: Iterator[npt.NDArray[np.int64]],
) -> FloatArray:
    """mIoU in percent of each run in each draw, (runs, draws), from (images, 3, classes) of each.

    How often each image is drawn, times what is counted in it: one matrix product for all runs. The sums are of
    integers that the floating type holds exactly, so they are the same on every machine. A class that no drawn image
    shows has no pixel that is right, and adds nothing.
    """
    images, _, wide = counts[0].shape
    chosen = list(range(wide)) if classes is None else list(classes)
    ours = [each[:, 1:, chosen].reshape(images, -1) for each in counts]
    flat = np.concatenate([counts[0][:, 0, chosen], *ours], axis=1)  # the truth is the same for all
    exact: npt.DTypeLike = np.float32 if images * int(flat.max(initial=0)) < _EXACT else np.float64
    pixels: npt.NDArray[np.floating] = flat.astype(exact)
    found, first = np.empty((len(counts), draws)), 0
    for block in times:
        sums = np.matmul(block.astype(exact), pixels)
        there = (sums[:, : len(chosen)] > 0).sum(axis=1)
        hits, union = np.moveaxis(sums[:, len(chosen) :].reshape(len(block), len(counts), 2, len(chosen)), 2, 0)
        total = np.divide(hits, np.maximum(union, 1), dtype=np.float64).sum(axis=2)
        with np.errstate(invalid="ignore"):  # of a draw without labels: nan
            found[:, first : first + len(block)] = (100 * total / there[:, None]).T
        first += len(block)
    return found
