"""Light on what a ray meets: sun and shade, sky, lamps at night, fog, wet and snowy ground."""

import numpy as np

from bench.data.streets.camera import EYE, ray
from bench.data.streets.caster import GROUND, SKY
from bench.data.streets.ground import ground_class
from bench.data.streets.ids import ROAD, SKY_CLASS
from bench.data.streets.kernels import SOURCES, inner, kernel
from bench.data.streets.look import (
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
)
from bench.data.streets.noise import noise2
from bench.data.streets.primitives import local_normal, to_local, to_world
from bench.data.streets.shadows import sunlit
from bench.data.streets.table import CLASS, CX, CY, CZ, GLOW, INSTANCE
from bench.data.streets.textures import ground_albedo, thing_albedo
from bench.data.streets.types import Array


@inner
def sky_colour(look: Array, dx: float, dy: float, dz: float, out: Array) -> None:
    """Gradient from horizon to zenith with clouds, into `out` (3,)."""
    up = dy / np.sqrt(dx * dx + dy * dy + dz * dz)
    f = min(1.0, max(0.0, up) * 2.2)
    f = f * (2.0 - f)
    cloud = 0.0
    if up > 0.01 and look[CLOUDS] > 0.0:
        u, v = dx / (up + 0.25) * 2.2, dz / (up + 0.25) * 2.2
        key = int(look[SEED])
        n = noise2(u, v, key) * 0.6 + noise2(u * 2.7, v * 2.7, key + 5) * 0.4
        cloud = min(1.0, max(0.0, (n - 1.0 + look[CLOUDS]) * 3.0))
    white = 0.94 - 0.9 * look[NIGHT]
    for c in range(3):
        base = look[HORIZON + c] * (1 - f) + look[SKY_TOP + c] * f
        out[c] = base * (1 - cloud) + cloud * white


@inner
def _weathered(rgb: Array, look: Array, kind: int, ground: bool, x: float, z: float, ny: float, glow: float) -> None:
    """Lay snow on what faces up and does not glow, less where wheels go, and darken wet ground, in place."""
    if look[SNOW] > 0.0 and ny > 0.25 and glow == 0.0:
        patch = noise2(x * 0.7, z * 0.7, int(look[SEED]) + 9)
        cover = look[SNOW] * (0.55 if kind == ROAD else 1.15)
        w = min(0.95, max(0.0, (cover - 0.55 * patch) * 2.4)) * min(1.0, (ny - 0.25) * 2.5)
        for c in range(3):
            rgb[c] = rgb[c] * (1 - w) + 0.92 * w
    if look[RAIN] > 0.0 and ground:
        for c in range(3):
            rgb[c] *= 1.0 - 0.4 * look[RAIN]


@inner
def _lamplight(lamps: Array, x: float, y: float, z: float, nx: float, ny: float, nz: float) -> float:
    """Light of all lamps and of the camera's own headlights on a surface with normal n."""
    warm = 0.0
    for q in range(lamps.shape[0]):
        ax, ay, az = lamps[q, 0] - x, lamps[q, 1] - y, lamps[q, 2] - z
        d2 = ax * ax + ay * ay + az * az
        if d2 < 150.0:
            face = max(0.0, (ax * nx + ay * ny + az * nz) / np.sqrt(d2 + 0.01)) * 0.8 + 0.2
            warm += lamps[q, 3] * face * 5.0 / (d2 + 4.0)
    d2 = x * x + z * z + 1.0
    beam = max(0.0, 1.0 - abs(x) / (0.35 * z + 1.0)) * (1.0 if y < 1.6 else 0.35)
    return warm + 22.0 * beam / (d2 + 40.0)


