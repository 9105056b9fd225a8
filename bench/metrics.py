"""Confusion matrices, reliability counts, and what follows from them: no torch, pure functions.

A confusion matrix is int64 (classes, classes) with the truth in rows and the prediction in columns.
Matrices of disjoint sets of pixels add up, so a set may be scored in parts and merged with `+`.
All scores are fractions in [0, 1]; mIoU is the mean over the classes that occur in the ground truth: an absent class is
left out, it does not count as 0. Cityscapes' own script and mmsegmentation leave it out only where it is not predicted
either; on sets in which all classes occur there is no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

IGNORE = 255
SYNTHIA_16 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)
"""Train ids of the classes that SYNTHIA has: all but terrain, truck and train."""
SYNTHIA_13 = (0, 1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)
"""Of these without wall, fence and pole, which papers leave out of "mIoU*"."""
_EXACT = 2**24  # float32 counts up to here

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.integer]


def confusion(pred: npt.ArrayLike, label: npt.ArrayLike, classes: int) -> IntArray:
    """Count (truth, prediction) pairs over the labelled pixels.

    `pred` and `label` are integer arrays of one shape, fastest as uint8; pixels labelled 255 are left out, whatever
    is predicted there. Threads can count at once: most of the time is spent without the interpreter's lock.
    Raises ValueError for more than 255 classes, for arrays that are not of integers, for shapes that differ and for
    ids outside [0, classes) (a label map that was not translated must never pass as an ignored region).
    """
    if not 0 < classes <= IGNORE:
        raise ValueError(f"{classes} classes: 1 to {IGNORE} can be counted, as {IGNORE} is not a class")
    predicted, truth = np.asarray(pred), np.asarray(label)
    if predicted.shape != truth.shape:
        raise ValueError(f"prediction {predicted.shape} and label {truth.shape} differ in shape")
    rows, columns = _bytes(truth), _bytes(predicted)
    if truth.dtype != np.uint8 and not np.array_equal(rows, truth.reshape(-1)):
        raise _outside("label", truth, truth, classes)
    pairs = _pairs(rows, columns)[:IGNORE]
    if pairs[classes:].any():
        raise _outside("label", truth, truth, classes)
    if pairs[:, classes:].any():
        raise _outside("prediction", predicted, truth, classes)
    return pairs[:classes, :classes].copy()


def _bytes(ids: _Integers) -> npt.NDArray[np.uint8]:
    """Ids as uint8 (N,); what does not fit becomes 255, which is no class. Raises ValueError for non-integers."""
    if ids.dtype.kind not in "iub":
        raise ValueError(f"class ids are integers, not {ids.dtype}")
    small = ids if ids.dtype == np.uint8 else np.where((ids < 0) | (ids > IGNORE), IGNORE, ids)
    return np.ascontiguousarray(small, dtype=np.uint8).reshape(-1)


def _pairs(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> IntArray:
    """How often each pair of bytes occurs, (256, 256).

    OpenCV's histogram takes half the time of `np.bincount` on 16-bit pairs, which are widened to 64 bits first, and
    lets go of the interpreter. It returns float32, which is exact up to 2^24: hence the blocks.
    """
    import cv2  # here, because reports need none of it

    total = np.zeros((256, 256), dtype=np.int64)
    for first in range(0, truth.size, _EXACT):
        block = [truth[first : first + _EXACT], predicted[first : first + _EXACT]]
        total += cv2.calcHist(block, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    return total


def _outside(what: str, ids: _Integers, truth: _Integers, classes: int) -> ValueError:
    kept = ids[truth != IGNORE]
    return ValueError(f"{what} has ids outside 0..{classes - 1}: {kept.min()}..{kept.max()}")


def iou(conf: npt.ArrayLike) -> FloatArray:
    """IoU per class, (..., classes, classes) -> (..., classes): nan for a class that does not occur in the truth."""
    matrix = np.asarray(conf, dtype=np.int64)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    truth, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return np.where(truth > 0, hits / np.maximum(truth + predicted - hits, 1), np.nan)


def miou(conf: npt.ArrayLike, classes: Sequence[int] | None = None) -> float:
    """Mean IoU over the classes present in the ground truth; nan when there are none.

    `classes` restricts the mean, not the counting: pixels of the other classes still make false positives, and
    predictions of them misses. So scores of a model with 19 classes are given on SYNTHIA's 16 and 13.
    """
    return float(mean_present(iou(conf), classes))


def mean_present(values: FloatArray, classes: Sequence[int] | None = None) -> FloatArray:
    """Mean over those of the last axis that are not nan, (..., classes) -> (...); nan where there are none."""
    chosen = values if classes is None else values[..., list(classes)]
    there = ~np.isnan(chosen)
    sums, counts = np.where(there, chosen, 0.0).sum(axis=-1), there.sum(axis=-1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def pixel_accuracy(conf: npt.ArrayLike) -> float:
    """Fraction of labelled pixels that are right; nan when nothing is labelled."""
    matrix = np.asarray(conf, dtype=np.int64)
    total = int(matrix.sum())
    return float(np.trace(matrix) / total) if total else float("nan")


def mean_accuracy(conf: npt.ArrayLike) -> float:
    """Recall averaged over the classes present in the ground truth; nan when nothing is labelled."""
    matrix = np.asarray(conf, dtype=np.int64)
    truth = matrix.sum(axis=1)
    recall = np.where(truth > 0, np.diag(matrix) / np.maximum(truth, 1), np.nan)
    return float(mean_present(recall))


def ece(bins: npt.ArrayLike) -> float:
    """Expected calibration error: |accuracy - mean confidence| of each bin, weighted by its share of the pixels.

    `bins` (n, 3): pixels, sum of their confidences, how many are right. nan without pixels. Guo et al. (arXiv
    1706.04599), equation 3.
    """
    return float(eces(*np.asarray(bins, dtype=np.float64).T))


def eces(pixels: npt.NDArray[Any], confidence: FloatArray, right: npt.NDArray[Any]) -> FloatArray:
    """`ece` of many sets at once, (..., n) each -> (...)."""
    total = pixels.sum(axis=-1)
    apart = np.abs(right - confidence).sum(axis=-1)
    return np.asarray(np.where(total > 0, apart / np.maximum(total, 1), np.nan))


def nll(total: float, pixels: int) -> float:
    """Mean negative log-likelihood in nats, from its sum over `pixels`; nan without pixels."""
    return total / pixels if pixels else float("nan")


def auroc(normal: npt.ArrayLike, anomaly: npt.ArrayLike) -> float:
    """Area under the ROC curve from histograms (bins,) of the anomaly score, lowest bin first.

    Scores in one bin count as equal: a pair of a normal and an anomalous pixel there counts half, as in scikit-learn's
    `roc_auc_score`. nan unless there are pixels of both kinds.
    """
    false, true = _above(normal, anomaly)
    if not false[-1] * true[-1]:
        return float("nan")
    return float(np.trapezoid(true / true[-1], false / false[-1]))


def aupr(normal: npt.ArrayLike, anomaly: npt.ArrayLike) -> float:
    """Average precision of finding anomalies, from histograms as in `auroc`.

    A step for each bin, no interpolation: scikit-learn's `average_precision_score`. nan unless there are pixels of both
    kinds.
    """
    false, true = _above(normal, anomaly)
    if not false[-1] * true[-1]:
        return float("nan")
    precision = true[1:] / np.maximum(true[1:] + false[1:], 1)
    return float((np.diff(true) * precision).sum() / true[-1])


def fpr95(normal: npt.ArrayLike, anomaly: npt.ArrayLike) -> float:
    """Share of normal pixels above the highest threshold that finds 95% of the anomalous ones or more.

    From histograms as in `auroc`: thresholds lie between bins. nan unless there are pixels of both kinds.
    """
    false, true = _above(normal, anomaly)
    if not false[-1] * true[-1]:
        return float("nan")
    return float(false[np.argmax(true / true[-1] >= 0.95)] / false[-1])


def _above(normal: npt.ArrayLike, anomaly: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Normal and anomalous pixels that score above each threshold, falling: (bins + 1,) each, from 0 to all."""
    pair = (np.asarray(counts, dtype=np.int64)[::-1] for counts in (normal, anomaly))
    false, true = (np.concatenate([[0], np.cumsum(counts)]).astype(np.float64) for counts in pair)
    return false, true


