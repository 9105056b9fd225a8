"""Shade: how high up the sun's rays are stopped."""

import numpy as np

from bench.data.streets.kernels import SOURCES, inner, kernel
from bench.data.streets.primitives import corner, hit
from bench.data.streets.table import CX, CY, CZ, FAR
from bench.data.streets.types import Array

SIZE, CELL = 200, 0.3  # of the map: samples to a side, metres between them
BEHIND = 4.0  # metres behind the camera that the map begins
HIGH = 200.0  # metres along the sun's ray: above everything


def sun_map(prims: Array, sun: Array) -> Array:
    """Height at which the sun's rays first meet a primitive, (SIZE, SIZE) metres over (z, x) of their feet at y = 0.

    A point is in shade when the map at its own foot (following the sun down to y = 0) lies above it. Column i is
    x = (i - SIZE / 2) CELL, row j is z = j CELL - BEHIND; -FAR where nothing is in the way. `sun` (3,) is the unit
    vector towards the sun.
    """
    top = np.full((SIZE, SIZE), -FAR)
    _sun_map(prims, sun, top)
    return top


@kernel
def _sun_map(prims: Array, sun: Array, top: Array, sources: int = SOURCES) -> None:
    for k in range(prims.shape[0]):
        p = prims[k]
        x0, x1, z0, z1 = FAR, -FAR, FAR, -FAR
        for c in range(8):
            x, y, z = corner(p, c)
            f = (y + p[CY]) / sun[1]
            x, z = x + p[CX] - f * sun[0], z + p[CZ] - f * sun[2]
            x0, x1, z0, z1 = min(x0, x), max(x1, x), min(z0, z), max(z1, z)
        i0, i1 = max(0, int(np.floor(x0 / CELL + SIZE / 2))), min(SIZE, int(np.ceil(x1 / CELL + SIZE / 2)) + 1)
        j0, j1 = max(0, int(np.floor((z0 + BEHIND) / CELL))), min(SIZE, int(np.ceil((z1 + BEHIND) / CELL)) + 1)
        for j in range(j0, j1):
            for i in range(i0, i1):
                fx, fz = (i - SIZE / 2) * CELL, j * CELL - BEHIND
                ox, oy, oz = fx + HIGH * sun[0] - p[CX], HIGH * sun[1] - p[CY], fz + HIGH * sun[2] - p[CZ]
                t = hit(p, ox, oy, oz, -sun[0], -sun[1], -sun[2])
                if t < FAR:
                    top[j, i] = max(top[j, i], (HIGH - t) * sun[1])


@inner
def sunlit(top: Array, sx: float, sy: float, sz: float, x: float, y: float, z: float) -> float:
    """Share of the sun, in direction s, that reaches a point: the mean of four neighbouring samples of the map."""
    f = y / sy
    u = (x - f * sx) / CELL + SIZE / 2.0
    v = (z - f * sz + BEHIND) / CELL
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 0 or j < 0 or i + 1 >= SIZE or j + 1 >= SIZE:
        return 1.0
    a, b = u - i, v - j
    y = y + 0.08  # a surface does not shade itself
    lit = 0.0
    lit += (1.0 - a) * (1.0 - b) * (1.0 if top[j, i] < y else 0.0)
    lit += a * (1.0 - b) * (1.0 if top[j, i + 1] < y else 0.0)
    lit += (1.0 - a) * b * (1.0 if top[j + 1, i] < y else 0.0)
    lit += a * b * (1.0 if top[j + 1, i + 1] < y else 0.0)
    return lit
