"""Pictures that corruptions are held against the package on: any value, the extremes, and streets."""

from __future__ import annotations

import numpy as np

from bench.data.streets import render

SIZES = ((32, 32), (33, 47), (97, 131), (128, 256), (300, 40))
CONTENTS = ("any", "greys", "black", "white", "gradients", "saturated", "street")


def street(height: int = 128, width: int = 256) -> np.ndarray:
    return np.asarray(render("source", 3, height, width).image)


def picture(content: str, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, height * width).reshape(height, width)
    if content == "street":
        return street(height, width)
    values = {
        "any": rng.integers(0, 256, (height, width, 3)),
        "greys": np.repeat(rng.integers(0, 256, (height, width, 1)), 3, axis=2),
        "black": np.zeros((height, width, 3)),
        "white": np.full((height, width, 3), 255),
        "gradients": np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1),
        "saturated": rng.choice([0, 255], (height, width, 3)),
    }
    return values[content].astype(np.uint8)


def share_within_a_level(one: np.ndarray, other: np.ndarray) -> float:
    """Share of values at most one grey level apart."""
    return float((abs(one.astype(int) - other) <= 1).mean())
