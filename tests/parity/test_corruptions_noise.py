"""Noise against the published package: equal in distribution, statistic by statistic (corruption_case.py).

Per image: mean, deviation, skewness, kurtosis of each channel and power in four rings of frequency; over 60 seeds on
each side, their distributions. Besides, the shares of the levels that come of one grey level, over a million draws.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from corruption_case import FOUND, KEPT, Image, contents, same_only_at_its_severity
from oracle import package, seeded
from scipy.stats import chi2_contingency

from bench.data.corruptions import GROUPS, corrupt

NAMES = GROUPS["noise"]
SEEDS = 60


def ours(name: str, image: Image, severity: int, seed: int) -> Image:
    return corrupt(image, name, severity, seed)


@pytest.fixture(autouse=True)
def _installed() -> None:
    package()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", range(1, 6))
def test_images_are_alike_and_a_neighbouring_severity_is_not(name: str, severity: int) -> None:
    image = contents(40, 56)["smooth"]
    same_only_at_its_severity(partial(ours, name), partial(seeded, name), image, severity, SEEDS)


def level_counts(image: Image) -> np.ndarray:
    return np.bincount(image.ravel(), minlength=256)


def p_value(one: np.ndarray, other: np.ndarray) -> float:
    """Chi squared of two counts of levels; neighbours are put together until 20 are expected of each."""
    total, bins, held = one + other, np.zeros(256, int), 0
    for level in range(1, 256):
        held += total[level - 1]
        bins[level] = bins[level - 1] + (held >= 40)
        held = 0 if held >= 40 else held
    if held + total[255] < 40:
        bins[bins == bins[-1]] = max(bins[-1] - 1, 0)
    table = np.stack([np.bincount(bins, counts) for counts in (one, other)])
    return float(chi2_contingency(table).pvalue)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", range(1, 6))
def test_levels_are_as_likely(name: str, severity: int) -> None:
    for level in (3, 90, 254):
        image = np.full((340, 340, 3), level, np.uint8)
        expected = level_counts(seeded(name, image, severity, 1))
        found = level_counts(corrupt(image, name, severity, 1))
        assert p_value(found, expected) > KEPT, level
        if level == 90:
            wrong = level_counts(corrupt(image, name, severity % 5 + 1, 1))
            assert p_value(wrong, expected) < FOUND


@pytest.mark.parametrize("name", NAMES)
def test_values_are_independent(name: str) -> None:
    """Neighbours in a row, in a column and in the channels correlate by less than 5 deviations of chance."""
    noisy = corrupt(np.full((200, 200, 3), 120, np.uint8), name, 3, 0).astype(float) - 120
    noisy = (noisy - noisy.mean()) / noisy.std()
    for axis in range(3):
        for step in (1, 2):
            size = noisy.shape[axis]
            one, other = (np.take(noisy, range(*ends), axis) for ends in ((0, size - step), (step, size)))
            assert abs((one * other).mean()) < 5 / one.size**0.5


def test_black_stays_black_where_noise_multiplies() -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    for name in ("shot_noise", "speckle_noise"):
        assert not corrupt(black, name, 5, 0).any()
        assert not seeded(name, black, 5, 0).any()
