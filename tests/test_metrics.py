"""Metrics against scikit-learn, which counts in its own way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

from bench import metrics
from bench.data import labels

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


def test_any_integers_count_the_same(maps: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    pred, label = maps
    expected = metrics.confusion(pred, label, CLASSES)
    for kind in (np.int64, np.int16, np.uint16):
        np.testing.assert_array_equal(metrics.confusion(pred.astype(kind), label.astype(kind), CLASSES), expected)
    with pytest.raises(ValueError, match=r"label has ids outside 0\.\.18: -1\.\.18"):  # 255 in 8 bits with a sign
        metrics.confusion(pred, label.astype(np.int8), CLASSES)
    some = (slice(None), slice(None, None, -1), slice(None, None, 2))
    copies = pred[some].copy(), label[some].copy()
    np.testing.assert_array_equal(
        metrics.confusion(pred[some], label[some], CLASSES), metrics.confusion(*copies, CLASSES)
    )
    ones = np.ones(2**24 + 3, dtype=np.uint8)  # float32 would make it 2^24 + 4
    assert metrics.confusion(ones, ones, 2)[1, 1] == 2**24 + 3
    monkeypatch.setattr(metrics, "_EXACT", 7)  # many blocks
    np.testing.assert_array_equal(metrics.confusion(pred, label, CLASSES), expected)


def test_what_is_predicted_where_nothing_is_labelled_does_not_matter() -> None:
    np.testing.assert_array_equal(
        metrics.confusion([-4, 255, 19, 300, 1], [255, 255, 255, 255, 0], 2), [[0, 1], [0, 0]]
    )


def test_as_many_classes_as_a_byte_holds_beside_255() -> None:
    assert metrics.confusion([254], [254], 255)[254, 254] == 1
    for prediction, truth in (([255], [3]), ([3], [256]), ([2**40], [3]), ([3], [-1])):
        with pytest.raises(ValueError, match=r"outside 0\.\.254"):
            metrics.confusion(prediction, truth, 255)
    for classes in (0, 256):
        with pytest.raises(ValueError, match=f"{classes} classes: 1 to 255"):
            metrics.confusion([0], [0], classes)
    with pytest.raises(ValueError, match="class ids are integers, not float64"):
        metrics.confusion([0.0], [0], 2)


def test_a_mean_over_some_classes_counts_all_pixels() -> None:
    conf = np.array([[8, 0, 2], [0, 5, 0], [4, 0, 1]])
    assert metrics.miou(conf, [0]) == pytest.approx(8 / 14)  # what is taken for the class left out, and for this one
    assert metrics.miou(conf, [0, 1]) == pytest.approx((8 / 14 + 1) / 2)
    assert metrics.miou(conf, (0, 1, 2)) == metrics.miou(conf)
    assert metrics.miou(np.diag([3, 0, 3]), [0, 1]) == 1.0  # the absent one is left out here too
    assert np.isnan(metrics.miou(np.diag([3, 0, 3]), [1]))


def test_the_classes_of_synthia() -> None:
    names = [{labels.CLASSES[index] for index in chosen} for chosen in (metrics.SYNTHIA_16, metrics.SYNTHIA_13)]
    assert set(labels.CLASSES) - names[0] == {"terrain", "truck", "train"}
    assert names[0] - names[1] == {"wall", "fence", "pole"}
    assert (len(metrics.SYNTHIA_16), len(metrics.SYNTHIA_13)) == (16, 13)


def test_calibration_error_by_hand() -> None:
    assert metrics.ece([[10, 9.0, 9], [0, 0.0, 0]]) == 0
    assert metrics.ece([[6, 3.0, 6], [2, 2.0, 0]]) == pytest.approx(6 / 8 * 0.5 + 2 / 8 * 1.0)
    assert np.isnan(metrics.ece(np.zeros((15, 3))))
    assert metrics.nll(3.0, 4) == 0.75
    assert np.isnan(metrics.nll(0.0, 0))


def test_anomaly_scores_by_hand() -> None:
    normal, anomaly = [6, 2, 0, 2], [0, 1, 0, 3]
    assert metrics.auroc(normal, anomaly) == pytest.approx((3 * (8 + 2 / 2) + 1 * (6 + 2 / 2)) / 40)
    assert metrics.aupr(normal, anomaly) == pytest.approx(3 / 4 * 3 / 5 + 1 / 4 * 4 / 8)
    assert metrics.fpr95(normal, anomaly) == 0.4
    assert metrics.fpr95([90, 10], [5, 95]) == 0.1  # 95% are enough
    assert metrics.fpr95([90, 10], [6, 94]) == 1.0
    many = 10**11  # of which products do not fit into 64 bits
    assert metrics.auroc([many, 0], [0, many]) == metrics.aupr([many, 0], [0, many]) == 1.0
    for score in (metrics.auroc, metrics.aupr, metrics.fpr95):
        assert np.isnan(score([0, 0], [1, 1]))
        assert np.isnan(score([1, 1], [0, 0]))


def test_summary_is_by_group_and_unweighted() -> None:
    targets = {"s": ("source", 0.6), "a": ("unseen", 0.2), "b": ("unseen", 0.4), "c": ("corruption", 0.1)}
    assert metrics.summarise(targets) == {
        "source": 0.6,
        "unseen_mean": pytest.approx(0.3),
        "unseen_worst": 0.2,
        "weather_mean": None,
        "corruption_mean": 0.1,
        "reliability_mean": None,
    }
    with pytest.raises(ValueError, match="unknown group 'seen'"):
        metrics.summarise({"x": ("seen", 0.5)})
    missing = metrics.summarise({"a": ("unseen", float("nan")), "b": ("unseen", 0.4)})
    assert np.isnan(missing["unseen_mean"])
    assert np.isnan(missing["unseen_worst"])
