"""Ray casting of street scenes: primitives, camera, depth buffer and sun shadows.

Only +, -, *, / and square roots are used (each exact in IEEE 754) together with integer hashes, so that a frame does
not depend on a platform's libm. World axes: x right, y up, z along the street, metres.
"""

import numpy as np
from numba import njit

from bench.data.streets.types import Array

# Columns of the primitive table (one row a primitive, float64).
KIND, CX, CY, CZ, SX, SY, SZ, COS, SIN, TCOS, TSIN, CLASS, INSTANCE, MATERIAL, KEY, P1, P2 = range(17)
R_A, G_A, B_A, R_B, G_B, B_B, GLOW = range(17, 24)
COLUMNS = 24

BOX, CYLINDER, ELLIPSOID, WHEEL, PLATE, FOLIAGE = range(6)
# Values of P1 of a PLATE: its outline.
ROUND, TRIANGLE, SQUARE, DIAMOND = range(4)

SKY, GROUND = -2, -1
FAR = 1e9
NEAR = 0.3


@njit(nogil=True, cache=True)
def hash01(a: int, b: int, c: int) -> float:
    """A number in [0, 1) that depends on three integers alone."""
    h = np.int64(a) * np.int64(374761393) + np.int64(b) * np.int64(668265263) + np.int64(c) * np.int64(2147483647)
    h = h & np.int64(0xFFFFFFFF)
    h = ((h ^ (h >> np.int64(13))) * np.int64(1274126177)) & np.int64(0xFFFFFFFF)
    h = ((h ^ (h >> np.int64(15))) * np.int64(2246822519)) & np.int64(0xFFFFFFFF)
    h = h ^ (h >> np.int64(16))
    return float(h & np.int64(0xFFFFFF)) / 16777216.0


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def to_local(p: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Rotate a world direction (or an offset from the centre) into a primitive's own axes."""
    lx = p[COS] * x - p[SIN] * z
    lz = p[SIN] * x + p[COS] * z
    return lx, p[TCOS] * y + p[TSIN] * lz, -p[TSIN] * y + p[TCOS] * lz


@njit(nogil=True, cache=True)
def to_world(p: Array, lx: float, ly: float, lz: float) -> tuple[float, float, float]:
    """The inverse rotation of `to_local`."""
    y = p[TCOS] * ly - p[TSIN] * lz
    rz = p[TSIN] * ly + p[TCOS] * lz
    return p[COS] * lx + p[SIN] * rz, y, -p[SIN] * lx + p[COS] * rz


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def ground_height(street: Array, x: float, z: float) -> float:
    """0 on the carriageway, the kerb's height beside it."""
    side = x - street[0] * z * z
    if z > street[7] and z < street[8]:
        return 0.0
    return 0.0 if -street[1] < side < street[2] else street[3]


@njit(nogil=True, cache=True)
def _hit_ground(street: Array, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    if dy >= -1e-9:
        return FAR
    kerb = street[3]
    top = (kerb - oy) / dy
    if ground_height(street, ox + top * dx, oz + top * dz) > 0.0:
        return top
    low = -oy / dy
    if ground_height(street, ox + low * dx, oz + low * dz) == 0.0:
        return low
    for _ in range(8):  # between the two planes the ray meets the kerb's face: bisect
        mid = 0.5 * (top + low)
        if ground_height(street, ox + mid * dx, oz + mid * dz) > 0.0:
            low = mid
        else:
            top = mid
    return low


@njit(nogil=True, cache=True)
def _bounds(p: Array, cam: Array, height: int, width: int) -> tuple[int, int, int, int, float]:
    """Screen rectangle (y0, y1, x0, x1) and nearest depth of a primitive's bounding box; empty when unseen."""
    px, py, pz = np.empty(8), np.empty(8), np.empty(8)
    near = FAR
    for k in range(8):
        x, y, z = to_world(
            p, p[SX] * (1.0 if k & 1 else -1.0), p[SY] * (1.0 if k & 2 else -1.0), p[SZ] * (1.0 if k & 4 else -1.0)
        )
        x, y, z = x + p[CX] - cam[0], y + p[CY] - cam[1], z + p[CZ] - cam[2]
        px[k] = cam[4] * x + cam[5] * y + cam[6] * z
        py[k] = cam[7] * x + cam[8] * y + cam[9] * z
        pz[k] = cam[10] * x + cam[11] * y + cam[12] * z
        near = min(near, pz[k])
    x0, x1, y0, y1 = FAR, -FAR, FAR, -FAR
    for k in range(8):
        for bit in (1, 2, 4):
            m = k ^ bit
            if m < k or (pz[k] < NEAR and pz[m] < NEAR):
                continue
            for e in (k, m):
                ex, ey, ez = px[e], py[e], pz[e]
                if ez < NEAR:  # clip this edge at the near plane
                    o = m if e == k else k
                    f = (NEAR - ez) / (pz[o] - ez)
                    ex, ey, ez = ex + f * (px[o] - ex), ey + f * (py[o] - ey), NEAR
                u, v = cam[3] * ex / ez, -cam[3] * ey / ez
                x0, x1, y0, y1 = min(x0, u), max(x1, u), min(y0, v), max(y1, v)
    if x0 > x1:
        return 0, 0, 0, 0, FAR
    scale = width / 2.0
    a, b = (
        int(max(0.0, np.floor(y0 * scale + height / 2.0))),
        int(min(float(height), np.ceil(y1 * scale + height / 2.0))),
    )
    c, d = int(max(0.0, np.floor(x0 * scale + scale))), int(min(float(width), np.ceil(x1 * scale + scale)))
    return a, b, c, d, max(near, NEAR)


@njit(nogil=True, cache=True)
def ray(cam: Array, height: int, width: int, row: float, col: float) -> tuple[float, float, float]:
    """World direction through a pixel position; its component along the optical axis is 1, so t is depth."""
    u = (col - width / 2.0) / (width / 2.0) / cam[3]
    v = -(row - height / 2.0) / (width / 2.0) / cam[3]
    return (cam[4] * u + cam[7] * v + cam[10], cam[5] * u + cam[8] * v + cam[11], cam[6] * u + cam[9] * v + cam[12])


@njit(nogil=True, cache=True)
def cast(prims: Array, street: Array, cam: Array, height: int, width: int) -> tuple[Array, Array]:
    """Nearest surface for every pixel centre: (depth float64, primitive index int32; GROUND, SKY)."""
    depth = np.full((height, width), FAR)
    index = np.full((height, width), SKY, np.int32)
    dirs = np.empty((height, width, 3))
    for i in range(height):
        for j in range(width):
            dx, dy, dz = ray(cam, height, width, i + 0.5, j + 0.5)
            dirs[i, j, 0], dirs[i, j, 1], dirs[i, j, 2] = dx, dy, dz
            t = _hit_ground(street, cam[0], cam[1], cam[2], dx, dy, dz)
            if t < 400.0:
                depth[i, j], index[i, j] = t, GROUND
    n = prims.shape[0]
    rect = np.empty((n, 4), np.int64)
    near = np.empty(n)
    for k in range(n):
        rect[k, 0], rect[k, 1], rect[k, 2], rect[k, 3], near[k] = _bounds(prims[k], cam, height, width)
    for k in np.argsort(near):  # front to back: most far samples end at the depth test
        p = prims[k]
        if near[k] >= FAR:
            break
        ox, oy, oz = cam[0] - p[CX], cam[1] - p[CY], cam[2] - p[CZ]
        for i in range(rect[k, 0], rect[k, 1]):
            for j in range(rect[k, 2], rect[k, 3]):
                if depth[i, j] <= near[k]:
                    continue
                t = hit(p, ox, oy, oz, dirs[i, j, 0], dirs[i, j, 1], dirs[i, j, 2])
                if t < depth[i, j]:
                    depth[i, j], index[i, j] = t, k
    return depth, index


@njit(nogil=True, cache=True)
def sun_map(prims: Array, sun: Array, size: int, cell: float) -> Array:
    """Height along the sun's direction of the first surface it meets, on a grid over (x, z) at y = 0.

    A point is in shade when the map at its own foot point (following the sun down to y = 0) lies above it.
    Column i is x = (i - size / 2) * cell, row j is z = j * cell - 4.
    """
    top = np.full((size, size), -FAR)
    for k in range(prims.shape[0]):
        p = prims[k]
        x0, x1, z0, z1 = FAR, -FAR, FAR, -FAR
        for c in range(8):
            x, y, z = to_world(
                p, p[SX] * (1.0 if c & 1 else -1.0), p[SY] * (1.0 if c & 2 else -1.0), p[SZ] * (1.0 if c & 4 else -1.0)
            )
            f = (y + p[CY]) / sun[1]
            x, z = x + p[CX] - f * sun[0], z + p[CZ] - f * sun[2]
            x0, x1, z0, z1 = min(x0, x), max(x1, x), min(z0, z), max(z1, z)
        i0, i1 = max(0, int(np.floor(x0 / cell + size / 2))), min(size, int(np.ceil(x1 / cell + size / 2)) + 1)
        j0, j1 = max(0, int(np.floor((z0 + 4.0) / cell))), min(size, int(np.ceil((z1 + 4.0) / cell)) + 1)
        for j in range(j0, j1):
            for i in range(i0, i1):
                # From far up, down along the sun's ray through the foot point.
                fx, fz = (i - size / 2) * cell, j * cell - 4.0
                t = hit(
                    p,
                    fx + 200.0 * sun[0] - p[CX],
                    200.0 * sun[1] - p[CY],
                    fz + 200.0 * sun[2] - p[CZ],
                    -sun[0],
                    -sun[1],
                    -sun[2],
                )
                if t < FAR:
                    top[j, i] = max(top[j, i], (200.0 - t) * sun[1])
    return top


@njit(nogil=True, cache=True)
def sunlit(top: Array, sun: Array, cell: float, x: float, y: float, z: float) -> float:
    """Share of the sun that reaches a point: the mean of four neighbouring samples of the sun map."""
    f = y / sun[1]
    u = (x - f * sun[0]) / cell + top.shape[1] / 2.0
    v = (z - f * sun[2] + 4.0) / cell
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 0 or j < 0 or i + 1 >= top.shape[1] or j + 1 >= top.shape[0]:
        return 1.0
    a, b = u - i, v - j
    y = y + 0.08
    lit = 0.0
    lit += (1.0 - a) * (1.0 - b) * (1.0 if top[j, i] < y else 0.0)
    lit += a * (1.0 - b) * (1.0 if top[j, i + 1] < y else 0.0)
    lit += (1.0 - a) * b * (1.0 if top[j + 1, i] < y else 0.0)
    lit += a * b * (1.0 if top[j + 1, i + 1] < y else 0.0)
    return lit
