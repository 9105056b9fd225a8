"""Procedural textures: the colour of a surface before light falls on it."""

import numpy as np
from numba import njit

from bench.data.streets import parts as m
from bench.data.streets.geometry import (
    B_A,
    B_B,
    DIAMOND,
    G_A,
    G_B,
    KEY,
    KIND,
    MATERIAL,
    P1,
    P2,
    R_A,
    R_B,
    ROUND,
    SX,
    SY,
    SZ,
    TRIANGLE,
    WHEEL,
    ground_height,
    hash01,
    noise2,
)
from bench.data.streets.types import Array

# Columns of Look.values (style.py)
SUN, SUNLIGHT, AMBIENT, SKY_TOP, HORIZON, CLOUDS, HAZE, AIR = 0, 3, 6, 9, 12, 15, 16, 17
TEXTURE, NIGHT, RAIN, SNOW, EXPOSURE, SATURATION, CONTRAST, TINT, SEED = 20, 21, 22, 23, 24, 25, 26, 27, 30


@njit(nogil=True, cache=True)
def _stripe(x: float, period: float, duty: float) -> bool:
    f = x / period
    return bool(f - np.floor(f) < duty)


@njit(nogil=True, cache=True)
def ground_class(street: Array, x: float, z: float) -> int:
    """Train id of the ground at a place."""
    side = x - street[0] * z * z
    if ground_height(street, x, z) == 0.0:
        return m.ROAD
    k = 0 if side < 0 else 1
    d = abs(side) - street[1 + k]
    if street[7] < z < street[8]:
        return m.ROAD
    if 0.25 < d < street[11 + k]:
        return m.TERRAIN
    if d < street[11 + k] + street[4 + k] or street[9 + k] == 0.0:
        return m.SIDEWALK
    return m.TERRAIN


@njit(nogil=True, cache=True)
def ground_albedo(street: Array, look: Array, colours: Array, x: float, z: float, out: Array) -> None:
    side = x - street[0] * z * z
    kind = ground_class(street, x, z)
    tex = look[TEXTURE]
    key = int(look[SEED])
    fine = noise2(x * 3.1, z * 3.1, key) * 0.5 + noise2(x * 0.6, z * 0.6, key + 1) * 0.5
    f = 1.0 + tex * (fine - 0.5) * 0.55
    mat = m.M_ROAD if kind == m.ROAD else (m.M_WALK if kind == m.SIDEWALK else m.M_TERRAIN)
    if kind == m.TERRAIN:
        f = 1.0 + tex * 1.3 * (noise2(x * 6.0, z * 6.0, key + 2) * 0.6 + noise2(x * 1.3, z * 1.3, key + 3) * 0.4 - 0.5)
    if kind == m.SIDEWALK:
        if _stripe(side, 0.9, 0.07) or _stripe(z, 0.9, 0.07):
            f *= 1.0 - 0.35 * tex
        k = 0 if side < 0 else 1
        if abs(side) - street[1 + k] < 0.22:
            f *= 1.18
    for c in range(3):
        out[c] = colours[mat, 0, c] * f
    if kind != m.ROAD or (street[7] < z < street[8]):
        return
    paint = 0.0
    if abs(side) < 0.09 and _stripe(z, 6.0, 0.55):
        paint = 1.0
    for lane in (3.3, 6.6, -3.3, -6.6):
        if abs(side - lane) < 0.07 and _stripe(z, 5.0, 0.4):
            paint = 0.9
    if (side > street[2] - 0.32 and side < street[2] - 0.2) or (side < 0.32 - street[1] and side > 0.2 - street[1]):
        paint = 0.8
    zebra = street[7] - 3.4 < z < street[7] - 0.6 or street[8] + 0.6 < z < street[8] + 3.4
    if street[7] < 1e5 and zebra and _stripe(side, 1.1, 0.5):
        paint = 1.0
    rail = side - street[13]
    if abs(abs(rail) - 0.72) < 0.09:
        for c in range(3):
            out[c] = 0.55 if fine > 0.4 else 0.3
        return
    if paint > 0.0:
        paint *= 0.55 + 0.45 * fine
        for c in range(3):
            out[c] = out[c] * (1 - paint) + paint * 0.86


