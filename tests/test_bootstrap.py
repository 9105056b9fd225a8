"""The bootstrap against every resample there is, Holm's method against his arithmetic, and ranks that tie."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from bench import metrics
from bench.report.bootstrap import Drawn, Run, difference, draw, holm, image_counts

CLASSES = 3


def confusions(rng: np.random.Generator, images: int, right: int, place: int = 0) -> np.ndarray:
    """So many images of a place: the same labels each time, and predictions that are the better the more is right."""
    labels = np.random.default_rng(place).integers(80, 200, (images, CLASSES))
    return missed(labels, rng.integers(0, 81 - right // 2, (2, images, CLASSES)) // 2)


def missed(labels: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(images, classes, classes) of labels (images, classes), of which so many go to either other class (2, ...)."""
    found = np.zeros((*labels.shape, CLASSES), dtype=np.int64)
    found[:, range(CLASSES), range(CLASSES)] = labels - wrong.sum(axis=0)
    found[:, range(CLASSES), [1, 2, 0]] = wrong[0]
    found[:, range(CLASSES), [2, 0, 1]] = wrong[1]
    return found


def run(arrays: dict[str, np.ndarray], seed: int = 0) -> Run:
    return Run(seed, {name: image_counts(array) for name, array in arrays.items()}, dict.fromkeys(arrays, "list"))


def draws_of(rows: list[list[Run]], targets: list[str], draws: int, **options: int) -> np.ndarray:
    return np.stack([drawn.draws for drawn in draw(rows, targets, draws=draws, **options)])


