"""The bootstrap against every resample there is, Holm's method against his arithmetic, and ranks that tie."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest

from bench import metrics
from bench.report.bootstrap import Run, difference, draw, holm, image_counts

CLASSES = 3


def confusions(rng: np.random.Generator, images: int, right: int) -> np.ndarray:
    found = rng.integers(0, 30, (images, CLASSES, CLASSES))
    found[:, range(CLASSES), range(CLASSES)] += right
    return found


def run(arrays: dict[str, np.ndarray], seed: int = 0) -> Run:
    return Run(seed, {name: image_counts(array) for name, array in arrays.items()}, dict.fromkeys(arrays, "list"))


def every_resample(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Differences of mIoU over all equally likely ways to draw as many images."""
    ways = product(range(len(first)), repeat=len(first))
    return np.array([100 * (metrics.miou(first[list(w)].sum(0)) - metrics.miou(second[list(w)].sum(0))) for w in ways])


def test_draws_are_those_of_all_resamples() -> None:
    rng = np.random.default_rng(0)
    first, second = confusions(rng, 5, 60), confusions(rng, 5, 50)
    exact = every_resample(first, second)
    draws = draw([[run({"a": first})], [run({"a": second})]], ["a"], draws=20_000)
    apart = draws[0] - draws[1]
    assert apart.mean() == pytest.approx(exact.mean(), abs=0.05)
    assert apart.std() == pytest.approx(exact.std(), rel=0.02)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert np.quantile(apart, share) == pytest.approx(np.quantile(exact, share), abs=0.15)
    assert (apart <= 0).mean() == pytest.approx((exact <= 0).mean(), abs=0.01)


def test_a_class_that_no_drawn_image_has_is_left_out() -> None:
    rare = np.zeros((2, CLASSES, CLASSES), dtype=np.int64)
    rare[:, 0, 0] = 10
    rare[0, 1, 0] = 10  # half of the first image is missed
    (draws,) = draw([[run({"a": rare})]], ["a"], draws=400)
    assert {round(float(value), 6) for value in draws} == {25.0, round(100 * (2 / 3 + 0) / 2, 6), 100.0}


def test_every_target_is_drawn_from_on_its_own() -> None:
    rng = np.random.default_rng(1)
    arrays = {name: confusions(rng, 40, 40) for name in ("a", "b")}
    alone = {name: draw([[run(arrays)]], [name], draws=4000)[0] for name in arrays}
    both = draw([[run(arrays)]], ["a", "b"], draws=4000)[0]
    np.testing.assert_allclose(both, (alone["a"] + alone["b"]) / 2)
    assert abs(np.corrcoef(alone["a"], alone["b"])[0, 1]) < 0.06


def test_the_same_draws_each_time_and_others_of_another_seed() -> None:
    rng = np.random.default_rng(2)
    rows = [[run({"a": confusions(rng, 10, 40)})] for _ in range(3)]
    whole = draw(rows, ["a"], draws=1500)
    np.testing.assert_array_equal(draw(rows, ["a"], draws=1500), whole)
    np.testing.assert_array_equal(draw(rows[1:], ["a"], draws=1500), whole[1:], "whoever is compared beside it")
    assert not np.array_equal(draw(rows, ["a"], draws=1500, seed=1), whole)


def test_counts_beyond_float32_are_exact() -> None:
    rng = np.random.default_rng(3)
    arrays = confusions(rng, 6, 40)
    small, large = (draw([[run({"a": arrays * factor})]], ["a"], draws=500) for factor in (1, 2**27))
    np.testing.assert_allclose(large, small, rtol=1e-12)


def test_pairing_makes_intervals_narrow() -> None:
    rng = np.random.default_rng(4)
    easy = rng.integers(20, 200, (50, 1, 1))
    first = confusions(rng, 50, 0) + easy * np.eye(CLASSES, dtype=int)
    second = first.copy()
    second[:, 0, 1] += 2
    both = draw([[run({"a": first})], [run({"a": second})]], ["a"], draws=2000)
    assert (both[0] - both[1]).std() < both[0].std() / 5
    found = difference(both[0], both[1], 1.0)
    assert 0 < found.low < found.high
    assert found.p == pytest.approx(2 / 2001)


def test_equal_rows_tie_and_p_never_passes_1() -> None:
    same = draw([[run({"a": confusions(np.random.default_rng(5), 10, 40)})]] * 2, ["a"], draws=200)
    assert difference(same[0], same[1], 0.0) == (0.0, 0.0, 0.0, 1.0)


def test_by_chance_alone_few_differences_are_called_significant() -> None:
    rng = np.random.default_rng(6)
    low = 0
    for _ in range(200):
        rows = [[run({"a": confusions(rng, 40, 40)})] for _ in range(2)]
        draws = draw(rows, ["a"], draws=400)
        low += difference(draws[0], draws[1], 0.0).p < 0.05
    assert 2 <= low <= 22  # 10 expected


def test_seeds_are_resampled_together() -> None:
    rng = np.random.default_rng(7)
    arrays = [confusions(rng, 30, right) for right in (20, 60)]
    rows = [[run({"a": array}, seed) for seed, array in enumerate(arrays)] for _ in range(2)]
    first, second = draw(rows, ["a"], draws=2000)
    np.testing.assert_array_equal(first, second, "the same seeds are drawn for both")
    alone = [draw([[each]], ["a"], draws=2000)[0] for each in rows[0]]
    quarters = [np.mean(np.isclose(first, value)) for value in (alone[0], (alone[0] + alone[1]) / 2, alone[1])]
    assert quarters == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    back = draw([list(reversed(rows[0]))], ["a"], draws=2000)[0]
    np.testing.assert_array_equal(back, first, "in whichever order they are given")


def test_other_images_are_refused() -> None:
    rng = np.random.default_rng(8)
    first, second = (run({"a": confusions(rng, 5, 40)}) for _ in range(2))
    with pytest.raises(ValueError, match="not of the same images"):
        draw([[first], [second._replace(lists={"a": "another"})]], ["a"])


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


def test_10_000_draws_of_500_images_take_under_two_seconds() -> None:
    rng = np.random.default_rng(9)
    counts = rng.integers(0, 40_000, (2, 500, 19, 19))
    runs = [[run({"a": each})] for each in counts]
    times = []
    for _ in range(3):  # processor time: other work on the machine is not the question
        began = time.process_time()
        draws = draw(runs, ["a"])
        times.append(time.process_time() - began)
    assert draws.shape == (2, 10_000)
    assert min(times) < 2