@njit(nogil=True, cache=True)
def _facade(p: Array, look: Array, u: float, y: float, out: Array) -> float:
    """Windows in a grid, a plinth, a door line. Returns how much of the point is lit window."""
    key = int(p[KEY])
    cell = p[P1] * (1.0 + 0.3 * p[P2])
    storey = 3.1
    i, j = int(np.floor(u / cell)), int(np.floor(y / storey))
    fu, fy = u / cell - i, y / storey - j
    wide = 0.18 + 0.12 * p[P2]
    if p[P2] > 0.8:
        wide = 0.06
    if j >= 0 and wide < fu < 1.0 - wide and 0.28 < fy < 0.82:
        g = 0.7 + 0.6 * hash01(i, j, key)
        frame = 1.6 if (abs(fu - 0.5) < 0.03 or fy < 0.32) else g
        out[0], out[1], out[2] = p[R_B] * frame, p[G_B] * frame, p[B_B] * frame
        return 1.0 if hash01(i, j, key + 7) < 0.35 else 0.0
    f = 1.0 + look[TEXTURE] * 0.35 * (noise2(u * 2.0, y * 2.0, key) - 0.5)
    if p[P2] < 0.35 and (_stripe(y, 0.32, 0.16) or _stripe(u + 0.3 * (int(y / 0.32) & 1), 0.62, 0.07)):
        f *= 1.0 - 0.22 * look[TEXTURE]  # brick courses
    if y < 0.7:
        f *= 0.72
    for c in range(3):
        out[c] *= f
    return 0.0


@njit(nogil=True, cache=True)
def _sign_face(p: Array, u: float, v: float, out: Array) -> None:
    """A border and a simple device; u, v in -1..1."""
    shape, device = int(p[P1]), int(p[P2])
    edge = max(abs(u), abs(v))
    if shape == ROUND:
        edge = np.sqrt(u * u + v * v)
    elif shape == TRIANGLE:
        edge = max(-v, abs(u) * 2.0 - 1.0 + v) * 0.8 + 0.22
    elif shape == DIAMOND:
        edge = abs(u) + abs(v)
    white = False
    if device == 0:
        white = edge < 0.68
    elif device == 1:
        white = abs(v) < 0.22 and abs(u) < 0.7
    elif device == 2:
        white = edge > 0.88 or (_stripe(v + 1.0, 0.62, 0.35) and abs(u) < 0.75)
    else:
        white = edge > 0.85 or (abs(u) < 0.16 and abs(v) < 0.6)
    if white:
        out[0], out[1], out[2] = 0.92, 0.92, 0.9


