"""The camera's sensor: samples averaged to pixels, blur, and the development into 8 bits."""

import numpy as np

from bench.data.streets.kernels import SOURCES, inner, kernel
from bench.data.streets.look import CONTRAST, EXPOSURE, SATURATION, SEED, TINT
from bench.data.streets.noise import hash01
from bench.data.streets.table import FAR
from bench.data.streets.types import Array

SAMPLES = 2  # rays per pixel and axis


def pool(image: Array, label: Array, instance: Array, depth: Array) -> tuple[Array, Array, Array, Array]:
    """Average SAMPLES x SAMPLES samples to a pixel; its class is the one most have (the nearest of equals).

    Takes and returns (H, W, 3) float32, (H, W) uint8, (H, W) int32 and (H, W) depth, of which float64, FAR in the sky
    becomes float32, inf in the sky.
    """
    height, width = label.shape[0] // SAMPLES, label.shape[1] // SAMPLES
    rgb = np.zeros((height, width, 3), np.float32)
    lab, ins = np.empty((height, width), np.uint8), np.empty((height, width), np.int32)
    dep = np.empty((height, width), np.float32)
    _pool(image, label, instance, depth, rgb, lab, ins, dep)
    return rgb, lab, ins, dep


@kernel
def _pool(
    image: Array,
    label: Array,
    instance: Array,
    depth: Array,
    rgb: Array,
    lab: Array,
    ins: Array,
    dep: Array,
    sources: int = SOURCES,
) -> None:
    height, width = lab.shape
    n = SAMPLES * SAMPLES
    for i in range(height):
        for j in range(width):
            best, best_votes, best_depth = 0, 0, FAR
            for a in range(n):
                y, x = i * SAMPLES + a // SAMPLES, j * SAMPLES + a % SAMPLES
                for c in range(3):
                    rgb[i, j, c] += image[y, x, c] / n
                votes = 0
                for b in range(n):
                    if label[i * SAMPLES + b // SAMPLES, j * SAMPLES + b % SAMPLES] == label[y, x]:
                        votes += 1
                if votes > best_votes or (votes == best_votes and depth[y, x] < best_depth):
                    best, best_votes, best_depth = a, votes, depth[y, x]
            y, x = i * SAMPLES + best // SAMPLES, j * SAMPLES + best % SAMPLES
            lab[i, j], ins[i, j] = label[y, x], instance[y, x]
            dep[i, j] = np.inf if depth[y, x] >= FAR else depth[y, x]


def blur(image: Array, sigma: float) -> Array:
    """Gaussian-like blur (H, W, 3) by three-tap passes (exact arithmetic; sigma in pixels, small)."""
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


def develop(image: Array, look: Array, vignette: float, noise: float) -> Array:
    """Exposure, white balance, tone, vignette and sensor noise: linear RGB (H, W, 3) float32 to uint8."""
    out = np.empty(image.shape, np.uint8)
    _develop(image, look, vignette, noise, out)
    return out


@inner
def _tone(a: float) -> float:
    """A camera's tone curve: shadows lifted, and a soft shoulder instead of clipping."""
    a = max(0.0, a)
    a = 0.4 * np.sqrt(a) + 0.6 * a
    return a if a < 0.8 else 0.8 + 0.2 * (a - 0.8) / (a - 0.6)


@kernel
def _develop(image: Array, look: Array, vignette: float, noise: float, out: Array, sources: int = SOURCES) -> None:
    height, width, _ = image.shape
    key = int(look[SEED])
    for i in range(height):
        for j in range(width):
            ry, rx = (i + 0.5) / height - 0.5, (j + 0.5) / width - 0.5
            light = look[EXPOSURE] * (1.0 - vignette * (rx * rx + ry * ry) * 1.6)
            red = _tone(image[i, j, 0] * light * look[TINT])
            green = _tone(image[i, j, 1] * light * look[TINT + 1])
            blue = _tone(image[i, j, 2] * light * look[TINT + 2])
            grey = 0.3 * red + 0.59 * green + 0.11 * blue
            for c in range(3):
                a = grey + look[SATURATION] * ((red, green, blue)[c] - grey)
                a = 0.5 + look[CONTRAST] * (a - 0.5)
                a += noise * 1.7 * (hash01(i, j, key + c) + hash01(i, j, key + 11 + c) - 1.0)
                out[i, j, c] = np.uint8(min(255.0, max(0.0, a * 255.0 + 0.5)))
