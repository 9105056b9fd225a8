"""Procedural textures: the colour of a surface before light falls on it. Colours are RGB, 1 is white."""

import numpy as np

from bench.data.streets import ids as m
from bench.data.streets.facades import facade, lamp_box, sign_face
from bench.data.streets.ground import CROSS_FROM, CROSS_TO, HALF, RAILS, lateral
from bench.data.streets.kernels import inner
from bench.data.streets.look import SEED, TEXTURE
from bench.data.streets.noise import hash01, noise2, stripe
from bench.data.streets.table import B_A, B_B, G_A, G_B, KEY, KIND, MATERIAL, P1, R_A, R_B, SY, SZ, WHEEL
from bench.data.streets.types import Array


@inner
def ground_albedo(street: Array, look: Array, colours: Array, kind: int, x: float, z: float, out: Array) -> None:
    """Colour of the ground of class `kind` at a place, into `out` (3,)."""
    side = lateral(street, x, z)
    tex = look[TEXTURE]
    key = int(look[SEED])
    fine = noise2(x * 3.1, z * 3.1, key) * 0.5 + noise2(x * 0.6, z * 0.6, key + 1) * 0.5
    f = 1.0 + tex * (fine - 0.5) * 0.55
    mat = m.M_ROAD if kind == m.ROAD else (m.M_WALK if kind == m.SIDEWALK else m.M_TERRAIN)
    if kind == m.TERRAIN:
        f = 1.0 + tex * 1.3 * (noise2(x * 6.0, z * 6.0, key + 2) * 0.6 + noise2(x * 1.3, z * 1.3, key + 3) * 0.4 - 0.5)
    if kind == m.SIDEWALK:
        if stripe(side, 0.9, 0.07) or stripe(z, 0.9, 0.07):  # joints of slabs
            f *= 1.0 - 0.35 * tex
        k = 0 if side < 0 else 1
        if abs(side) - street[HALF + k] < 0.22:  # kerb stones
            f *= 1.18
    for c in range(3):
        out[c] = colours[mat, 0, c] * f
    if kind != m.ROAD or (street[CROSS_FROM] < z < street[CROSS_TO]):
        return
    if abs(abs(side - street[RAILS]) - 0.72) < 0.09:
        for c in range(3):
            out[c] = 0.55 if fine > 0.4 else 0.3
        return
    paint = _paint(street, side, z)
    if paint > 0.0:
        paint *= 0.55 + 0.45 * fine
        for c in range(3):
            out[c] = out[c] * (1 - paint) + paint * 0.86


@inner
def _paint(street: Array, side: float, z: float) -> float:
    """Strength of the road markings at a place: axis, lanes, edges, zebras before and behind the crossing street."""
    near, far = street[CROSS_FROM], street[CROSS_TO]
    if (near - 3.4 < z < near - 0.6 or far + 0.6 < z < far + 3.4) and stripe(side, 1.1, 0.5):
        return 1.0
    right, left = street[HALF + 1], street[HALF]
    if (side > right - 0.32 and side < right - 0.2) or (side < 0.32 - left and side > 0.2 - left):
        return 0.8
    for lane in (3.3, 6.6, -3.3, -6.6):
        if abs(side - lane) < 0.07 and stripe(z, 5.0, 0.4):
            return 0.9
    return 1.0 if abs(side) < 0.09 and stripe(z, 6.0, 0.55) else 0.0


@inner
def thing_albedo(
    p: Array, look: Array, x: float, y: float, z: float, nx: float, ny: float, nz: float, out: Array
) -> float:
    """Colour of primitive p at a local point with local normal, into `out` (3,).

    Returns the light that the point gives off at night (0..1).
    """
    out[0], out[1], out[2] = p[R_A], p[G_A], p[B_A]
    mat = int(p[MATERIAL])
    up = y + p[SY]
    along = z if abs(nx) > abs(nz) else x
    if mat == m.M_FACADE:
        return 0.0 if abs(ny) > 0.5 else 0.85 * facade(p, look[TEXTURE], along + 60.0, up, out)
    if mat == m.M_LAMPBOX:
        return lamp_box(p, x, y, nz, out)
    if mat == m.M_BUS or mat == m.M_TRAIN:
        return _coach(p, mat, z, up / (2 * p[SY]), nz, out)
    if mat == m.M_GLOW:
        if int(p[P1]) == 1:  # a tail light
            out[0], out[1], out[2] = 0.75, 0.08, 0.06
        return 1.0
    if mat == m.M_SIGN and abs(nz) > 0.5:
        sign_face(p, x, y, out)
        return 0.0
    if mat == m.M_TYRE or mat == m.M_SPOKES:
        f = _wheel(p, mat, y, z, out)
    else:
        f = _surface(p, mat, look[TEXTURE], x, y, z, abs(nx) > 0.5, along, up)
    for c in range(3):
        out[c] *= f
    return 0.0


