"""Counts and scores against those who count in their own way: mmsegmentation's IoUMetric and scikit-learn."""

from __future__ import annotations

import importlib.util
import multiprocessing
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    jaccard_score,
    log_loss,
    roc_auc_score,
    roc_curve,
)

from bench import metrics, reliability
from bench.metrics import IGNORE
from methods.mmseg import library

needs_mmseg = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in library.PACKAGES),
    reason="mmsegmentation is not installed: pip install -e '.[mmseg]'",
)
CLASSES = 7
SHAPE = (3, 24, 40)


def maps(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels uint8 of SHAPE."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, CLASSES, SHAPE, dtype=np.uint8)
    pred = np.where(rng.random(SHAPE) < 0.6, label, rng.integers(0, CLASSES, SHAPE)).astype(np.uint8)
    label[rng.random(SHAPE) < 0.1] = IGNORE
    if case == "absent classes":
        label[(label == 2) | (label == 4)] = 0
        pred[(pred == 2) | (pred == 4)] = 1
    elif case == "predicted, never present":
        label[label == 3] = 0
    elif case == "one class only":
        label[label != IGNORE], pred[:] = 5, 5
    elif case == "always wrong":
        pred = ((np.where(label == IGNORE, 0, label) + 1) % CLASSES).astype(np.uint8)
    elif case == "one image ignored":
        label[1] = IGNORE
    elif case == "all ignored":
        label[:] = IGNORE
    return pred, label


CASES = (
    *("random", "absent classes", "predicted, never present", "one class only", "always wrong"),
    *("one image ignored", "all ignored"),
)


@pytest.mark.parametrize("case", CASES)
def test_confusion_is_scikit_learns(case: str) -> None:
    pred, label = maps(case)
    kept = label != IGNORE
    conf = metrics.confusion(pred, label, CLASSES)
    if not kept.any():  # scikit-learn refuses that
        assert not conf.any()
        return
    np.testing.assert_array_equal(conf, confusion_matrix(label[kept], pred[kept], labels=range(CLASSES)))
    present = np.unique(label[kept])
    expected = jaccard_score(label[kept], pred[kept], labels=present, average=None)
    np.testing.assert_allclose(metrics.iou(conf)[present], expected, rtol=1e-12)
    assert metrics.miou(conf) == pytest.approx(expected.mean(), rel=1e-12)


@needs_mmseg
@pytest.mark.parametrize("case", CASES)
def test_areas_and_scores_are_mmsegmentations(case: str) -> None:
    library.load_library()
    from mmseg.evaluation.metrics import IoUMetric

    pred, label = maps(case)
    images = [(torch.from_numpy(one), torch.from_numpy(other)) for one, other in zip(pred, label, strict=True)]
    parts = [IoUMetric.intersect_and_union(one, other, CLASSES, IGNORE) for one, other in images]
    areas = [sum(counts) for counts in zip(*parts, strict=True)]
    conf = metrics.confusion(pred, label, CLASSES)
    hits, predicted, truth = np.diag(conf), conf.sum(axis=0), conf.sum(axis=1)
    for found, expected in zip((hits, predicted + truth - hits, predicted, truth), areas, strict=True):
        np.testing.assert_array_equal(found, expected.numpy())
    theirs = IoUMetric.total_area_to_metrics(*areas, metrics=["mIoU"])
    present = truth > 0
    np.testing.assert_allclose(metrics.iou(conf)[present], theirs["IoU"][present], rtol=1e-6)
    np.testing.assert_allclose(metrics.pixel_accuracy(conf), theirs["aAcc"], rtol=1e-6)
    np.testing.assert_allclose(metrics.mean_accuracy(conf), mean(theirs["Acc"]), rtol=1e-6)
    # Where they differ: a class that is predicted and never present is a 0 in mmsegmentation's mean, and left out here.
    phantoms = (predicted > 0) & ~present
    assert phantoms.any() == (case == "predicted, never present")
    assert (theirs["IoU"][phantoms] == 0).all()
    assert np.isnan(metrics.iou(conf)[phantoms]).all()
    zeros = present.sum() / max((present | phantoms).sum(), 1)
    np.testing.assert_allclose(metrics.miou(conf) * zeros, mean(theirs["IoU"]), rtol=1e-6)


def mean(values: np.ndarray) -> float:
    """nanmean as mmsegmentation takes it, without numpy's warning when there is nothing."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


# Calibration


def chances(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (2, CLASSES, 16, 30) float32 and labels uint8, a tenth ignored."""
    generator = torch.Generator().manual_seed(5)
    scores = 3 * torch.randn(2, CLASSES, 16, 30, generator=generator)
    labels = scores.argmax(1)
    wrong = torch.rand(labels.shape, generator=generator) < 0.4
    labels[wrong] = torch.randint(0, CLASSES, labels.shape, generator=generator)[wrong]
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = IGNORE
    probabilities = scores.softmax(1)
    if case == "all equal":
        probabilities = torch.full_like(probabilities, 1 / CLASSES)
    elif case == "certain":  # and in part wrong, at probability 0
        probabilities = torch.nn.functional.one_hot(scores.argmax(1), CLASSES).movedim(-1, 1).float()
    elif case == "on the edges":  # floats on both sides of every multiple of 1/15 that can be a largest of two
        edge = torch.arange(8, 16).repeat(60) / 15
        largest = torch.stack([edge, edge.nextafter(torch.tensor(0.0))]).view(2, 16, 30)
        probabilities = torch.zeros_like(probabilities)
        probabilities[:, 2], probabilities[:, 4] = largest, 1 - largest
    elif case == "all ignored":
        labels[:] = IGNORE
    elif case == "nothing ignored":
        labels[labels == IGNORE] = 0
    return probabilities, labels.to(torch.uint8)


CONFIDENCES = ("random", "all equal", "certain", "on the edges", "all ignored", "nothing ignored")


def naive_bins(probabilities: torch.Tensor, labels: torch.Tensor) -> list[list[Fraction]]:
    """Pixel by pixel in exact fractions, a bin found by looking through all of them."""
    bins = [[Fraction(0)] * 3 for _ in range(15)]
    columns = probabilities.movedim(1, -1).reshape(-1, CLASSES).tolist()
    for row, label in zip(columns, labels.flatten().tolist(), strict=True):
        if label == IGNORE:
            continue
        confidence = Fraction(max(row))
        (place,) = [b for b in range(15) if Fraction(b, 15) < confidence <= Fraction(b + 1, 15)]
        for column, value in enumerate((1, confidence, row.index(max(row)) == label)):
            bins[place][column] += value
    return bins


@pytest.mark.parametrize("case", CONFIDENCES)
def test_calibration_is_the_naive_loops(case: str) -> None:
    probabilities, labels = chances(case)
    found, expected = reliability.calibration(probabilities, labels), naive_bins(probabilities, labels)
    for ours, naive in zip(found.bins(), expected, strict=True):
        assert tuple(map(Fraction, ours)) == tuple(naive)
    total = sum(count for count, _, _ in expected)
    if not total:
        assert np.isnan(metrics.ece(found.bins()))
        return
    gaps = [count / total * abs(right / count - sure / count) for count, sure, right in expected if count]
    assert metrics.ece(found.bins()) == pytest.approx(float(sum(gaps)), rel=1e-12)


@pytest.mark.parametrize("case", CONFIDENCES)
def test_likelihood_is_scikit_learns(case: str) -> None:
    probabilities, labels = chances(case)
    found = reliability.calibration(probabilities, labels)
    kept = labels.flatten() != IGNORE
    assert sum(found.pixels) == int(kept.sum())
    if not kept.any():
        assert np.isnan(metrics.nll(found.nll_sum(), 0))
        return
    rows = probabilities.movedim(1, -1).reshape(-1, CLASSES)[kept].double().numpy()
    floored = np.maximum(rows, reliability.FLOOR)  # their floor is that of the type
    expected = log_loss(labels.flatten()[kept], floored / floored.sum(1, keepdims=True), labels=range(CLASSES))
    assert metrics.nll(found.nll_sum(), sum(found.pixels)) == pytest.approx(expected, rel=1e-6)


# Anomalies


def scored(case: str) -> SimpleNamespace:
    """Two-class probabilities, the anomaly mask, and the score in exact arithmetic's place (float64)."""
    generator = torch.Generator().manual_seed(7)
    mask = (torch.rand(2, 20, 30, generator=generator) < 0.15).to(torch.uint8)
    odds = 2 * torch.randn(mask.shape, generator=generator, dtype=torch.float64) - 4 + 2.5 * mask
    if case == "few scores":  # ties, of both kinds
        odds = odds.round()
    elif case == "all equal":
        odds = torch.full_like(odds, -3.0)
    elif case == "separable":
        odds = mask * 6.0 - 8.0
    elif case == "upside down":
        odds = -6 - odds
    elif case == "next to certain":  # 1 - p has no digits left in float32 there
        odds = 0.5 * odds - 16
    odds = odds.clamp(-19.9, -0.1)
    mask[torch.rand(mask.shape, generator=generator) < 0.2] = IGNORE
    others = odds.sigmoid()
    return SimpleNamespace(probabilities=torch.stack([1 - others, others], 1).float(), mask=mask, odds=odds)


@pytest.mark.parametrize("case", ["random", "few scores", "all equal", "separable", "upside down", "next to certain"])
def test_anomaly_scores_are_scikit_learns(case: str) -> None:
    given = scored(case)
    counts = reliability.anomalies(given.probabilities, given.mask)
    kept = given.mask.flatten() != IGNORE
    truth, odds = given.mask.flatten()[kept].numpy(), given.odds.flatten()[kept].numpy()
    assert (sum(counts.normal), sum(counts.anomaly)) == ((truth == 0).sum(), (truth == 1).sum())
    histograms = (counts.normal, counts.anomaly)
    found = (metrics.auroc(*histograms), metrics.aupr(*histograms), metrics.fpr95(*histograms))
    # Of the same bins the scores are theirs; of the unbinned scores they are close.
    bins = np.repeat(np.tile(np.arange(reliability.ANOMALY_BINS), 2), np.concatenate(histograms))
    kinds = np.repeat([0, 1], [sum(counts.normal), sum(counts.anomaly)])
    assert found == pytest.approx(theirs(kinds, bins), rel=1e-12)
    assert found == pytest.approx(theirs(truth, odds), abs=0.004)


def theirs(truth: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    """AUROC, AUPR and FPR at a TPR of 95% from scikit-learn."""
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    first = float(false[np.argmax(true >= 0.95)])
    return float(roc_auc_score(truth, score)), float(average_precision_score(truth, score)), first


# Processes


def count_image(index: int) -> tuple[np.ndarray, reliability.Calibration, reliability.Anomalies]:
    """All counts of one image of the random cases; called in other processes, too."""
    pred, label = maps("random")
    (probabilities, labels), given = chances("random"), scored("random")
    part = slice(index, index + 1)
    return (
        metrics.confusion(pred[part], label[part], CLASSES),
        reliability.calibration(probabilities[part], labels[part]),
        reliability.anomalies(given.probabilities[part], given.mask[part]),
    )


def test_two_processes_count_what_one_does() -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(count_image, range(2), chunksize=1)
    (probabilities, labels), given, (pred, label) = chances("random"), scored("random"), maps("random")
    np.testing.assert_array_equal(first[0] + second[0], metrics.confusion(pred[:2], label[:2], CLASSES))
    assert first[1] + second[1] == reliability.calibration(probabilities, labels)
    assert first[2] + second[2] == reliability.anomalies(given.probabilities, given.mask)
    assert (first[1] + second[1]).bins() == reliability.calibration(probabilities, labels).bins()
