"""Names shared by the rooms of the embedded world."""

from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Range = tuple[float, float]


class Frame(NamedTuple):
    """One rendered view. Heights and widths are in pixels."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    label: NDArray[np.uint8]  # (H, W) Cityscapes train ids 0..18
    instance: NDArray[np.int32]  # (H, W) 0 where a class has no instances, else unique within the frame
    depth: NDArray[np.float32]  # (H, W) metres along the optical axis; inf for the sky


def uniform(rng: Random, span: Range) -> float:
    """A number drawn uniformly from a range."""
    return span[0] + (span[1] - span[0]) * rng.random()


def direction(t: float) -> tuple[float, float]:
    """(cos, sin) of the angle 2 atan(t): exact arithmetic, no libm."""
    return (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