@inner
def _light(
    rgb: Array,
    look: Array,
    lamps: Array,
    top: Array,
    t: float,
    x: float,
    y: float,
    z: float,
    nx: float,
    ny: float,
    nz: float,
    glow: float,
) -> None:
    """Turn the colour `rgb` of a surface at depth t into the light that reaches the camera, in place."""
    sx, sy, sz = look[SUN], look[SUN + 1], look[SUN + 2]
    direct = nx * sx + ny * sy + nz * sz
    if direct > 0.0 and look[SUNLIGHT] > 0.01:
        direct *= sunlit(top, sx, sy, sz, x, y, z)
    direct = max(direct, 0.0)
    fill = 0.62 + 0.3 * ny - 0.08 * nz
    warm = 0.0
    if look[NIGHT] > 0.0:
        warm = _lamplight(lamps, x, y, z, nx, ny, nz) * look[NIGHT]
    bright = 1.6 if glow > 0.0 else 0.0
    air = look[HAZE] * t
    clear = 1.0 / (1.0 + air + 0.5 * air * air + air * air * air / 6.0)  # about exp(-air), without libm
    for c in range(3):
        tone = 1.0 if c == 0 else (0.85 if c == 1 else 0.58)
        light = look[AMBIENT + c] * fill + look[SUNLIGHT + c] * direct + warm * tone
        lit = rgb[c] * (light * (1.0 - 0.5 * glow) + glow * bright * (0.55 + 0.45 * look[NIGHT]))
        rgb[c] = lit * clear + (1.0 - clear) * look[AIR + c]


def shade(
    prims: Array,
    street: Array,
    cam: Array,
    look: Array,
    colours: Array,
    lamps: Array,
    top: Array,
    depth: Array,
    index: Array,
) -> tuple[Array, Array, Array]:
    """Colours, classes and instances of a cast view.

    Args:
        prims, street, cam: what was cast (caster.py).
        look: (32,) Look.values.
        colours: (MATERIALS, 2, 3) RGB.
        lamps: (L, 4) x, y, z, strength.
        top: the sun map (shadows.py).
        depth, index: (H, W) what `cast` returned.

    Returns:
        Image (H, W, 3) float32, 1 is white and more is possible; train ids (H, W) uint8; instances (H, W) int32.
    """
    image = np.empty((*depth.shape, 3), np.float32)
    label, instance = np.empty(depth.shape, np.uint8), np.zeros(depth.shape, np.int32)
    _shade(prims, street, cam, look, colours, lamps, top, depth, index, np.empty(3), image, label, instance)
    return image, label, instance


@kernel
def _shade(
    prims: Array,
    street: Array,
    cam: Array,
    look: Array,
    colours: Array,
    lamps: Array,
    top: Array,
    depth: Array,
    index: Array,
    rgb: Array,
    image: Array,
    label: Array,
    instance: Array,
    sources: int = SOURCES,
) -> None:
    height, width = depth.shape
    for i in range(height):
        for j in range(width):
            dx, dy, dz = ray(cam, height, width, i + 0.5, j + 0.5)
            k, t = index[i, j], depth[i, j]
            if k == SKY:
                label[i, j] = SKY_CLASS
                sky_colour(look, dx, dy, dz, rgb)
            else:
                x, y, z = cam[EYE] + t * dx, cam[EYE + 1] + t * dy, cam[EYE + 2] + t * dz
                glow = 0.0
                if k == GROUND:
                    kind = ground_class(street, x, z)
                    ground_albedo(street, look, colours, kind, x, z, rgb)
                    nx, ny, nz = 0.0, 1.0, 0.0
                else:
                    p = prims[k]
                    kind, instance[i, j] = int(p[CLASS]), int(p[INSTANCE])
                    lx, ly, lz = to_local(p, x - p[CX], y - p[CY], z - p[CZ])
                    nx, ny, nz = local_normal(p, lx, ly, lz)
                    glow = thing_albedo(p, look, lx, ly, lz, nx, ny, nz, rgb)
                    nx, ny, nz = to_world(p, nx, ny, nz)
                    glow *= p[GLOW] if p[GLOW] > 0.0 else look[NIGHT]
                label[i, j] = kind
                _weathered(rgb, look, kind, k == GROUND, x, z, ny, glow)
                _light(rgb, look, lamps, top, t, x, y, z, nx, ny, nz, glow)
            for c in range(3):
                image[i, j, c] = rgb[c]
