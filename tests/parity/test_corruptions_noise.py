"""Noise against the published package: equal in distribution, statistic by statistic (corruption_case.py).

Per image: mean, deviation, skewness, kurtosis of each channel and power in four rings of frequency; over 60 seeds on
each side, their distributions. Besides, the shares of the levels that come of one grey level, over 346,800 draws;
and, with the package's own draws put into ours, the same pixels.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from corruption_case import FOUND, KEPT, Image, contents, same_only_at_its_severity
from oracle import package, seeded
from scipy.special import ndtr
from scipy.stats import chi2_contingency, poisson

from bench.data.corruptions import GROUPS, corrupt, noise

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


def drawn(monkeypatch: pytest.MonkeyPatch, numbers: np.ndarray) -> None:
    """Let our noise draw these 16-bit numbers."""

    def given(count: int, rng: np.random.Generator) -> np.ndarray:
        assert count == numbers.size
        return numbers.astype(np.uint16).ravel()

    monkeypatch.setattr(noise, "draws", given)


@pytest.mark.parametrize("name", ["gaussian_noise", "speckle_noise"])
@pytest.mark.parametrize("severity", range(1, 6))
def test_the_same_pixels_with_the_same_normal_numbers(
    name: str, severity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One level on 99.9%: the package's numbers, rounded to our 65,536, are less than that apart but in the tails."""
    for image in contents(70, 90).values():
        normal = np.random.RandomState(5).normal(size=image.shape)  # the package's only draw, but for the scale
        expected = seeded(name, image, severity, 5).astype(int)
        drawn(monkeypatch, np.floor(ndtr(normal) * 65536))
        assert (abs(corrupt(image, name, severity, 0) - expected) <= 1).mean() >= 0.999
        drawn(monkeypatch, np.floor(ndtr(1.02 * normal) * 65536))
        if name == "gaussian_noise":
            assert (abs(corrupt(image, name, severity, 0) - expected) <= 1).mean() < 0.999


@pytest.mark.parametrize("severity", range(1, 6))
def test_impulse_noise_with_the_same_masks(severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    amount = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    for image in contents(45, 60).values():
        rng = np.random.default_rng(np.random.RandomState(5).randint(2**31))  # as scikit-image draws (oracle.py)
        struck, salt = rng.random(image.shape) <= amount, rng.random(image.shape) <= 0.5
        numbers = np.where(struck, np.where(salt, 0, round(amount * 65536) - 1), 65535)
        drawn(monkeypatch, numbers)
        np.testing.assert_array_equal(
            corrupt(image, "impulse_noise", severity, 0), seeded("impulse_noise", image, severity, 5)
        )


@pytest.mark.parametrize("photons", [60, 25, 12, 5, 3])
def test_poisson_counts_have_their_chances(photons: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All 65,536 draws of a level: each outcome is drawn as often as the Poisson distribution has it, to one draw."""
    drawn(monkeypatch, np.arange(65536))
    outcomes = np.floor(np.arange(photons + 1) / photons * 255).astype(int)
    severity = [60, 25, 12, 5, 3].index(photons)
    for level in range(0, 256, 15):
        image = np.full((1, 65536, 1), level, np.uint8)
        found = noise.shot_noise(image, severity + 1, np.random.default_rng(0)).ravel()
        chances = poisson.pmf(np.arange(photons), level / 255 * photons)
        expected = np.zeros(256)
        expected[outcomes] = np.append(chances, 1 - chances.sum()) * 65536
        assert abs(np.bincount(found, minlength=256) - expected).max() <= 1


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
