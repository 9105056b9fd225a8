"""What happens between the street and the file: wet reflections, falling rain and snow, and the camera."""

import numpy as np
from numba import njit

from bench.data.streets.geometry import FAR, GROUND, SKY, hash01, ray
from bench.data.streets.parts import ROAD, SIDEWALK
from bench.data.streets.shading import sky_colour
from bench.data.streets.types import Array


@njit(nogil=True, cache=True)
def reflect(image: Array, label: Array, depth: Array, index: Array, cam: Array, look: Array, amount: float) -> Array:
    """Mirror the view in wet ground: march the reflected ray through the depth buffer."""
    height, width = depth.shape
    out = image.copy()
    rgb = np.empty(3)
    for i in range(height):
        for j in range(width):
            if index[i, j] != GROUND or (label[i, j] != ROAD and label[i, j] != SIDEWALK):
                continue
            dx, dy, dz = ray(cam, height, width, i + 0.5, j + 0.5)
            t = depth[i, j]
            x, y, z = cam[0] + t * dx, cam[1] + t * dy, cam[2] + t * dz
            norm = np.sqrt(dx * dx + dy * dy + dz * dz)
            dy = -dy + 0.05 * norm * (hash01(int(x * 8), int(z * 3), 5) - 0.5)
            sky_colour(look, dx, dy, dz, rgb)
            step = 0.35
            for _ in range(14):
                x, y, z = x + step * dx, y + step * dy, z + step * dz
                step *= 1.35
                qx, qy, qz = x - cam[0], y - cam[1], z - cam[2]
                w = cam[10] * qx + cam[11] * qy + cam[12] * qz
                if w < 0.3:
                    break
                u = (cam[4] * qx + cam[5] * qy + cam[6] * qz) / w * cam[3] * width / 2.0 + width / 2.0
                v = -(cam[7] * qx + cam[8] * qy + cam[9] * qz) / w * cam[3] * width / 2.0 + height / 2.0
                a, b = int(np.floor(v)), int(np.floor(u))
                if a < 0 or b < 0 or b >= width or a >= height:
                    break
                if index[a, b] >= 0 and depth[a, b] < w and w - depth[a, b] < 0.5 + 2.0 * step:
                    for c in range(3):
                        rgb[c] = image[a, b, c]
                    break
            grazing = 1.0 - min(1.0, abs(dy) / norm * 2.2)
            f = amount * (0.12 + 0.6 * grazing) * (1.0 if label[i, j] == ROAD else 0.6)
            for c in range(3):
                out[i, j, c] = image[i, j, c] * (1.0 - f) + f * rgb[c]
    return out


