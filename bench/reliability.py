"""How far a model's probabilities can be trusted: counts that add up, at constant memory, on the tensors' device.

All sums are of integers, so it does not matter how pixels are split over batches and processes, or in which order they
are added: the counts are the same to the last bit. Scores follow from the counts, in bench/metrics.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add

import torch
from torch import Tensor

from bench.api import ScoreKind
from bench.metrics import IGNORE

BINS = 15
"""Of confidence, equally wide: (0, 1/15], ..., (14/15, 1], closed on the right as in Guo et al. (arXiv 1706.04599)."""
FLOOR = 1e-12
"""Probabilities below count as this much: one pixel adds at most 27.6 to the negative log-likelihood."""
ANOMALY_BINS = 4096
LOG_ODDS = 20.0
"""Anomaly bins are equally wide from minus to plus this much; what is beyond is in the outermost ones."""
_CONFIDENCE_UNIT = 2.0**-28  # float32 from 1/32 to 1 is a multiple of it: exact for up to 32 classes
_LOSS_UNIT = 2.0**-30
_BLOCK = 2**17  # pixels at once: they fit a CPU's caches, and float64 holds the sum of their losses (below 2^52 units)


@dataclass(frozen=True)
class Calibration:
    """Counts of labelled pixels by confidence; `+` merges those of disjoint pixels."""

    pixels: tuple[int, ...] = (0,) * BINS
    """In each bin."""
    confidence: tuple[int, ...] = (0,) * BINS
    """Sum of the confidences in each bin, in units of 2^-28."""
    correct: tuple[int, ...] = (0,) * BINS
    """How many of each bin's predictions are right."""
    loss: int = 0
    """Sum of -log p over the pixels, p the probability of the true class, in units of 2^-30 nat."""

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            _sum(self.pixels, other.pixels),
            _sum(self.confidence, other.confidence),
            _sum(self.correct, other.correct),
            self.loss + other.loss,
        )

    def bins(self) -> list[tuple[int, float, int]]:
        """(pixels, sum of confidence, correct) of each bin: what `metrics.ece` takes, and JSON."""
        sums = (total * _CONFIDENCE_UNIT for total in self.confidence)
        return list(zip(self.pixels, sums, self.correct, strict=True))

    def nll_sum(self) -> float:
        """Sum of -log p in nats: with the number of pixels, what `metrics.nll` takes."""
        return self.loss * _LOSS_UNIT


@dataclass(frozen=True)
class Anomalies:
    """Histograms of the anomaly score, lowest bin first, as `metrics.auroc` takes them; `+` merges."""

    normal: tuple[int, ...] = (0,) * ANOMALY_BINS
    anomaly: tuple[int, ...] = (0,) * ANOMALY_BINS

    def __add__(self, other: Anomalies) -> Anomalies:
        return Anomalies(_sum(self.normal, other.normal), _sum(self.anomaly, other.anomaly))


def probabilities(scores: Tensor, kind: ScoreKind) -> Tensor:
    """Class probabilities, float32 of the same shape, from the scores (B, C, H, W) that a segmenter gives.

    "logits" get a softmax. "evidence" is Mask2Former's (arXiv 2112.01527): sums over the queries of class probability
    x mask probability, which are not negative and have no scale, so their share of the sum over the classes is taken.
    A softmax of them would be nearly flat (0.13 for 19 classes where one has evidence 1 and the others none). Averages
    over windows and resized maps of evidence are evidence, so shares come last, as a softmax does; the class that
    scores highest is the same before and after. Where there is no evidence at all, all classes are equally likely.
    Raises ValueError for another kind.
    """
    scores = scores.float()
    if kind == "logits":
        return scores.softmax(1)
    if kind != "evidence":
        raise ValueError(f"scores are logits or evidence, not {kind!r}")
    total = scores.sum(1, keepdim=True)
    return torch.where(total > 0, scores / total.clamp(min=torch.finfo(total.dtype).tiny), 1 / scores.shape[1])


