"""Confusion matrices and what follows from them: numpy only, pure functions.

A confusion matrix is int64 (classes, classes) with the truth in rows and the prediction in columns.
Matrices of disjoint sets of pixels add up, so a set may be scored in parts and merged with `+`.
All scores are fractions in [0, 1]; mIoU is the mean over the classes that occur in the ground truth
(Cityscapes' rule: an absent class is left out, it does not count as 0).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

IGNORE = 255

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def confusion(pred: npt.ArrayLike, label: npt.ArrayLike, classes: int) -> IntArray:
    """Count (truth, prediction) pairs over the labelled pixels.

    `pred` and `label` are integer arrays of one shape; pixels labelled 255 are left out.
    Raises ValueError for shapes that differ and for ids outside [0, classes) (a label map that was
    not translated must never pass as an ignored region).
    """
    predicted, truth = np.asarray(pred), np.asarray(label)
    if predicted.shape != truth.shape:
        raise ValueError(f"prediction {predicted.shape} and label {truth.shape} differ in shape")
    kept = truth != IGNORE
    rows = truth[kept].astype(np.int64)
    columns = predicted[kept].astype(np.int64)
    for what, ids in (("label", rows), ("prediction", columns)):
        if ids.size and (ids.min() < 0 or ids.max() >= classes):
            raise ValueError(f"{what} has ids outside 0..{classes - 1}: {ids.min()}..{ids.max()}")
    pairs = np.bincount(rows * classes + columns, minlength=classes * classes)
    return pairs.reshape(classes, classes).astype(np.int64)


def iou(conf: npt.ArrayLike) -> FloatArray:
    """IoU per class, (classes,): nan for a class that does not occur in the ground truth."""
    matrix = np.asarray(conf, dtype=np.int64)
    hits = np.diag(matrix).astype(np.float64)
    truth, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    union = truth + predicted - np.diag(matrix)
    return np.where(truth > 0, hits / np.maximum(union, 1), np.nan)


def miou(conf: npt.ArrayLike) -> float:
    """Mean IoU over the classes present in the ground truth; nan when nothing is labelled."""
    return _mean(iou(conf))


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
    return _mean(recall)


def summarise(targets: Mapping[str, tuple[str, float]]) -> dict[str, float | None]:
    """Unweighted means over targets by group, from {name: (group, mIoU)}.

    `group` is one of source, unseen, weather, corruption (ValueError otherwise). Keys: source,
    unseen_mean, unseen_worst, weather_mean, corruption_mean; None where the protocol has no target
    of that kind. A target whose mIoU is nan makes its mean nan: a missing score must be seen, not
    averaged away.
    """
    groups: dict[str, list[float]] = {"source": [], "unseen": [], "weather": [], "corruption": []}
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
    }


def _mean(values: FloatArray) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def _plain_mean(scores: list[float]) -> float | None:
    return float(np.mean(scores)) if scores else None
