"""Blur against the published package.

Without chance, or with the same draws: within one level on 99.9% of the pixels, and not lighter or darker by more than
0.05 levels on average (where flat areas are few: there all pixels may be one level off); a neighbouring severity is
neither. With draws of our own: equal in distribution (corruption_case.py).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from corruption_case import Image, contents, same_only_at_its_severity
from oracle import package, seeded
from scipy.stats import chisquare

from bench.data.corruptions import blur, corrupt

FIXED = ("gaussian_blur", "defocus_blur", "zoom_blur")
SIZES = ((32, 32), (33, 47), (64, 48), (97, 130), (128, 255))
SEVERITIES = pytest.mark.parametrize("severity", range(1, 6))


@pytest.fixture(autouse=True)
def _installed() -> None:
    package()


def equal(found: Image, expected: Image) -> bool:
    apart = found.astype(int) - expected
    flat = len(np.unique(expected)) < 99 or (np.diff(expected, axis=1) == 0).mean() > 0.4
    return bool((abs(apart) <= 1).mean() >= 0.999 and (flat or abs(apart.mean()) <= 0.05))


@pytest.mark.parametrize("name", FIXED)
@SEVERITIES
def test_the_same_pixels(name: str, severity: int) -> None:
    for size in SIZES:
        for content, image in contents(*size).items():
            expected = seeded(name, image, severity, 0)
            found = corrupt(image, name, severity, 0)
            assert equal(found, expected) if name != "gaussian_blur" else np.array_equal(found, expected), (
                size,
                content,
            )
            if content == "noise":
                wrong = severity - 1 if severity > 1 else 2
                assert not equal(corrupt(image, name, wrong, 0), expected), size


@pytest.mark.parametrize("name", FIXED)
def test_flat_areas(name: str) -> None:
    """Most levels come out as the package's, to the level, where all that counts is how sums are rounded."""
    same = []
    for level in range(0, 256, 5):
        image = np.full((36, 40, 3), level, np.uint8)
        for severity in range(1, 6):
            found, expected = corrupt(image, name, severity, 0), seeded(name, image, severity, 0)
            assert abs(found.astype(int) - expected).max() <= 1
            same.append((found == expected).mean())
    assert np.mean(same) > 0.7


@pytest.mark.parametrize("name", FIXED)
def test_grey(name: str) -> None:
    grey = contents(45, 60)["smooth"][..., 0].copy()
    found, expected = corrupt(grey, name, 3, 0), seeded(name, grey, 3, 0)
    assert (found.shape, expected.shape) == ((45, 60), (45, 60, 3))
    assert equal(found, expected[..., 2])


class Angle(np.random.Generator):
    """Draws one angle, given."""

    def __init__(self, angle: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.angle = angle

    def uniform(self, *arguments: object) -> float:  # type: ignore[override]
        assert arguments == (-45, 45)
        return self.angle


@SEVERITIES
def test_motion_blur_with_the_same_angle(severity: int) -> None:
    for size in SIZES:  # the first is smaller than the longest trails, which end at its size
        for seed, image in enumerate(contents(*size).values()):
            angle = np.random.RandomState(seed).uniform(-45, 45)  # the package's only draw
            expected = seeded("motion_blur", image, severity, seed)
            assert np.array_equal(blur.motion_blur(image, severity, Angle(angle)), expected), (size, seed)
            assert not equal(blur.motion_blur(image, severity, Angle(angle + 9)), expected)


def package_moves(size: tuple[int, int], severity: int, seed: int) -> list[Image]:
    """Moves of every round as `blur.displace` takes them, drawn as the package does."""
    _, reach, rounds = blur.GLASS[severity - 1]
    state, found = np.random.RandomState(seed), []
    for _ in range(rounds):
        moves = np.zeros(size, np.uint8)
        for row in range(size[0] - reach, reach, -1):
            for column in range(size[1] - reach, reach, -1):
                right, down = state.randint(-reach, reach, size=(2,))
                moves[row, column] = (down + reach) * 2 * reach + right + reach
        found.append(moves.ravel())
    return found


@SEVERITIES
def test_glass_blur_with_the_same_moves(severity: int) -> None:
    for size in SIZES[:3]:
        for seed, image in enumerate(contents(*size).values()):
            expected = seeded("glass_blur", image, severity, seed)
            moves = package_moves(size, severity, seed)
            assert np.array_equal(blur.glass(image, severity, moves), expected), (size, seed)
            assert not equal(blur.glass(image, severity, [m[::-1] for m in moves]), expected)


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_moves_are_equally_likely(reach: int) -> None:
    moves = blur._moves(200_000, reach, np.random.default_rng(0))
    counts = np.bincount(moves, minlength=4 * reach**2)
    assert len(counts) == 4 * reach**2
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(("name", "seeds"), [("motion_blur", 150), ("glass_blur", 30)])
@SEVERITIES
def test_images_are_alike_and_a_neighbouring_severity_is_not(name: str, seeds: int, severity: int) -> None:
    def ours(image: Image, severity: int, seed: int) -> Image:
        return corrupt(image, name, severity, seed)

    same_only_at_its_severity(ours, partial(seeded, name), contents(32, 44)["noise"], severity, seeds)
