"""Pictures to corrupt, and how two samples of corrupted pictures are told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp, kurtosis, skew

Image = npt.NDArray[np.uint8]
Corruption = Callable[[Image, int, int], Image]
"""Image, severity, seed -> image."""
KEPT, FOUND = 1e-4, 1e-9
"""Two samples of one distribution have a p-value above KEPT in every statistic, a neighbouring severity one below
FOUND in at least one. Seeds are fixed: nothing here is left to chance."""


def contents(height: int, width: int) -> dict[str, Image]:
    """White noise, a smooth scene that reaches black and white, and hard edges with strips along the borders."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(-40, 300, (6, 9, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    edges = np.zeros((height, width, 3), np.uint8)
    edges[height // 3 :, width // 2 :] = 255
    edges[:4], edges[:, -3:] = (200, 30, 99), (5, 250, 128)
    return {
        "noise": rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        "smooth": np.clip(smooth, 0, 255).astype(np.uint8),
        "edges": edges,
    }


def statistics(image: Image) -> dict[str, float]:
    """Mean, deviation, skewness, excess kurtosis of each channel; log power of green in 4 rings of frequency."""
    found: dict[str, float] = {}
    for channel in range(3):
        values = image[..., channel].astype(np.float64).ravel()
        found |= {f"mean {channel}": values.mean(), f"deviation {channel}": values.std()}
        found |= {f"skewness {channel}": skew(values), f"kurtosis {channel}": kurtosis(values)}
    green = image[..., 1].astype(np.float64)
    power = np.abs(np.fft.fft2(green - green.mean())) ** 2
    rows, columns = (np.fft.fftfreq(length) for length in green.shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    for ring in range(4):
        inside = (radius > 0.125 * ring) & (radius <= 0.125 * (ring + 1))
        found[f"power {ring}"] = float(np.log(power[inside].mean() + 1e-6))
    return found


def sample(corruption: Corruption, image: Image, severity: int, seeds: Iterable[int]) -> dict[str, list[float]]:
    """Every statistic over the seeds."""
    rows = [statistics(corruption(image, severity, seed)) for seed in seeds]
    return {name: [row[name] for row in rows] for name in rows[0]}


def p_values(one: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, float]:
    """Kolmogorov and Smirnov's test of two samples, statistic by statistic."""
    return {name: float(ks_2samp(one[name], other[name]).pvalue) for name in one}


def same_only_at_its_severity(ours: Corruption, theirs: Corruption, image: Image, severity: int, seeds: int) -> None:
    """Assert that ours and theirs are alike over so many seeds, and that a neighbouring severity of ours is not."""
    expected = sample(theirs, image, severity, range(seeds))
    alike = p_values(sample(ours, image, severity, range(seeds)), expected)
    assert min(alike.values()) > KEPT, {name: p for name, p in alike.items() if p <= KEPT}
    for wrong in {max(severity - 1, 1), min(severity + 1, 5)} - {severity}:
        assert min(p_values(sample(ours, image, wrong, range(seeds)), expected).values()) < FOUND, wrong
