"""Water and snow between the street and the camera: reflections in wet ground, streaks and flakes in the air."""

import numpy as np

from bench.data.streets.camera import EYE, FOCAL, ray, to_camera
from bench.data.streets.caster import GROUND
from bench.data.streets.ids import ROAD, SIDEWALK
from bench.data.streets.kernels import SOURCES, inner, kernel
from bench.data.streets.look import DROPS, RAIN, SEED, SNOW
from bench.data.streets.noise import hash01
from bench.data.streets.shading import sky_colour
from bench.data.streets.types import Array


def reflect(image: Array, label: Array, depth: Array, index: Array, cam: Array, look: Array) -> Array:
    """A copy of the view (H, W, 3), mirrored in its wet ground. The other arguments as `shade` has them."""
    out = image.copy()
    _reflect(image, label, depth, index, cam, look, np.empty(3), out)
    return out


@kernel
def _reflect(
    image: Array,
    label: Array,
    depth: Array,
    index: Array,
    cam: Array,
    look: Array,
    rgb: Array,
    out: Array,
    sources: int = SOURCES,
) -> None:
    height, width = depth.shape
    for i in range(height):
        for j in range(width):
            if index[i, j] != GROUND or (label[i, j] != ROAD and label[i, j] != SIDEWALK):
                continue
            dx, dy, dz = ray(cam, height, width, i + 0.5, j + 0.5)
            t = depth[i, j]
            x, y, z = cam[EYE] + t * dx, cam[EYE + 1] + t * dy, cam[EYE + 2] + t * dz
            norm = np.sqrt(dx * dx + dy * dy + dz * dz)
            # Ripples tilt the mirror a little.
            dy = -dy + 0.05 * norm * (hash01(int(x * 8), int(z * 3), np.int64(5)) - 0.5)
            sky_colour(look, dx, dy, dz, rgb)
            _march(image, depth, index, cam, x, y, z, dx, dy, dz, rgb)
            grazing = 1.0 - min(1.0, abs(dy) / norm * 2.2)
            f = look[RAIN] * (0.12 + 0.6 * grazing) * (1.0 if label[i, j] == ROAD else 0.6)
            for c in range(3):
                out[i, j, c] = image[i, j, c] * (1.0 - f) + f * rgb[c]


@inner
def _march(
    image: Array,
    depth: Array,
    index: Array,
    cam: Array,
    x: float,
    y: float,
    z: float,
    dx: float,
    dy: float,
    dz: float,
    rgb: Array,
) -> None:
    """Follow a ray through the depth map in growing steps; `rgb` becomes the colour of what it runs into, if any."""
    height, width = depth.shape
    step = 0.35
    for _ in range(14):
        x, y, z = x + step * dx, y + step * dy, z + step * dz
        step *= 1.35
        right, up, far = to_camera(cam, x - cam[EYE], y - cam[EYE + 1], z - cam[EYE + 2])
        if far < 0.3:
            return
        u = right / far * cam[FOCAL] * width / 2.0 + width / 2.0
        v = -up / far * cam[FOCAL] * width / 2.0 + height / 2.0
        a, b = int(np.floor(v)), int(np.floor(u))
        if a < 0 or b < 0 or b >= width or a >= height:
            return
        if index[a, b] >= 0 and depth[a, b] < far and far - depth[a, b] < 0.5 + 2.0 * step:
            for c in range(3):
                rgb[c] = image[a, b, c]
            return


@kernel
def fall(image: Array, depth: Array, look: Array, sources: int = SOURCES) -> None:
    """Draw streaks of rain or flakes of snow into the image (H, W, 3) float32, in place.

    `depth` (H, W) is in metres: drops that are farther away than the scene are hidden by it.
    """
    height, width = depth.shape
    key = int(look[SEED])
    # As int64, not as literals: see hash01.
    of_distance, of_row, of_column = np.int64(1), np.int64(2), np.int64(3)
    slant = (hash01(key, np.int64(0), np.int64(4)) - 0.5) * 0.5
    for k in range(int((260 * look[RAIN] + 330 * look[SNOW]) * look[DROPS])):
        near = hash01(k, key, of_distance)
        far = 2.0 + 18.0 * near
        row, col = hash01(k, key, of_row) * height, hash01(k, key, of_column) * width
        size = (1.0 - near) ** 2
        if look[RAIN] > 0.0:
            _streak(image, depth, row, col, slant, size, far)
        else:
            _flake(image, depth, row, col, size, far)


@inner
def _streak(image: Array, depth: Array, row: float, col: float, slant: float, size: float, far: float) -> None:
    height, width = depth.shape
    alpha = 0.16 + 0.2 * size
    for s in range(int((3.0 + 13.0 * size) * (width / 256.0))):
        i, j = int(row + s), int(col + slant * s)
        if 0 <= i < height and 0 <= j < width and depth[i, j] > far:
            for c in range(3):
                image[i, j, c] = image[i, j, c] * (1 - alpha) + alpha * (0.25 + 0.62 * image[0, width // 2, c])


@inner
def _flake(image: Array, depth: Array, row: float, col: float, size: float, far: float) -> None:
    height, width = depth.shape
    r = (0.45 + 1.5 * size * size) * (width / 256.0)
    n = int(r + 1.5)
    for i in range(int(row) - n, int(row) + n + 1):
        for j in range(int(col) - n, int(col) + n + 1):
            if 0 <= i < height and 0 <= j < width and depth[i, j] > far:
                d = np.sqrt((i + 0.5 - row) ** 2 + (j + 0.5 - col) ** 2)
                alpha = max(0.0, min(1.0, r - d + 0.5)) * (0.85 - 0.4 * size)
                for c in range(3):
                    white = 0.3 + 0.7 * image[0, width // 2, c]
                    image[i, j, c] = image[i, j, c] * (1 - alpha) + alpha * 0.95 * white
