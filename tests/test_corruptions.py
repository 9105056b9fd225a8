"""The 19 corruptions: strength, determinism, any size, cost."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest

from bench.data import corruptions
from bench.data.corruptions import COMMON, GROUPS, NAMES, corrupt
from bench.errors import BenchError, UnknownName
from bench.protocols import COMMON_CORRUPTIONS


def picture(height: int = 64, width: int = 96) -> np.ndarray:
    """A smooth coloured scene with some texture."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(40, 200, (6, 9, 3)).astype(np.float32), (width, height))
    return np.clip(coarse + rng.normal(0, 8, coarse.shape), 0, 255).astype(np.uint8)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_names() -> None:
    assert len(NAMES) == len(set(NAMES)) == 19
    assert len(COMMON) == 16
    assert {len(group) for group in GROUPS.values()} == {4}
    assert COMMON == COMMON_CORRUPTIONS


@pytest.mark.parametrize("name", NAMES)
def test_is_a_function_of_its_arguments(name: str) -> None:
    image = picture()
    before = image.copy()
    first = corrupt(image, name, 3, seed=5)
    assert (first.dtype, first.shape) == (np.uint8, image.shape)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(first, corrupt(image, name, 3, seed=5))
    assert distance(first, image) > 1
    np.testing.assert_array_equal(corrupt(image, name, 0, seed=5), image)
    drawn = name not in ("defocus_blur", "gaussian_blur", "zoom_blur", *GROUPS["digital"], "pixelate")
    assert np.array_equal(first, corrupt(image, name, 3, seed=6)) != drawn


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("frost", "saturate", "glass_blur")])
def test_severity_five_is_stronger_than_one(name: str) -> None:
    image = picture()
    mild, strong = (np.mean([distance(corrupt(image, name, s, seed), image) for seed in range(4)]) for s in (1, 5))
    assert strong > 1.2 * mild


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 130)])
@pytest.mark.parametrize("value", [0, 255])
def test_any_size_and_flat_images(name: str, size: tuple[int, int], value: int) -> None:
    image = np.full((*size, 3), value, np.uint8)
    for severity in (1, 5):
        assert corrupt(image, name, severity, seed=0).shape == image.shape


def test_known_values() -> None:
    image = np.array([[(100, 50, 0), (0, 0, 0)]], np.uint8)
    # V raised by 0.3 * 255 = 76.5, the other channels in proportion; black becomes grey.
    np.testing.assert_array_equal(corrupt(image, "brightness", 3, 0), [[(176, 88, 0), (76, 76, 76)]])
    # S is 1 already: doubled it stays 1, and the colour stays.
    np.testing.assert_array_equal(corrupt(image, "saturate", 3, 0), image)
    # 30% of the saturation: V stays, the others come 70% nearer.
    np.testing.assert_array_equal(corrupt(image, "saturate", 1, 0), [[(100, 85, 70), (0, 0, 0)]])
    # Channel means 50, 25, 0; differences to 20%.
    np.testing.assert_array_equal(corrupt(image, "contrast", 3, 0), [[(60, 30, 0), (40, 20, 0)]])


def test_noise_has_the_stated_strength() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    assert corrupt(grey, "gaussian_noise", 1, 0).std() == pytest.approx(0.08 * 255, rel=0.02)
    assert corrupt(grey, "speckle_noise", 1, 0).std() == pytest.approx(0.15 * 128, rel=0.02)
    assert corrupt(grey, "shot_noise", 1, 0).std() == pytest.approx(255 * np.sqrt(128 / 255 / 60), rel=0.02)
    salted = corrupt(grey, "impulse_noise", 5, 0)
    assert (salted != 128).mean() == pytest.approx(0.27, rel=0.05)
    assert (salted == 255).mean() == pytest.approx((salted == 0).mean(), rel=0.1)


@pytest.mark.parametrize("name", ["motion_blur", "defocus_blur", "gaussian_blur", "glass_blur", "zoom_blur"])
def test_blur_keeps_brightness_and_takes_contrast(name: str) -> None:
    image = picture()
    blurred = corrupt(image, name, 3, 1)
    assert abs(float(blurred.mean()) - float(image.mean())) < 4
    assert (
        np.abs(np.diff(blurred.astype(float), axis=1)).mean()
        < 0.8 * np.abs(np.diff(image.astype(float), axis=1)).mean()
    )


def test_motion_blur_trails_away_from_the_edge() -> None:
    step = np.zeros((40, 120, 3), np.uint8)
    step[:, 60:] = 200
    blurred = corrupt(step, "motion_blur", 3, 0).astype(int)
    left, right = blurred[20, :60, 0], blurred[20, 60:, 0]
    assert (left.max() == 0) != (right.min() >= 199)  # one side is untouched, the other is not
    assert (np.diff(blurred[20, :, 0]) >= 0).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "gausian_noise"},
        {"severity": 6},
        {"severity": -1},
        {"image": np.zeros((8, 8, 3))},
        {"image": np.zeros((8, 8), np.uint8)},
        {"image": np.zeros((3, 8, 8), np.uint8)},
        {"image": np.zeros((0, 8, 3), np.uint8)},
        {"image": [[0]]},
    ],
)
def test_mistakes_get_one_line(arguments: dict[str, Any]) -> None:
    with pytest.raises(BenchError) as caught:
        corrupt(**{"image": picture(8, 8), "name": "fog", "severity": 3, "seed": 0} | arguments)
    assert "\n" not in str(caught.value)


def test_unknown_name_is_suggested() -> None:
    with pytest.raises(UnknownName, match="did you mean 'gaussian_noise'"):
        corruptions.require_corruption("gausian_noise")


def test_the_sixteen_cost_less_than_eight_milliseconds_on_average() -> None:
    image = picture(128, 256)
    for name in COMMON:
        corrupt(image, name, 3, 0)  # compilation, and OpenCV's first calls
    began = time.thread_time()
    for name in COMMON:
        for seed in range(3):
            corrupt(image, name, 3, seed)
    assert (time.thread_time() - began) / (3 * len(COMMON)) < 0.008