@njit(nogil=True, cache=True)
def thing_albedo(
    p: Array, look: Array, x: float, y: float, z: float, nx: float, ny: float, nz: float, out: Array
) -> float:
    """Texture at a local point with local normal. Returns the light the point gives off at night (0..1)."""
    out[0], out[1], out[2] = p[R_A], p[G_A], p[B_A]
    mat = int(p[MATERIAL])
    tex = look[TEXTURE]
    key = int(p[KEY])
    up = y + p[SY]
    along = z if abs(nx) > abs(nz) else x
    f = 1.0
    if mat == m.M_FACADE:
        if abs(ny) > 0.5:
            return 0.0
        return 0.85 * _facade(p, look, along + 60.0, up, out)
    if mat == m.M_WALL:
        f = 1.0 + tex * 0.6 * (noise2(along * 2.3, up * 2.3, key) - 0.5)
        if _stripe(up, 0.38, 0.1) or _stripe(along + 0.4 * (int(up / 0.38) & 1), 0.8, 0.06):
            f *= 1.0 - 0.4 * tex
    elif mat == m.M_FENCE:
        bars = _stripe(along, 0.32, 0.42)
        rail = up < 0.12 or abs(up - 2 * p[SY]) < 0.14 or abs(up - p[SY]) < 0.05
        f = 1.0 if bars or rail else 0.25
    elif mat == m.M_LEAF:
        f = 0.55 + 0.9 * hash01(int(np.floor(x * 6.0)), int(np.floor(y * 6.0)), int(np.floor(z * 6.0)) + key)
        f = 1.0 + (0.35 + 0.65 * tex) * (f - 1.0)
    elif mat == m.M_LAMPBOX:
        lamp = int(np.floor(y / p[SY] * 1.5 + 1.5))
        v = y / p[SY] * 1.5 + 1.5 - lamp - 0.5
        u = x / p[SX]
        if (nz < -0.5 or nz > 0.5) and u * u * 0.45 + v * v * 4.0 < 0.62:
            on = lamp == 2 - int(p[P1])
            g = 1.0 if on else 0.28
            out[0] = g if lamp > 0 else 0.1 * g
            out[1] = g * (0.75 if lamp == 1 else 0.95) if lamp < 2 else 0.12 * g
            out[2] = 0.5 * g if lamp == 0 else 0.06
            return 1.0 if on else 0.0
        return 0.0
    elif mat == m.M_SIGN:
        if abs(nz) > 0.5:
            _sign_face(p, x / p[SX], y / p[SY], out)
        else:
            f = 0.6
    elif mat == m.M_GLASS:
        pillar = abs(abs(z) - 0.12) < 0.05 or abs(z) > 0.94 * p[SZ]
        if pillar and abs(nx) > 0.5:
            f = 1.9
        f *= 1.0 + 0.8 * (up / (2 * p[SY]))
    elif mat == m.M_PAINT:
        if abs(nx) > 0.5 and up < 0.14:
            f = 0.4
        if abs(nx) > 0.5 and abs(z - 0.1) < 0.025:
            f = 0.6
    elif mat == m.M_CARGO:
        f = 1.0 if not _stripe(along, 0.55, 0.1) else 1.0 - 0.3 * tex
        if up < 0.25:
            f = 0.5
    elif mat == m.M_BUS or mat == m.M_TRAIN:
        v = up / (2 * p[SY])
        lo, hi = (0.42, 0.85) if mat == m.M_BUS else (0.5, 0.8)
        gap = 1.6 if mat == m.M_BUS else 2.1
        front = abs(nz) > 0.5
        if lo < v < hi and (front or not _stripe(z, gap, 0.12)):
            out[0], out[1], out[2] = 0.12 + 0.3 * p[R_B], 0.13 + 0.3 * p[G_B], 0.15 + 0.3 * p[B_B]
            return 0.55
        if mat == m.M_TRAIN and (v < 0.2 or v > 0.9):
            f = 0.45
        if mat == m.M_TRAIN and 0.3 < v < 0.42:
            out[0], out[1], out[2] = 0.9, 0.9, 0.88
        if mat == m.M_BUS and v < 0.12:
            f = 0.4
    elif mat == m.M_SPOKES:
        r = np.sqrt(y * y + z * z) / p[SY]
        if r > 0.78:
            out[0], out[1], out[2] = 0.08, 0.08, 0.08
        elif r < 0.16:
            f = 0.4
        else:
            f = 1.0 if hash01(int(np.floor((y + z) * 14)), int(np.floor((y - z) * 14)), key) > 0.4 else 0.7
    elif mat == m.M_TYRE and int(p[KIND]) == WHEEL:
        if y * y + z * z < 0.3 * p[SY] * p[SY]:
            out[0], out[1], out[2] = 0.5, 0.5, 0.52
    elif mat == m.M_SHIRT or mat == m.M_TROUSERS:
        f = 1.0 + 0.4 * tex * (noise2(x * 9.0, up * 9.0, key) - 0.5)
    elif mat == m.M_GLOW:
        if int(p[P1]) == 1:
            out[0], out[1], out[2] = 0.75, 0.08, 0.06
        return 1.0
    for c in range(3):
        out[c] *= f
    return 0.0
