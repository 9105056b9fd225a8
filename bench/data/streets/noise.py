"""Numbers that look random and follow from integers: the same on every platform and in every thread."""

import numpy as np

from bench.data.streets.kernels import inner


@inner
def hash01(a: int, b: int, c: int) -> float:
    """A number in [0, 1) that depends on three integers alone. Pass int64: numba compiles anew for each literal."""
    h = np.int64(a) * np.int64(374761393) + np.int64(b) * np.int64(668265263) + np.int64(c) * np.int64(2147483647)
    h = h & np.int64(0xFFFFFFFF)
    h = ((h ^ (h >> np.int64(13))) * np.int64(1274126177)) & np.int64(0xFFFFFFFF)
    h = ((h ^ (h >> np.int64(15))) * np.int64(2246822519)) & np.int64(0xFFFFFFFF)
    h = h ^ (h >> np.int64(16))
    return float(h & np.int64(0xFFFFFF)) / 16777216.0


@inner
def noise2(x: float, y: float, key: int) -> float:
    """Value noise in [0, 1] with unit lattice."""
    fx, fy = np.floor(x), np.floor(y)
    i, j = int(fx), int(fy)
    u, v = x - fx, y - fy
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    top = hash01(i, j, key) * (1.0 - u) + hash01(i + 1, j, key) * u
    low = hash01(i, j + 1, key) * (1.0 - u) + hash01(i + 1, j + 1, key) * u
    return top * (1.0 - v) + low * v


@inner
def stripe(x: float, period: float, duty: float) -> bool:
    """Whether x lies in the first `duty` (a share) of its period."""
    f = x / period
    return bool(f - np.floor(f) < duty)