@inner
def _surface(
    p: Array, mat: int, tex: float, x: float, y: float, z: float, flank: bool, along: float, up: float
) -> float:
    """Brightness of plainly coloured things; `flank`: the point is on a side, `up` metres above the foot."""
    key = int(p[KEY])
    f = 1.0
    if mat == m.M_WALL:
        f = 1.0 + tex * 0.6 * (noise2(along * 2.3, up * 2.3, key) - 0.5)
        if stripe(up, 0.38, 0.1) or stripe(along + 0.4 * (int(up / 0.38) & 1), 0.8, 0.06):
            f *= 1.0 - 0.4 * tex
    elif mat == m.M_FENCE:
        rail = up < 0.12 or abs(up - 2 * p[SY]) < 0.14 or abs(up - p[SY]) < 0.05
        f = 1.0 if rail or stripe(along, 0.32, 0.42) else 0.25
    elif mat == m.M_LEAF:
        f = 0.55 + 0.9 * hash01(int(np.floor(x * 6.0)), int(np.floor(y * 6.0)), int(np.floor(z * 6.0)) + key)
        f = 1.0 + (0.35 + 0.65 * tex) * (f - 1.0)
    elif mat == m.M_SIGN:
        f = 0.6
    elif mat == m.M_GLASS:
        pillar = abs(abs(z) - 0.12) < 0.05 or abs(z) > 0.94 * p[SZ]
        f = 1.9 if pillar and flank else 1.0
        f *= 1.0 + 0.8 * (up / (2 * p[SY]))
    elif mat == m.M_PAINT:
        if flank and up < 0.14:  # sill
            f = 0.4
        if flank and abs(z - 0.1) < 0.025:  # door
            f = 0.6
    elif mat == m.M_CARGO:
        f = 1.0 if not stripe(along, 0.55, 0.1) else 1.0 - 0.3 * tex
        if up < 0.25:
            f = 0.5
    elif mat == m.M_SHIRT or mat == m.M_TROUSERS:
        f = 1.0 + 0.4 * tex * (noise2(x * 9.0, up * 9.0, key) - 0.5)
    return f


@inner
def _coach(p: Array, mat: int, z: float, v: float, nz: float, out: Array) -> float:
    """A bus or a train at height v (0 foot, 1 roof): windows all around, skirt, stripe. Returns light at night."""
    lo, hi = (0.42, 0.85) if mat == m.M_BUS else (0.5, 0.8)
    gap = 1.6 if mat == m.M_BUS else 2.1
    if lo < v < hi and (abs(nz) > 0.5 or not stripe(z, gap, 0.12)):
        out[0], out[1], out[2] = 0.12 + 0.3 * p[R_B], 0.13 + 0.3 * p[G_B], 0.15 + 0.3 * p[B_B]
        return 0.55
    f = 1.0
    if mat == m.M_TRAIN and (v < 0.2 or v > 0.9):
        f = 0.45
    if mat == m.M_TRAIN and 0.3 < v < 0.42:
        out[0], out[1], out[2] = 0.9, 0.9, 0.88
    if mat == m.M_BUS and v < 0.12:
        f = 0.4
    for c in range(3):
        out[c] *= f
    return 0.0


@inner
def _wheel(p: Array, mat: int, y: float, z: float, out: Array) -> float:
    """Hubs, spokes and tyres; rubber that is no wheel stays as it is. Returns brightness."""
    if mat == m.M_TYRE:
        if int(p[KIND]) == WHEEL and y * y + z * z < 0.3 * p[SY] * p[SY]:
            out[0], out[1], out[2] = 0.5, 0.5, 0.52
        return 1.0
    r = np.sqrt(y * y + z * z) / p[SY]
    if r > 0.78:
        out[0], out[1], out[2] = 0.08, 0.08, 0.08
        return 1.0
    if r < 0.16:
        return 0.4
    spoke = hash01(int(np.floor((y + z) * 14)), int(np.floor((y - z) * 14)), int(p[KEY])) > 0.4
    return 1.0 if spoke else 0.7