@torch.no_grad()
def predictions(scores: Tensor) -> Tensor:
    """The class that scores highest, the first of equals: (B, C, H, W) -> (B, H, W) uint8, for up to 255 classes.

    On a CPU several times as fast as torch's argmax over a dimension that is not the last.
    """
    if scores.device.type != "cpu":
        return scores.argmax(1).to(torch.uint8)
    found = torch.empty(len(scores), *scores.shape[2:], dtype=torch.uint8)
    for image, to in zip(scores.flatten(2), found.flatten(1), strict=True):
        for part in _parts(len(to)):
            to[part] = _first_largest(image[:, part])
    return found


@torch.no_grad()
def calibration(probabilities: Tensor, labels: Tensor, predicted: Tensor | None = None) -> Calibration:
    """Count probabilities (B, C, H, W) against labels (B, H, W) uint8, 255 ignored.

    `predicted` (B, H, W) uint8 are the classes that were predicted, if they are known already: by default
    `predictions` of the probabilities. Their probability is the confidence, and their agreement with the labels what is
    correct: give those that the confusion matrix counts, and the two agree where a softmax rounds to ties.
    Raises ValueError for shapes that do not belong together, for labels that are no classes and for what is no
    probability (nan, logits).
    """
    _check(probabilities, labels, predicted)
    classes, device = probabilities.shape[1], probabilities.device
    labels = labels.to(device)
    predicted = predictions(probabilities) if predicted is None else predicted.to(device)
    # Rows: pixels, sum of confidences. Columns: bin and wrong or right, last what is ignored.
    sums = torch.zeros(2, 2 * BINS + 1, dtype=torch.int64, device=device)
    total = labels.new_zeros((), dtype=torch.int64)
    errors = torch.stack([((labels >= classes) & (labels != IGNORE)).sum(), labels.new_zeros((), dtype=torch.int64)])
    for image, truths, founds in zip(probabilities.flatten(2), labels.flatten(1), predicted.flatten(1), strict=True):
        for part in _parts(len(truths)):
            chances, truth, found = image[:, part], truths[part], founds[part]
            confidence = chances.gather(0, found.long()[None])[0].double()
            own = chances.gather(0, truth.clamp(max=classes - 1).long()[None])[0].double()
            low, high = confidence.aminmax()
            shares = (confidence / _CONFIDENCE_UNIT).round_()
            ignored = truth == IGNORE
            loss = own.clamp_(min=FLOOR).log_().div_(-_LOSS_UNIT).round_().dot((~ignored).double())
            sound = (low >= 0) & (high < 1.001) & loss.isfinite()  # rounded shares may be a little above 1
            # The bin is ceil(15 p) - 1: multiples of powers of 2, so that nothing is rounded at an edge.
            place = (shares * (BINS * _CONFIDENCE_UNIT)).ceil_().to(torch.uint8).clamp_(1, BINS)
            place = torch.maximum(2 * place - 2 + (found == truth), 2 * BINS * ignored.to(torch.uint8))
            sums[0] += torch.bincount(place, minlength=2 * BINS + 1)
            # Floating-point sums of integers that stay below 2^53: exact, in any order.
            sums[1] += torch.bincount(place, weights=shares, minlength=2 * BINS + 1).long()
            total += loss.long()
            errors[1] += ~sound
    *counts, losses, unknown, unsound = torch.cat([sums[:, :-1].flatten(), total[None], errors]).tolist()
    if unknown:
        raise ValueError(f"{unknown} labels are outside 0..{classes - 1}")
    if unsound:
        raise ValueError("some confidences are no probabilities")
    pixels, units = counts[: 2 * BINS], counts[2 * BINS :]
    return Calibration(_sum(pixels[::2], pixels[1::2]), _sum(units[::2], units[1::2]), tuple(pixels[1::2]), losses)