def summarise(targets: Mapping[str, tuple[str, float]]) -> dict[str, float | None]:
    """Unweighted means over targets by group, from {name: (group, mIoU)}.

    `group` is one of source, unseen, weather, corruption, reliability, and of anomaly (whose labels are not of the
    classes) and reference, which have no mean; ValueError otherwise. Keys: source, unseen_mean, unseen_worst,
    weather_mean, corruption_mean, reliability_mean; None where the protocol has no target of that kind. A target whose
    mIoU is nan makes its mean nan: a missing score must be seen, not averaged away.
    """
    known = ("source", "unseen", "weather", "corruption", "reliability", "anomaly", "reference")
    groups: dict[str, list[float]] = {group: [] for group in known}
    for name, (group, score) in targets.items():
        if group not in groups:
            raise ValueError(f"target {name!r} has unknown group {group!r} (known: {', '.join(groups)})")
        groups[group].append(score)
    return {
        "source": _plain_mean(groups["source"]),
        "unseen_mean": _plain_mean(groups["unseen"]),
        "unseen_worst": float(np.min(groups["unseen"])) if groups["unseen"] else None,
        "weather_mean": _plain_mean(groups["weather"]),
        "corruption_mean": _plain_mean(groups["corruption"]),
        "reliability_mean": _plain_mean(groups["reliability"]),
    }


def _plain_mean(scores: list[float]) -> float | None:
    return float(np.add.reduce(scores) / len(scores)) if scores else None  # `np.mean` to the bit, in half the time
