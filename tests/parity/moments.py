"""Do two random corruptions of one image agree? Statistics of single pictures, compared over many seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SEEDS = 128
LIMIT = 4.5
"""Standard errors that no statistic may be apart: by chance one of 10,000 comparisons of all 16 fails."""
NAMES = (
    *(f"mean of {channel}" for channel in ("red", "green", "blue")),
    *(f"deviation of {channel}" for channel in ("red", "green", "blue")),
    *(f"quantile {share}" for share in (0.1, 0.5, 0.9)),
    "gain",  # what is left of the input: differences between neighbours regressed on the input's
    *(f"power of what is added, octave {octave}" for octave in range(5)),
    "slope of that power over the coarsest three octaves",
)


def textured(height: int = 64, width: int = 96) -> np.ndarray:
    """Independent pixels on a gradient, dark enough for most of what is added to stay below white."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 40, width)[None, :, None] * np.array((1.0, 0.6, 0.2))
    return (slope + rng.integers(10, 110, (height, width, 3))).astype(np.uint8)


def statistics(image: np.ndarray, corrupted: np.ndarray) -> np.ndarray:
    """(16,) as NAMES says. Added is what is there besides gain * input; its power is log10 of means over rings."""
    before, after = image.astype(float), corrupted.astype(float)
    steps = np.diff(before, axis=1)
    gain = (steps * np.diff(after, axis=1)).mean() / (steps**2).mean()
    added = (after - gain * before).mean(2)
    window = np.outer(*(np.hanning(length) for length in added.shape))  # edges would outshine a steep spectrum
    power = abs(np.fft.fft2((added - added.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(image.shape[0]), np.fft.fftfreq(image.shape[1]), indexing="ij"))
    edges = 0.5 / 2.0 ** np.arange(6)
    bands = [np.log10(power[(radius <= edges[k]) & (radius > edges[k + 1])].mean() + 1e-3) for k in range(5)]
    of_values = [*after.mean((0, 1)), *after.std((0, 1)), *np.quantile(after, (0.1, 0.5, 0.9))]
    return np.array([*of_values, gain, *bands, bands[2] - bands[4]])


def sample(image: np.ndarray, corrupt: Callable[[int], np.ndarray]) -> np.ndarray:
    """(SEEDS, 16) statistics of what `corrupt` makes of the image with seeds 0, 1, ..."""
    return np.stack([statistics(image, corrupt(seed)) for seed in range(SEEDS)])


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(16,) differences of the means of two samples in standard errors (Welch's t)."""
    error = np.sqrt((one.var(0, ddof=1) + other.var(0, ddof=1)) / SEEDS)
    return np.asarray(abs(one.mean(0) - other.mean(0)) / np.maximum(error, 1e-9))


def assert_alike(one: np.ndarray, other: np.ndarray) -> None:
    apart = distances(one, other)
    worst = int(apart.argmax())
    assert apart[worst] < LIMIT, f"{NAMES[worst]}: {one.mean(0)[worst]:.4g} and {other.mean(0)[worst]:.4g}"


def assert_different(one: np.ndarray, other: np.ndarray) -> None:
    assert distances(one, other).max() > 2 * LIMIT  # far beyond what passes