def every_resample(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Differences of mIoU over all equally likely ways to draw as many images."""
    ways = product(range(len(first)), repeat=len(first))
    return np.array([100 * (metrics.miou(first[list(w)].sum(0)) - metrics.miou(second[list(w)].sum(0))) for w in ways])


def test_draws_are_those_of_all_resamples() -> None:
    rng = np.random.default_rng(0)
    first, second = confusions(rng, 5, 60), confusions(rng, 5, 50)
    exact = every_resample(first, second)
    draws = draws_of([[run({"a": first})], [run({"a": second})]], ["a"], draws=20_000)
    apart = draws[0] - draws[1]
    assert apart.mean() == pytest.approx(exact.mean(), abs=0.05)
    assert apart.std() == pytest.approx(exact.std(), rel=0.02)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert np.quantile(apart, share) == pytest.approx(np.quantile(exact, share), abs=0.1 * exact.std())
    assert (apart <= 0).mean() == pytest.approx((exact <= 0).mean(), abs=0.01)


def test_a_class_that_no_drawn_image_has_is_left_out() -> None:
    rare = np.zeros((2, CLASSES, CLASSES), dtype=np.int64)
    rare[:, 0, 0] = 10
    rare[0, 1, 0] = 10  # half of the first image is missed
    (draws,) = draws_of([[run({"a": rare})]], ["a"], draws=400)
    assert {round(float(value), 6) for value in draws} == {25.0, round(100 * (2 / 3 + 0) / 2, 6), 100.0}


def test_targets_of_other_scenes_are_drawn_from_on_their_own() -> None:
    rng = np.random.default_rng(1)
    arrays = {name: confusions(rng, 40, 40, place) for place, name in enumerate("ab")}
    (both,) = draw([[run(arrays)]], ["a", "b"], draws=4000)
    alone = [draws_of([[run(arrays)]], [name], draws=4000)[0] for name in arrays]
    np.testing.assert_allclose(both.draws, (alone[0] + alone[1]) / 2)
    assert abs(np.corrcoef(*alone)[0, 1]) < 0.06
    assert (both.images, both.freedom) == (80, 78)


def under_another_weather(arrays: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same labels in each image, other predictions."""
    return missed(arrays.sum(axis=2), rng.integers(0, 20, (2, *arrays.shape[:2])))


def test_a_scene_is_drawn_for_all_targets_that_show_it() -> None:
    """Ten weathers of the same scenes, all scored alike, tell no more than one of them."""
    rng = np.random.default_rng(10)
    clean = confusions(rng, 12, 40)
    shuffled = rng.permutation(12)
    (one,) = draw([[run({"clean": clean})]], ["clean"], draws=2000)
    same = {f"weather-{number}": clean for number in range(9)} | {"shuffled": clean[shuffled], "clean": clean}
    (many,) = draw([[run(same)]], list(same), draws=2000)
    assert (many.images, many.freedom) == (one.images, one.freedom) == (12, 11)
    assert many.draws.std() == pytest.approx(one.draws.std(), rel=0.05)
    fog = run({"clean": clean, "fog": under_another_weather(clean, rng)[shuffled]})
    (both,) = draw([[fog]], ["clean", "fog"], draws=2000)
    assert (both.images, both.freedom) == (12, 11)


def test_the_first_images_of_a_set_are_drawn_with_it() -> None:
    """Corruptions of the first 5 of 20 images: each draw has 5 of these and 15 of the others."""
    rng = np.random.default_rng(11)
    clean = confusions(rng, 20, 40)
    arrays = {"clean": clean, "noise": under_another_weather(clean[:5], rng), "blur": clean[:5]}
    (drawn,) = draw([[run(arrays)]], list(arrays), draws=3000)
    assert (drawn.images, drawn.freedom) == (20, 18)
    wanted = np.mean([100 * metrics.miou(array.sum(0)) for array in arrays.values()])
    assert drawn.scores[0] == pytest.approx(wanted)
    alike = {name: np.repeat(array[:1], len(array), axis=0) for name, array in arrays.items()}
    alike["clean"][5:] = clean[5:6]  # two kinds of images, always 5 of the one and 15 of the other
    (still,) = draw([[run(alike)]], list(alike), draws=100)
    np.testing.assert_allclose(still.draws, still.scores[0])


def test_images_without_labels_and_equal_ones_are_each_their_own() -> None:
    empty = np.zeros((3, CLASSES, CLASSES), dtype=np.int64)
    empty[2] = 5
    arrays = {"a": empty, "b": np.concatenate([empty[:2], empty[2:], empty[2:]])}
    (drawn,) = draw([[run(arrays)]], ["a", "b"], draws=200)
    assert drawn.images == 2 + 2 + 2  # of nothing in a and in b; one in both, and its double in b alone


def test_the_same_draws_each_time_and_others_of_another_seed() -> None:
    rng = np.random.default_rng(2)
    rows = [[run({"a": confusions(rng, 10, 40)})] for _ in range(3)]
    whole = draws_of(rows, ["a"], draws=1500)
    np.testing.assert_array_equal(draws_of(rows, ["a"], draws=1500), whole)
    np.testing.assert_array_equal(draws_of(rows[1:], ["a"], draws=1500), whole[1:], "whoever is compared beside it")
    assert not np.array_equal(draws_of(rows, ["a"], draws=1500, seed=1), whole)


def test_counts_beyond_float32_are_exact() -> None:
    rng = np.random.default_rng(3)
    arrays = confusions(rng, 6, 40)
    small, large = (draws_of([[run({"a": arrays * factor})]], ["a"], draws=500) for factor in (1, 2**27))
    np.testing.assert_allclose(large, small, rtol=1e-12)


def test_pairing_makes_intervals_narrow() -> None:
    rng = np.random.default_rng(4)
    easy = rng.integers(20, 200, (50, 1, 1))
    first = confusions(rng, 50, 0) + easy * np.eye(CLASSES, dtype=int)
    second = first.copy()
    second[:, 0, 1] += 2
    second[:, 0, 0] -= 2
    both = draw([[run({"a": first})], [run({"a": second})]], ["a"], draws=2000)
    assert (both[0].draws - both[1].draws).std() < both[0].draws.std() / 5
    found = difference(both[0], both[1])
    assert 0 < found.low < found.value < found.high
    assert found.p == pytest.approx(2 / 2001)


def test_equal_rows_tie_and_p_never_passes_1() -> None:
    same = draw([[run({"a": confusions(np.random.default_rng(5), 10, 40)})]] * 2, ["a"], draws=200)
    assert difference(same[0], same[1]) == (0.0, 0.0, 0.0, 1.0)


def test_draws_without_labels_say_nothing() -> None:
    """A mIoU that is not a number is on neither side of 0: it must make no difference significant."""
    rng = np.random.default_rng(0)
    counts = [confusions(rng, 4, right) for right in (20, 120)]
    for each in counts:
        each[1:] = 0
    one, other = draw([[run({"a": each})] for each in counts], ["a"])
    assert np.isnan(one.draws).mean() == pytest.approx(0.75**4, abs=0.02)
    for found in (difference(one, other), difference(one, one)):
        assert found.low <= found.value <= found.high
    assert difference(one, one).p == 1
    none = one._replace(draws=np.full(10_000, np.nan))
    assert difference(none, other)[1:] == (-100, 100, 1)


def test_one_image_tells_nothing() -> None:
    rng = np.random.default_rng(13)
    first, second = draw([[run({"a": confusions(rng, 1, right)})] for right in (90, 10)], ["a"], draws=200)
    found = difference(first, second)
    assert found.value > 5
    assert found[1:] == (-100.0, 100.0, 1.0)


def by_chance(rng: np.random.Generator, images: int, targets: int, seeds: int, apart: float) -> float:
    """How often two methods that are equally good are called different; trainings of each are `apart`."""
    low = 0
    for _ in range(200):
        labels = rng.integers(200, 400, (images, CLASSES))
        rows = []
        for _ in range(2):
            hard = rng.normal(0.35, 0.05, (images, 1))  # in all weathers
            found = []
            for seed in range(seeds):
                share = hard + rng.normal(0, apart)
                arrays = {}
                for number in range(targets):
                    wrong = np.rint(labels * share.clip(0.05, 0.95)).astype(int)
                    array = np.zeros((images, CLASSES, CLASSES), dtype=int)
                    array[:, range(CLASSES), range(CLASSES)] = labels - wrong
                    array[:, range(CLASSES), [1, 2, 0]] = wrong
                    arrays[f"weather-{number}"] = array
                found.append(run(arrays, seed))
            rows.append(found)
        first, second = draw(rows, list(arrays), draws=300)
        low += difference(first, second).p < 0.05
    return low / 200


@pytest.mark.parametrize(
    ("images", "targets", "seeds", "apart"),
    [(40, 1, 1, 0.0), (6, 1, 1, 0.0), (12, 6, 1, 0.0), (40, 1, 3, 0.03), (40, 1, 2, 0.03)],
)
def test_by_chance_alone_few_differences_are_called_significant(images, targets, seeds, apart) -> None:
    rng = np.random.default_rng([images, targets, seeds])
    assert by_chance(rng, images, targets, seeds, apart) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def of_seeds(*rows: Sequence[int]) -> list[Drawn]:
    """Rows whose trainings miss so many pixels of 1000 of each class, the same in each of many images."""
    runs = []
    for wrong in rows:
        arrays = []
        for missed in wrong:
            array = np.zeros((200, CLASSES, CLASSES), dtype=int)
            array[:, range(CLASSES), range(CLASSES)] = 1000 - missed
            array[:, range(CLASSES), [1, 2, 0]] = missed
            arrays.append(array)
        runs.append([run({"a": array}, seed) for seed, array in enumerate(arrays)])
    return draw(runs, ["a"], draws=10_000)


def test_seeds_are_a_t_test_where_images_do_not_vary() -> None:
    """Student's, by scipy, of the very scores; of one row that varies more than the other, by its own variance."""
    stats = pytest.importorskip("scipy.stats")
    first, second = of_seeds([300, 312, 296], [318, 325, 331])
    own = [drawn.scores.var(ddof=1) for drawn in (first, second)]
    error = np.sqrt(own[0] / 3 + np.mean(own) / 3)
    assert own[0] > own[1]
    found, value = difference(first, second), first.scores.mean() - second.scores.mean()
    assert found.value == pytest.approx(value)
    assert found.p == pytest.approx(2 * stats.t.sf(value / error, 4), rel=0.3)
    reach = stats.t.ppf(0.975, 4) * error
    assert (found.low, found.high) == pytest.approx((value - reach, value + reach), abs=0.1 * reach)
    alike = of_seeds([300, 312, 296], [318, 330, 314])
    wanted = stats.ttest_ind(alike[0].scores, alike[1].scores).pvalue
    assert difference(*alike).p == pytest.approx(wanted, rel=0.3)


def test_a_single_seed_is_taken_to_vary_as_those_beside_it() -> None:
    """Crawford and Howell's t of a single case (Journal of Clinical and Experimental Neuropsychology 1998)."""
    stats = pytest.importorskip("scipy.stats")
    first, second = of_seeds([300], [330, 320, 326, 332])
    t = (first.scores[0] - second.scores.mean()) / (second.scores.std(ddof=1) * np.sqrt(1 + 1 / 4))
    assert difference(first, second).p == pytest.approx(2 * stats.t.sf(t, 3), rel=0.3)


def test_all_rows_say_how_far_trainings_vary() -> None:
    rows = [[300, 312, 296], [318, 330, 314], [350, 362, 346], [400]]
    four, two = of_seeds(*rows), of_seeds(*rows[:2])
    assert [drawn.trainings for drawn in four] == [6] * 4
    assert four[3].variance == pytest.approx(3 * four[2].variance, rel=0.05)
    assert difference(four[0], four[1]).p < difference(two[0], two[1]).p


def test_of_single_seeds_the_images_alone_are_asked() -> None:
    first, second = of_seeds([300], [301])
    assert (first.trainings, first.variance) == (0, 0.0)
    assert difference(first, second).p == pytest.approx(2 / 10_001)


def test_other_images_are_refused() -> None:
    rng = np.random.default_rng(8)
    first, second = (run({"a": confusions(rng, 5, 40)}) for _ in range(2))
    with pytest.raises(ValueError, match="not the same labels"):
        draw([[first], [run({"a": confusions(rng, 5, 40, place=1)})]], ["a"])
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
    counts = rng.integers(0, 40_000, (500, 19, 19))
    runs = [[run({"a": each})] for each in (counts, rng.permuted(counts, axis=2))]  # the same labels
    times = []
    for _ in range(3):  # processor time: other work on the machine is not the question
        began = time.process_time()
        draws = draw(runs, ["a"])
        times.append(time.process_time() - began)
    assert [each.draws.shape for each in draws] == [(10_000,)] * 2
    assert min(times) < 2
