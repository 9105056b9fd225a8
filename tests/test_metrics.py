"""Metrics against scikit-learn, which counts in its own way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

from bench import metrics

CLASSES = 19


@pytest.fixture
def maps() -> tuple[np.ndarray, np.ndarray]:
    """Prediction and label of four images; class 4 never in the truth, 5 in neither, 12% ignored."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, CLASSES, (4, 20, 30)).astype(np.uint8)
    pred = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, CLASSES, label.shape)).astype(np.uint8)
    label[(label == 4) | (label == 5)] = 0
    pred[pred == 5] = 1
    label[rng.random(label.shape) < 0.12] = metrics.IGNORE
    return pred, label


def test_agrees_with_scikit_learn(maps: tuple[np.ndarray, np.ndarray]) -> None:
    pred, label = maps
    kept = label != metrics.IGNORE
    truth, found = label[kept], pred[kept]
    conf = metrics.confusion(pred, label, CLASSES)
    assert conf.dtype == np.int64
    np.testing.assert_array_equal(conf, confusion_matrix(truth, found, labels=range(CLASSES)))
    present = sorted(set(truth.tolist()))
    expected = jaccard_score(truth, found, labels=present, average=None)
    np.testing.assert_allclose(metrics.iou(conf)[present], expected)
    assert metrics.miou(conf) == pytest.approx(expected.mean())
    assert metrics.pixel_accuracy(conf) == pytest.approx(accuracy_score(truth, found))
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        assert metrics.mean_accuracy(conf) == pytest.approx(balanced_accuracy_score(truth, found))


def test_classes_absent_from_the_truth_are_not_zeros(maps: tuple[np.ndarray, np.ndarray]) -> None:
    conf = metrics.confusion(*maps, CLASSES)
    assert conf[:, 4].sum() > 0  # predicted, so its union is not empty
    assert np.isnan(metrics.iou(conf)[[4, 5]]).all()
    assert metrics.miou(conf) == pytest.approx(np.delete(metrics.iou(conf), [4, 5]).mean())


def test_rows_are_the_truth() -> None:
    conf = metrics.confusion([1, 1, 1], [0, 0, 1], 2)
    np.testing.assert_array_equal(conf, [[0, 2], [0, 1]])
    np.testing.assert_allclose(metrics.iou(conf), [0, 1 / 3])


def test_parts_merge_to_the_whole(maps: tuple[np.ndarray, np.ndarray]) -> None:
    pred, label = maps
    halves = [metrics.confusion(pred[part], label[part], CLASSES) for part in (slice(0, 1), slice(1, 4))]
    np.testing.assert_array_equal(halves[0] + halves[1], metrics.confusion(pred, label, CLASSES))


def test_nothing_labelled_is_nan_not_zero() -> None:
    conf = metrics.confusion([0, 1], [255, 255], 2)
    for score in (metrics.miou, metrics.pixel_accuracy, metrics.mean_accuracy):
        assert np.isnan(score(conf))


@pytest.mark.parametrize(("pred", "label"), [([0], [19]), ([0], [254]), ([19], [0]), ([-1], [0]), ([0, 0], [0])])
def test_bad_ids_and_shapes_are_refused(pred: list[int], label: list[int]) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.18|differ in shape"):
        metrics.confusion(pred, label, CLASSES)


def test_summary_is_by_group_and_unweighted() -> None:
    targets = {"s": ("source", 0.6), "a": ("unseen", 0.2), "b": ("unseen", 0.4), "c": ("corruption", 0.1)}
    assert metrics.summarise(targets) == {
        "source": 0.6,
        "unseen_mean": pytest.approx(0.3),
        "unseen_worst": 0.2,
        "weather_mean": None,
        "corruption_mean": 0.1,
    }
    with pytest.raises(ValueError, match="unknown group 'seen'"):
        metrics.summarise({"x": ("seen", 0.5)})
    missing = metrics.summarise({"a": ("unseen", float("nan")), "b": ("unseen", 0.4)})
    assert np.isnan(missing["unseen_mean"])
    assert np.isnan(missing["unseen_worst"])