@torch.no_grad()
def anomalies(probabilities: Tensor, mask: Tensor) -> Anomalies:
    """Count the anomaly score, 1 - the largest probability of (B, C, H, W), by what mask (B, H, W) uint8 says.

    The mask is 0 for normal, 1 for anomalous, 255 for pixels that are not scored; anything else raises ValueError, as
    do shapes that do not belong together and what is no probability. The score is taken as the sum of the other
    probabilities and its odds to the largest are put into bins of log-odds: next to confidence 1, where 1 - p has no
    digits left, scores still differ.
    """
    _check(probabilities, mask, None)
    mask = mask.to(probabilities.device)
    edges = _odds(probabilities.device, probabilities.dtype)
    counts = torch.zeros(2 * ANOMALY_BINS + 1, dtype=torch.int64, device=probabilities.device)
    errors = torch.stack([((mask > 1) & (mask != IGNORE)).sum(), mask.new_zeros((), dtype=torch.int64)])
    for image, kinds in zip(probabilities.flatten(2), mask.flatten(1), strict=True):
        for part in _parts(len(kinds)):
            largest, others = _largest_and_others(image[:, part])
            low, high = largest.aminmax()
            errors[1] += ~((low > 0) & (high < 1.001))
            place = torch.bucketize(others / largest, edges, out_int32=True, right=True)
            place = torch.where(kinds[part] > 1, 2 * ANOMALY_BINS, place + ANOMALY_BINS * (kinds[part] == 1))
            counts += torch.bincount(place, minlength=len(counts))
    *scored, strange, unsound = torch.cat([counts[:-1], errors]).tolist()
    if strange:
        raise ValueError(f"{strange} pixels of an anomaly mask are neither 0, 1 nor {IGNORE}")
    if unsound:
        raise ValueError("some confidences are no probabilities")
    return Anomalies(tuple(scored[:ANOMALY_BINS]), tuple(scored[ANOMALY_BINS:]))


@lru_cache(maxsize=8)
def _odds(device: torch.device, dtype: torch.dtype) -> Tensor:
    """The inner edges of the anomaly bins as odds, (ANOMALY_BINS - 1,): comparing saves a log a pixel."""
    step = 2 * LOG_ODDS / ANOMALY_BINS
    edges = [math.exp(step * index - LOG_ODDS) for index in range(1, ANOMALY_BINS)]
    with torch.inference_mode(False):
        return torch.tensor(edges, dtype=dtype, device=device)


def _first_largest(rows: Tensor) -> Tensor:
    """Index of the first largest of each column, (C, N) -> (N,) uint8."""
    largest, found = rows[0], torch.zeros(rows.shape[1], dtype=torch.uint8)
    for index in range(1, len(rows)):
        found = torch.maximum(found, index * (rows[index] > largest).to(torch.uint8))  # `where` takes ten times as long
        largest = torch.maximum(largest, rows[index])
    return found


def _largest_and_others(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of each column of (C, N) the largest and the sum of all others, (N,) each.

    The smaller of a row and of what was largest so far goes to the sum: nothing is subtracted, and the order is the
    same for every pixel (that of torch's own sum depends on where in memory a pixel lies).
    """
    largest, others = rows[0], torch.zeros_like(rows[0])
    for row in rows[1:]:
        others += torch.minimum(largest, row)
        largest = torch.maximum(largest, row)
    return largest, others


def _check(probabilities: Tensor, labels: Tensor, predicted: Tensor | None) -> None:
    wanted = (len(probabilities), *probabilities.shape[2:])
    for what, ids in (("labels", labels), ("predictions", predicted)):
        if ids is not None and tuple(ids.shape) != wanted:
            raise ValueError(f"{what} {tuple(ids.shape)} do not fit probabilities {tuple(probabilities.shape)}")
        if ids is not None and ids.dtype != torch.uint8:
            raise ValueError(f"{what} are uint8, not {ids.dtype}")


def _parts(pixels: int) -> Iterator[slice]:
    return (slice(first, first + _BLOCK) for first in range(0, pixels, _BLOCK))


def _sum(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(add, one, other))
