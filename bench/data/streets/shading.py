"""Light on what a ray meets: sun and shade, sky, lamps at night, fog, wet and snowy ground."""

import numpy as np
from numba import njit

from bench.data.streets import parts as m
from bench.data.streets.geometry import (
    BOX,
    CLASS,
    CX,
    CY,
    CYLINDER,
    CZ,
    GLOW,
    GROUND,
    INSTANCE,
    KIND,
    PLATE,
    SKY,
    SX,
    SY,
    SZ,
    WHEEL,
    noise2,
    ray,
    sunlit,
    to_local,
    to_world,
)
from bench.data.streets.textures import (
    AIR,
    AMBIENT,
    CLOUDS,
    HAZE,
    HORIZON,
    NIGHT,
    RAIN,
    SEED,
    SKY_TOP,
    SNOW,
    SUN,
    SUNLIGHT,
    ground_albedo,
    ground_class,
    thing_albedo,
)
from bench.data.streets.types import Array


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def sky_colour(look: Array, dx: float, dy: float, dz: float, out: Array) -> None:
    """Gradient from horizon to zenith with clouds."""
    up = dy / np.sqrt(dx * dx + dy * dy + dz * dz)
    f = min(1.0, max(0.0, up) * 2.2)
    f = f * (2.0 - f)
    cloud = 0.0
    if up > 0.01 and look[CLOUDS] > 0.0:
        u, v = dx / (up + 0.25) * 2.2, dz / (up + 0.25) * 2.2
        n = noise2(u, v, int(look[SEED])) * 0.6 + noise2(u * 2.7, v * 2.7, int(look[SEED]) + 5) * 0.4
        cloud = min(1.0, max(0.0, (n - 1.0 + look[CLOUDS]) * 3.0))
    for c in range(3):
        base = look[HORIZON + c] * (1 - f) + look[SKY_TOP + c] * f
        white = 0.94 - 0.9 * look[NIGHT]
        out[c] = base * (1 - cloud) + cloud * white


@njit(nogil=True, cache=True)
def shade(
    prims: Array,
    street: Array,
    cam: Array,
    look: Array,
    colours: Array,
    lamps: Array,
    top: Array,
    cell: float,
    depth: Array,
    index: Array,
) -> tuple[Array, Array, Array]:
    """Colours (H, W, 3) in 0..1 and beyond, classes and instances (H, W) of a cast view."""
    height, width = depth.shape
    image = np.empty((height, width, 3), np.float32)
    label = np.empty((height, width), np.uint8)
    inst = np.zeros((height, width), np.int32)
    rgb = np.empty(3)
    for i in range(height):
        for j in range(width):
            dx, dy, dz = ray(cam, height, width, i + 0.5, j + 0.5)
            k, t = index[i, j], depth[i, j]
            if k == SKY:
                label[i, j] = m.SKY_CLASS
                sky_colour(look, dx, dy, dz, rgb)
                for c in range(3):
                    image[i, j, c] = rgb[c]
                continue
            x, y, z = cam[0] + t * dx, cam[1] + t * dy, cam[2] + t * dz
            glow = 0.0
            if k == GROUND:
                label[i, j] = ground_class(street, x, z)
                ground_albedo(street, look, colours, x, z, rgb)
                nx, ny, nz = 0.0, 1.0, 0.0
            else:
                p = prims[k]
                label[i, j], inst[i, j] = int(p[CLASS]), int(p[INSTANCE])
                lx, ly, lz = to_local(p, x - p[CX], y - p[CY], z - p[CZ])
                nx, ny, nz = local_normal(p, lx, ly, lz)
                glow = thing_albedo(p, look, lx, ly, lz, nx, ny, nz, rgb)
                nx, ny, nz = to_world(p, nx, ny, nz)
                glow *= p[GLOW] if p[GLOW] > 0.0 else look[NIGHT]
            snow = look[SNOW]
            if snow > 0.0 and ny > 0.25 and glow == 0.0:
                patch = noise2(x * 0.7, z * 0.7, int(look[SEED]) + 9)
                cover = snow * (0.55 if label[i, j] == m.ROAD else 1.15)
                w = min(0.95, max(0.0, (cover - 0.55 * patch) * 2.4)) * min(1.0, (ny - 0.25) * 2.5)
                for c in range(3):
                    rgb[c] = rgb[c] * (1 - w) + 0.92 * w
            wet = look[RAIN]
            if wet > 0.0 and k == GROUND:
                for c in range(3):
                    rgb[c] *= 1.0 - 0.4 * wet
            direct = nx * look[SUN] + ny * look[SUN + 1] + nz * look[SUN + 2]
            if direct > 0.0 and look[SUNLIGHT] > 0.01:
                direct *= sunlit(top, look[SUN : SUN + 3], cell, x, y, z)
            direct = max(direct, 0.0)
            fill = 0.62 + 0.3 * ny - 0.08 * nz
            warm = 0.0
            if look[NIGHT] > 0.0:
                for q in range(lamps.shape[0]):
                    ax, ay, az = lamps[q, 0] - x, lamps[q, 1] - y, lamps[q, 2] - z
                    d2 = ax * ax + ay * ay + az * az
                    if d2 < 150.0:
                        face = max(0.0, (ax * nx + ay * ny + az * nz) / np.sqrt(d2 + 0.01)) * 0.8 + 0.2
                        warm += lamps[q, 3] * face * 5.0 / (d2 + 4.0)
                d2 = x * x + z * z + 1.0  # own headlights
                beam = max(0.0, 1.0 - abs(x) / (0.35 * z + 1.0)) * (1.0 if y < 1.6 else 0.35)
                warm += 22.0 * beam / (d2 + 40.0)
                warm *= look[NIGHT]
            bright = 1.6 if glow > 0.0 else 0.0
            clear = look[HAZE] * t
            clear = 1.0 / (1.0 + clear + 0.5 * clear * clear + clear * clear * clear / 6.0)
            for c in range(3):
                tone = 1.0 if c == 0 else (0.85 if c == 1 else 0.58)
                light = look[AMBIENT + c] * fill + look[SUNLIGHT + c] * direct + warm * tone
                lit = rgb[c] * (light * (1.0 - 0.5 * glow) + glow * bright * (0.55 + 0.45 * look[NIGHT]))
                image[i, j, c] = lit * clear + (1.0 - clear) * look[AIR + c]
    return image, label, inst
