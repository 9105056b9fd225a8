"""Textures with a drawing on them: fronts of houses, traffic signs, traffic lights."""

import numpy as np

from bench.data.streets.kernels import inner
from bench.data.streets.noise import hash01, noise2, stripe
from bench.data.streets.table import B_B, DIAMOND, G_B, KEY, P1, P2, R_B, ROUND, SX, SY, TRIANGLE
from bench.data.streets.types import Array

STOREY = 3.1  # metres


@inner
def facade(p: Array, texture: float, u: float, y: float, out: Array) -> float:
    """Windows in a grid, plinth and brick courses, u metres along and y up. Returns the share of lit window.

    P1 is the width of a bay in metres, P2 (0..1) the kind of front: brick below 0.35, curtain wall above 0.8.
    """
    key = int(p[KEY])
    bay = p[P1] * (1.0 + 0.3 * p[P2])
    i, j = int(np.floor(u / bay)), int(np.floor(y / STOREY))
    fu, fy = u / bay - i, y / STOREY - j
    margin = 0.06 if p[P2] > 0.8 else 0.18 + 0.12 * p[P2]
    if j >= 0 and margin < fu < 1.0 - margin and 0.28 < fy < 0.82:
        glass = 0.7 + 0.6 * hash01(i, j, key)
        f = 1.6 if (abs(fu - 0.5) < 0.03 or fy < 0.32) else glass
        out[0], out[1], out[2] = p[R_B] * f, p[G_B] * f, p[B_B] * f
        return 1.0 if hash01(i, j, key + 7) < 0.35 else 0.0
    f = 1.0 + texture * 0.35 * (noise2(u * 2.0, y * 2.0, key) - 0.5)
    if p[P2] < 0.35 and (stripe(y, 0.32, 0.16) or stripe(u + 0.3 * (int(y / 0.32) & 1), 0.62, 0.07)):
        f *= 1.0 - 0.22 * texture
    if y < 0.7:
        f *= 0.72
    for c in range(3):
        out[c] *= f
    return 0.0


@inner
def sign_face(p: Array, x: float, y: float, out: Array) -> None:
    """A border and a simple device: P1 is the outline, P2 the device (0 disc, 1 bar, 2 lines of text, 3 post)."""
    u, v = x / p[SX], y / p[SY]
    shape, device = int(p[P1]), int(p[P2])
    edge = max(abs(u), abs(v))
    if shape == ROUND:
        edge = np.sqrt(u * u + v * v)
    elif shape == TRIANGLE:
        edge = max(-v, abs(u) * 2.0 - 1.0 + v) * 0.8 + 0.22
    elif shape == DIAMOND:
        edge = abs(u) + abs(v)
    if device == 0:
        white = edge < 0.68
    elif device == 1:
        white = abs(v) < 0.22 and abs(u) < 0.7
    elif device == 2:
        white = edge > 0.88 or (stripe(v + 1.0, 0.62, 0.35) and abs(u) < 0.75)
    else:
        white = edge > 0.85 or (abs(u) < 0.16 and abs(v) < 0.6)
    if white:
        out[0], out[1], out[2] = 0.92, 0.92, 0.9


@inner
def lamp_box(p: Array, x: float, y: float, nz: float, out: Array) -> float:
    """Three round lamps, one above the other, of which P1 says the lit one (0 the top). Returns light at night."""
    height = y / p[SY] * 1.5 + 1.5
    lamp = int(np.floor(height))
    v = height - lamp - 0.5
    u = x / p[SX]
    if abs(nz) <= 0.5 or u * u * 0.45 + v * v * 4.0 >= 0.62:
        return 0.0
    on = lamp == 2 - int(p[P1])
    g = 1.0 if on else 0.28
    out[0] = g if lamp > 0 else 0.1 * g
    out[1] = g * (0.75 if lamp == 1 else 0.95) if lamp < 2 else 0.12 * g
    out[2] = 0.5 * g if lamp == 0 else 0.06
    return 1.0 if on else 0.0
