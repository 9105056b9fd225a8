"""The 19 corruptions: strength, determinism, any size, cost."""

from __future__ import annotations

import hashlib
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from bench.data import corruptions
from bench.data.corruptions import COMMON, GROUPS, NAMES, corrupt
from bench.errors import BenchError, UnknownName
from bench.protocols.corruptions import ICE, KNOWN


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
    assert set(KNOWN) == {*NAMES, ICE}


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


HASHES = {
    "gaussian_noise": "ad73c65e34463005",
    "shot_noise": "70eef34c1b65f6ae",
    "impulse_noise": "e5afbe66b61fab5e",
    "speckle_noise": "906295e13d93def0",
    "defocus_blur": "7e3d830dee8e5ecb",
    "glass_blur": "5bcf345093b41cb7",
    "motion_blur": "1b3682fc690d99a1",
    "gaussian_blur": "74fe21ef73ab5deb",
    "zoom_blur": "4602d27dee21a11b",
}
"""SHA-256 of the bytes at severity 3, first 16 digits. Noise is whole numbers and the same on every platform; in blur
the weights come of exp(), sin() and OpenCV's kernel of the rim, whose last bit another platform may have otherwise.
The other ten are held to a picture: test_corruption_golden.py."""


def fixed_picture() -> np.ndarray:
    """Whole numbers only, so that every platform has it: waves of several lengths, each channel its own."""
    rows, columns, channels = np.mgrid[:48, :66, :3]
    return ((rows * rows + 7 * columns * (channels + 1) + rows * columns // 5) % 251).astype(np.uint8)


@pytest.mark.parametrize(("name", "digits"), HASHES.items())
def test_same_seed_same_bytes(name: str, digits: str) -> None:
    assert hashlib.sha256(corrupt(fixed_picture(), name, 3, 0).tobytes()).hexdigest()[:16] == digits


def test_order_threads_layout_and_the_global_generator_do_not_matter() -> None:
    image = fixed_picture()
    names = ("gaussian_noise", "shot_noise", "glass_blur", "motion_blur", "snow")
    expected = [corrupt(image, name, 2, seed) for name in names for seed in range(4)]
    np.random.seed(1)  # noqa: NPY002
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(corrupt, image, name, 2, seed) for name in names for seed in range(4)]
    for want, job in zip(expected, jobs, strict=True):
        np.testing.assert_array_equal(want, job.result())
    turned = np.asfortranarray(image)
    for name in NAMES:
        np.testing.assert_array_equal(corrupt(turned, name, 2, 1), corrupt(image, name, 2, 1))


@pytest.mark.parametrize("name", [*GROUPS["noise"], *GROUPS["blur"], "zoom_blur"])
def test_peak_memory_is_at_most_that_of_two_float_images(name: str) -> None:
    """Beside the image; as tracemalloc sees it, which is all that NumPy holds. A batch of workers has to fit."""
    image = picture(256, 512)
    for severity in (1, 5):
        corrupt(image, name, severity, 0)  # tables and compilation
        tracemalloc.start()
        try:
            corrupt(image, name, severity, 0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert image.nbytes <= peak <= 2.1 * 4 * image.nbytes


def test_an_image_may_be_read_only() -> None:
    image = fixed_picture()
    locked = fixed_picture()
    locked.flags.writeable = False
    for name in NAMES:
        np.testing.assert_array_equal(corrupt(locked, name, 1, 0), corrupt(image, name, 1, 0))


def test_names_of_images_are_seeds() -> None:
    image = fixed_picture()
    one, other = (corrupt(image, "gaussian_noise", 1, f"aachen/aachen_{i}") for i in (1, 2))
    assert (one != other).mean() > 0.5
    np.testing.assert_array_equal(one, corrupt(image, "gaussian_noise", 1, "aachen/aachen_1"))
    assert corruptions.seed_number("aachen/aachen_1") == 178838177761314115743833268080997960800
    assert corruptions.seed_number(np.int64(7)) == 7
    np.testing.assert_array_equal(corrupt(image, "fog", 2, np.int64(7)), corrupt(image, "fog", 2, 7))


@pytest.mark.parametrize("name", NAMES)
def test_grey_images_come_back_grey(name: str) -> None:
    grey = picture(40, 50)[..., 0].copy()
    before = grey.copy()
    found = corrupt(grey, name, 2, 3)
    colour = corrupt(np.stack((grey,) * 3, axis=-1), name, 2, 3)
    assert (found.dtype, found.shape) == (np.uint8, grey.shape)
    np.testing.assert_array_equal(grey, before)
    if name in GROUPS["noise"]:
        np.testing.assert_array_equal(found, colour[..., 0])
    else:
        assert (found >= colour.min(axis=2)).all()
        assert (found <= colour.max(axis=2)).all()
    np.testing.assert_array_equal(corrupt(grey, name, 0, 3), grey)


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
    # 30% of the saturation: V stays, the others come 70% nearer. The package's float64 falls a hair short of 70.
    np.testing.assert_array_equal(corrupt(image, "saturate", 1, 0), [[(100, 85, 69), (0, 0, 0)]])
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
        {"severity": None},
        {"severity": 3.0},
        {"severity": "3"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": None},
        {"image": np.zeros((8, 8, 3), np.int8)},
        {"image": np.zeros(8, np.uint8)},
        {"image": np.zeros((8, 8, 1), np.uint8)},
        {"image": np.zeros((8, 8, 4), np.uint8)},
        {"image": np.zeros((3, 8, 8), np.uint8)},
        {"image": np.zeros((0, 8), np.uint8)},
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