@njit(nogil=True, cache=True)
def fall(image: Array, depth: Array, key: int, rain: float, snow: float) -> None:
    """Draw streaks of rain or flakes of snow into the image, in place; more than a few are behind near things."""
    height, width = depth.shape
    scale = width / 256.0
    drops = int(260 * rain + 330 * snow)
    for k in range(drops):
        near = hash01(k, key, 1)
        far = 2.0 + 18.0 * near
        row, col = hash01(k, key, 2) * height, hash01(k, key, 3) * width
        size = (1.0 - near) ** 2
        if rain > 0.0:
            length = int((3.0 + 13.0 * size) * scale)
            slant = (hash01(key, 0, 4) - 0.5) * 0.5
            alpha = 0.16 + 0.2 * size
            for s in range(length):
                i, j = int(row + s), int(col + slant * s)
                if 0 <= i < height and 0 <= j < width and depth[i, j] > far:
                    for c in range(3):
                        image[i, j, c] = image[i, j, c] * (1 - alpha) + alpha * (0.25 + 0.62 * image[0, width // 2, c])
        else:
            r = (0.45 + 1.5 * size * size) * scale
            n = int(r + 1.5)
            for i in range(int(row) - n, int(row) + n + 1):
                for j in range(int(col) - n, int(col) + n + 1):
                    if 0 <= i < height and 0 <= j < width and depth[i, j] > far:
                        d = np.sqrt((i + 0.5 - row) ** 2 + (j + 0.5 - col) ** 2)
                        alpha = max(0.0, min(1.0, r - d + 0.5)) * (0.85 - 0.4 * size)
                        for c in range(3):
                            image[i, j, c] = image[i, j, c] * (1 - alpha) + alpha * 0.95 * (
                                0.3 + 0.7 * image[0, width // 2, c]
                            )


@njit(nogil=True, cache=True)
def pool(image: Array, label: Array, inst: Array, depth: Array, factor: int) -> tuple[Array, Array, Array, Array]:
    """Average factor x factor samples to a pixel. Its class is the one most samples have (the nearest of equals)."""
    height, width = label.shape[0] // factor, label.shape[1] // factor
    rgb = np.zeros((height, width, 3), np.float32)
    lab = np.empty((height, width), np.uint8)
    ins = np.empty((height, width), np.int32)
    dep = np.empty((height, width), np.float32)
    n = factor * factor
    for i in range(height):
        for j in range(width):
            best, best_votes, best_depth = 0, 0, FAR
            for a in range(n):
                y, x = i * factor + a // factor, j * factor + a % factor
                for c in range(3):
                    rgb[i, j, c] += image[y, x, c] / n
                votes = 0
                for b in range(n):
                    if label[i * factor + b // factor, j * factor + b % factor] == label[y, x]:
                        votes += 1
                if votes > best_votes or (votes == best_votes and depth[y, x] < best_depth):
                    best, best_votes, best_depth = a, votes, depth[y, x]
            y, x = i * factor + best // factor, j * factor + best % factor
            lab[i, j], ins[i, j] = label[y, x], inst[y, x]
            dep[i, j] = np.inf if depth[y, x] >= FAR else depth[y, x]
    return rgb, lab, ins, dep


@njit(nogil=True, cache=True)
def develop(
    image: Array,
    exposure: float,
    saturation: float,
    contrast: float,
    tint: Array,
    vignette: float,
    noise: float,
    key: int,
) -> Array:
    """Exposure, white balance, tone, vignette and sensor noise; linear RGB to uint8."""
    height, width, _ = image.shape
    out = np.empty((height, width, 3), np.uint8)
    v = np.empty(3)
    for i in range(height):
        for j in range(width):
            ry, rx = (i + 0.5) / height - 0.5, (j + 0.5) / width - 0.5
            dark = exposure * (1.0 - vignette * (rx * rx + ry * ry) * 1.6)
            for c in range(3):
                a = max(0.0, image[i, j, c] * dark * tint[c])
                a = 0.4 * np.sqrt(a) + 0.6 * a  # a camera's tone curve: shadows lifted
                v[c] = a if a < 0.8 else 0.8 + 0.2 * (a - 0.8) / (a - 0.6)  # soft shoulder instead of clipping
            grey = 0.3 * v[0] + 0.59 * v[1] + 0.11 * v[2]
            for c in range(3):
                a = grey + saturation * (v[c] - grey)
                a = 0.5 + contrast * (a - 0.5)
                a += noise * 1.7 * (hash01(i, j, key + c) + hash01(i, j, key + 11 + c) - 1.0)
                out[i, j, c] = np.uint8(min(255.0, max(0.0, a * 255.0 + 0.5)))
    return out


def blur(image: Array, sigma: float) -> Array:
    """Gaussian-like blur by three-tap passes (exact arithmetic; sigma in pixels, small)."""
    if sigma < 0.15:
        return image
    side = min(0.3333, 0.5 * sigma * sigma)
    for _ in range(1 if sigma < 0.8 else 2):
        for axis in (0, 1):
            a = np.concatenate([image.take([0], axis), image, image.take([-1], axis)], axis)
            n = image.shape[axis]
            lo, mid, hi = (a.take(range(k, k + n), axis) for k in range(3))
            image = (mid * np.float32(1 - 2 * side) + (lo + hi) * np.float32(side)).astype(np.float32)
    return image


__all__ = ["SKY", "blur", "develop", "fall", "pool", "reflect"]
