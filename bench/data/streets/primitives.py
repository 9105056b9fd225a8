"""Where a ray meets a primitive, and its normal there. p is a row of the table, (COLUMNS,)."""

import numpy as np

from bench.data.streets.kernels import inner
from bench.data.streets.noise import hash01
from bench.data.streets.table import (
    BOX,
    COS,
    CYLINDER,
    DIAMOND,
    FAR,
    FOLIAGE,
    KEY,
    KIND,
    NEAR,
    P1,
    PLATE,
    ROUND,
    SIN,
    SX,
    SY,
    SZ,
    TCOS,
    TRIANGLE,
    TSIN,
    WHEEL,
)
from bench.data.streets.types import Array


@inner
def to_local(p: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Rotate a world direction (or an offset from the centre) into a primitive's own axes."""
    lx = p[COS] * x - p[SIN] * z
    lz = p[SIN] * x + p[COS] * z
    return lx, p[TCOS] * y + p[TSIN] * lz, -p[TSIN] * y + p[TCOS] * lz


@inner
def to_world(p: Array, lx: float, ly: float, lz: float) -> tuple[float, float, float]:
    """The inverse rotation of `to_local`."""
    y = p[TCOS] * ly - p[TSIN] * lz
    rz = p[TSIN] * ly + p[TCOS] * lz
    return p[COS] * lx + p[SIN] * rz, y, -p[SIN] * lx + p[COS] * rz


@inner
def corner(p: Array, k: int) -> tuple[float, float, float]:
    """Corner 0 <= k < 8 of the bounding box, in world axes from the centre. Bits 0, 1, 2 of k choose x, y, z."""
    return to_world(
        p, p[SX] * (1.0 if k & 1 else -1.0), p[SY] * (1.0 if k & 2 else -1.0), p[SZ] * (1.0 if k & 4 else -1.0)
    )


@inner
def _hit_box(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, sx: float, sy: float, sz: float
) -> float:
    lo, hi = -FAR, FAR
    for o, d, s in ((ox, dx, sx), (oy, dy, sy), (oz, dz, sz)):
        if abs(d) < 1e-12:
            if abs(o) > s:
                return FAR
            continue
        a, b = (-s - o) / d, (s - o) / d
        if a > b:
            a, b = b, a
        lo, hi = max(lo, a), min(hi, b)
    return lo if NEAR < lo <= hi else FAR


@inner
def _hit_round(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, half: float, ra: float, rb: float
) -> float:
    """An elliptic cylinder along the first axis, |x| <= half, with caps."""
    a = dy * dy / (ra * ra) + dz * dz / (rb * rb)
    b = oy * dy / (ra * ra) + oz * dz / (rb * rb)
    c = oy * oy / (ra * ra) + oz * oz / (rb * rb) - 1.0
    disc = b * b - a * c
    if disc < 0.0 or a < 1e-14:
        return FAR
    root = np.sqrt(disc)
    lo, hi = (-b - root) / a, (-b + root) / a
    if abs(dx) > 1e-12:
        s, e = (-half - ox) / dx, (half - ox) / dx
        if s > e:
            s, e = e, s
        lo, hi = max(lo, s), min(hi, e)
    elif abs(ox) > half:
        return FAR
    return lo if NEAR < lo <= hi else FAR


@inner
def hit(p: Array, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    """Distance along the ray (in units of its direction) to primitive p, or FAR. o is relative to p's centre."""
    ox, oy, oz = to_local(p, ox, oy, oz)
    dx, dy, dz = to_local(p, dx, dy, dz)
    kind = int(p[KIND])
    sx, sy, sz = p[SX], p[SY], p[SZ]
    if kind == BOX:
        return _hit_box(ox, oy, oz, dx, dy, dz, sx, sy, sz)
    if kind == CYLINDER:
        return _hit_round(oy, ox, oz, dy, dx, dz, sy, sx, sz)
    if kind == WHEEL:
        return _hit_round(ox, oy, oz, dx, dy, dz, sx, sy, sz)
    if kind == PLATE:
        t = _hit_box(ox, oy, oz, dx, dy, dz, sx, sy, sz)
        if t >= FAR:
            return FAR
        u, v = (ox + t * dx) / sx, (oy + t * dy) / sy
        shape = int(p[P1])
        if shape == ROUND and u * u + v * v > 1.0:
            return FAR
        if shape == TRIANGLE and abs(u) > 0.5 * (1.0 - v):
            return FAR
        if shape == DIAMOND and abs(u) + abs(v) > 1.0:
            return FAR
        return t
    a = dx * dx / (sx * sx) + dy * dy / (sy * sy) + dz * dz / (sz * sz)
    b = ox * dx / (sx * sx) + oy * dy / (sy * sy) + oz * dz / (sz * sz)
    c = ox * ox / (sx * sx) + oy * oy / (sy * sy) + oz * oz / (sz * sz) - 1.0
    disc = b * b - a * c
    if disc <= 0.0:
        return FAR
    t = (-b - np.sqrt(disc)) / a
    if t <= NEAR:
        return FAR
    if kind == FOLIAGE:
        # Ragged silhouette: near the rim (squared half chord of the unit sphere, 0..1) a leaf may or may not be there.
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        rim = disc / a
        leaf = hash01(int(np.floor(x * 5.0)), int(np.floor(y * 5.0)), int(np.floor(z * 5.0)) + int(p[KEY]))
        if rim < 0.45 * leaf:
            return FAR
    return t


@inner
def local_normal(p: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Outward unit normal at a local surface point."""
    kind = int(p[KIND])
    u, v, w = x / p[SX], y / p[SY], z / p[SZ]
    if kind in (BOX, PLATE):
        a, b, c = abs(u), abs(v), abs(w)
        if a >= b and a >= c:
            return (1.0 if u > 0 else -1.0), 0.0, 0.0
        if b >= c:
            return 0.0, (1.0 if v > 0 else -1.0), 0.0
        return 0.0, 0.0, (1.0 if w > 0 else -1.0)
    if kind == CYLINDER and abs(v) > 0.999:
        return 0.0, (1.0 if v > 0 else -1.0), 0.0
    if kind == WHEEL and abs(u) > 0.999:
        return (1.0 if u > 0 else -1.0), 0.0, 0.0
    a, b, c = u / p[SX], v / p[SY], w / p[SZ]
    if kind == CYLINDER:
        b = 0.0
    elif kind == WHEEL:
        a = 0.0
    s = np.sqrt(a * a + b * b + c * c) + 1e-12
    return a / s, b / s, c / s
