"""The digital corruptions against the package's: deterministic ones pixel by pixel, elastic_transform also in law."""

from __future__ import annotations

import moments
import numpy as np
import oracle
import pytest
from pictures import CONTENTS, SIZES, picture, share_within_a_level, street

from bench.data.corruptions import corrupt, digital

FIXED = ("brightness", "contrast", "saturate", "jpeg_compression", "pixelate")
ENOUGH = 0.999
"""Share of values that must be within one grey level."""
SEVERITIES = range(1, 6)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", FIXED)
def test_same_picture(name: str, content: str) -> None:
    for size in SIZES:
        image = picture(content, *size)
        for severity in SEVERITIES:
            theirs = oracle.seeded(name, image, severity, seed=0)
            assert share_within_a_level(corrupt(image, name, severity, seed=0), theirs) >= ENOUGH, (size, severity)


@pytest.mark.parametrize("name", FIXED)
def test_another_severity_is_another_picture(name: str) -> None:
    image = street()
    for severity in range(1, 5):
        one, other = (corrupt(image, name, severity + more, seed=0) for more in (0, 1))
        assert share_within_a_level(one, oracle.seeded(name, image, severity + 1, seed=0)) < ENOUGH
        assert share_within_a_level(other, oracle.seeded(name, image, severity, seed=0)) < ENOUGH


def elastic(image: np.ndarray, severity: int, seed: int) -> np.ndarray:
    """Ours, from the numbers that the package draws."""
    draws = np.random.RandomState(seed).random_sample((2, *image.shape[:2]))
    return digital.warp(image, digital.displacement(draws, severity))


@pytest.mark.parametrize("content", CONTENTS)
def test_elastic_transform_from_the_same_draws(content: str) -> None:
    for size in SIZES:
        image = picture(content, *size)
        for severity in SEVERITIES:
            theirs = oracle.seeded("elastic_transform", image, severity, seed=severity)
            assert share_within_a_level(elastic(image, severity, severity), theirs) >= ENOUGH, (size, severity)


def test_elastic_transform_from_other_draws_or_severities_differs() -> None:
    image = street()
    theirs = oracle.seeded("elastic_transform", image, 3, seed=3)
    for severity, seed in ((3, 4), (2, 3), (4, 3)):
        assert share_within_a_level(elastic(image, severity, seed), theirs) < ENOUGH


def test_elastic_transform_in_law() -> None:
    """See moments.py: no statistic apart by more than 4.5 standard errors; next severities are, by more than 9."""
    image = street(96, 128)
    ours, theirs = {}, {}
    for severity in SEVERITIES:
        ours[severity] = moments.sample(image, lambda seed, s=severity: corrupt(image, "elastic_transform", s, seed))
        theirs[severity] = moments.sample(
            image, lambda seed, s=severity: oracle.seeded("elastic_transform", image, s, seed)
        )
        moments.assert_alike(ours[severity], theirs[severity])
    for severity in range(1, 5):
        moments.assert_different(ours[severity], theirs[severity + 1])
        moments.assert_different(ours[severity + 1], theirs[severity])
