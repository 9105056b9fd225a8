"""Snow, spatter, fog and frost against the package's: from the same draws pixel by pixel, from others in law."""

from __future__ import annotations

import importlib.util
from typing import Any

import cv2
import moments
import numpy as np
import oracle
import pytest
from pictures import CONTENTS, SIZES, picture, share_within_a_level, street

from bench.data.corruptions import corrupt, layers, weather
from bench.errors import PrerequisiteError

NAMES = ("snow", "spatter", "fog", "frost")
ENOUGH = 0.999
"""Share of values that must be within one grey level."""
SEVERITIES = range(1, 6)


def from_their_draws(name: str, image: np.ndarray, severity: int, seed: int) -> np.ndarray:
    """Ours, from the numbers that the package draws after numpy.random.seed(seed)."""
    draw: Any = np.random.RandomState(seed)
    height, width = image.shape[:2]
    if name == "fog":
        return weather.fogged(image, severity, draw.random_sample(layers.plasma_size(height, width) ** 2 - 1))
    if name == "frost":
        which = draw.randint(5)
        rows, columns = weather.frost_shape(height, width, which)
        return weather.frosted(image, severity, which, draw.randint(0, rows - height), draw.randint(0, columns - width))
    grains = draw.standard_normal((height, width))
    if name == "spatter":
        return weather.spattered(image, severity, grains)
    rows, columns = weather.grains_shape(height, width, severity)  # the package enlarges the middle
    top, left = (height - rows) // 2, (width - columns) // 2
    return weather.snowed(image, severity, grains[top : top + rows, left : left + columns], draw.uniform(-135, -45))


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", NAMES)
def test_same_picture_from_the_same_draws(name: str, content: str) -> None:
    for size in SIZES:
        image = picture(content, *size)
        for severity in SEVERITIES:
            theirs = oracle.seeded(name, image, severity, seed=severity)
            ours = from_their_draws(name, image, severity, severity)
            assert share_within_a_level(ours, theirs) >= ENOUGH, (size, severity)


@pytest.mark.parametrize("name", NAMES)
def test_images_larger_than_the_photographs(name: str) -> None:
    image = street(620, 1000)
    theirs = oracle.seeded(name, image, 3, seed=1)
    assert share_within_a_level(from_their_draws(name, image, 3, 1), theirs) >= ENOUGH


@pytest.mark.parametrize("name", NAMES)
def test_other_draws_or_severities_are_another_picture(name: str) -> None:
    image = street()
    theirs = oracle.seeded(name, image, 3, seed=3)
    for severity, seed in ((3, 4), (2, 3), (4, 3)):
        assert share_within_a_level(from_their_draws(name, image, severity, seed), theirs) < ENOUGH


@pytest.mark.parametrize("name", NAMES)
def test_same_law(name: str) -> None:
    """See moments.py: no statistic apart by more than 4.5 standard errors; next severities are, by more than 9."""
    oracle.package()
    image = moments.textured()
    ours, theirs = {}, {}
    for severity in SEVERITIES:
        ours[severity] = moments.sample(image, lambda seed, s=severity: corrupt(image, name, s, seed))
        theirs[severity] = moments.sample(image, lambda seed, s=severity: oracle.seeded(name, image, s, seed))
        moments.assert_alike(ours[severity], theirs[severity])
    for severity in range(1, 5):
        moments.assert_different(ours[severity], theirs[severity + 1])
        moments.assert_different(ours[severity + 1], theirs[severity])


@pytest.mark.parametrize("name", ["snow", "spatter", "fog", "ice"])
def test_threads_do_not_matter(name: str) -> None:
    image = street()
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = corrupt(image, name, 3, seed=0)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(corrupt(image, name, 3, seed=0), alone)
    finally:
        cv2.setNumThreads(before)


def test_frost_says_how_to_get_its_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    weather._photograph.cache_clear()
    with pytest.raises(PrerequisiteError, match=r"pip install -e '\.\[corruptions\]'") as caught:
        corrupt(street(), "frost", 3, seed=0)
    assert "\n" not in str(caught.value)


def test_frost_finds_its_photographs_without_importing_their_package() -> None:
    if importlib.util.find_spec("imagecorruptions") is None:
        pytest.skip("imagecorruptions is not installed (extra `corruptions`)")
    shapes = {weather._photograph(which).shape for which in range(5)}
    assert shapes == {(600, 900, 3), (315, 560, 3), (350, 527, 3), (495, 660, 3)}
    assert weather._photograph(0) is weather._photograph(0)  # decoded once
