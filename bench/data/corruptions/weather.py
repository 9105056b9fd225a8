"""Weather: every function takes an RGB image (H, W, 3) uint8 and gives one, cut to 0..255, fractions dropped.

As imagecorruptions 1.1.2 does it, from random numbers of our own. Each is a draw and a pure function of what was drawn:
`snow` draws and `snowed` is the function, and so on; from the package's draws they make its pictures
(tests/parity/test_corruptions_weather.py). OpenCV and libm (the tails of normal draws, the weights of blurs) may round
otherwise on another kind of CPU: then single pixels differ by a grey level.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numba
import numpy as np
import numpy.typing as npt

from bench.data.corruptions.blur import smooth, trail
from bench.data.corruptions.layers import Draws, Layer, enlarged, plasma, plasma_size
from bench.errors import PrerequisiteError

Image = npt.NDArray[np.uint8]

_WATER = np.array((175, 238, 238), np.float32)
_MUD = np.array((63, 42, 20), np.float32)
_WHITE = np.full(3, 255, np.float32)
_GUARD = np.float32(1e-3)
"""Added before fractions are dropped: float32 sums may fall short of the whole number they stand for."""
_PHOTOGRAPHS = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


class _Snow(NamedTuple):
    mean: float
    spread: float
    size: float
    least: float
    radius: int
    sigma: float
    kept: float


_SNOW = (
    _Snow(0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    _Snow(0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    _Snow(0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    _Snow(0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    _Snow(0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)


def snow(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A whitened picture under streaks of flakes that fall in two directions."""
    shape = grains_shape(image.shape[0], image.shape[1], severity)
    grains = rng.standard_normal(shape, np.float32)
    return snowed(image, severity, grains, rng.uniform(-135, -45))


def grains_shape(height: int, width: int, severity: int) -> tuple[int, int]:
    """How many grains `snowed` wants: rows and columns that cover the image once enlarged."""
    size = _SNOW[severity - 1].size
    return int(np.ceil(height / size)), int(np.ceil(width / size))


def snowed(image: Image, severity: int, grains: Draws, angle: float) -> Image:
    """Snow from standard normal grains and the direction of its fall in degrees.

    Odd, and kept: the layer falls a second time upside down, so that half of the snow rises.
    """
    s = _SNOW[severity - 1]
    height, width = image.shape[:2]
    flakes = enlarged(s.mean + s.spread * grains, s.size)
    flakes[flakes < s.least] = 0
    np.minimum(flakes, 1, out=flakes)
    fallen = cv2.convertScaleAbs(trail(flakes, s.radius, s.sigma, angle)[:height, :width], alpha=255)
    out = np.empty_like(image)
    _whiten(image, np.asarray(fallen, np.uint8), np.float32(s.kept), out)
    return out


@numba.njit(cache=True, nogil=True)
def _whiten(image: Image, flakes: Image, kept: np.float32, out: Image) -> None:
    height, width = flakes.shape
    faded = np.float32(1) - kept
    for i in range(height):
        for j in range(width):
            red, green, blue = np.float32(image[i, j, 0]), np.float32(image[i, j, 1]), np.float32(image[i, j, 2])
            grey = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
            bright = grey * np.float32(1.5) + np.float32(127.5)
            white = np.float32(flakes[i, j]) + np.float32(flakes[height - 1 - i, width - 1 - j])
            for c in range(3):
                value = np.float32(image[i, j, c])
                value = kept * value + faded * max(value, bright) + white + _GUARD
                out[i, j, c] = np.uint8(min(value, np.float32(255)))


def fog(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Fractal fog over the picture, the sum scaled to the picture's own maximum."""
    return fogged(image, severity, rng.random(plasma_size(*image.shape[:2]) ** 2 - 1, np.float32))


def fogged(image: Image, severity: int, draws: Draws) -> Image:
    """Fog from numbers in [0, 1), as many as `plasma` wants for the size of the image."""
    density, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity - 1]
    most = float(image.max()) / 255
    gain = most / (most + density)
    layer = plasma(draws, decay)[: image.shape[0], : image.shape[1]]
    return _blend(image, gain, layer, density * gain * _WHITE)


def spatter(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Drops of water on the lens; from severity 4 on, mud."""
    return spattered(image, severity, rng.standard_normal(image.shape[:2], np.float32))


def spattered(image: Image, severity: int, drops: Draws) -> Image:
    """Spatter from standard normal numbers (H, W).

    Not kept: where no drop is left (tiny images) the picture stays, while the package divides by zero.
    """
    mean, spread, sigma, least, strength, mud = (
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    )[severity - 1]
    liquid = smooth(np.asarray(drops, np.float32), sigma)
    liquid *= np.float32(spread)
    liquid += np.float32(mean)
    if mud:
        cover = smooth((liquid > least).astype(np.float32), strength)
        cover[cover < 0.8] = 0
        return _blend(image, 1.0, cover, _MUD, opaque=1.0)
    liquid[liquid < least] = 0
    return _blend(image, 1.0, _drops(liquid), np.float32(strength) * _WATER)


def _drops(liquid: Layer) -> Layer:
    """Drops shaded by the distance to their outlines, lit from one side, (H, W) in 0..1."""
    body = (liquid * 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(body, 50, 150), cv2.DIST_L2, 5)
    level = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20, out=distance), (3, 3)).astype(np.uint8))
    light = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    drops = cv2.blur(cv2.filter2D(level, cv2.CV_8U, light), (3, 3)).astype(np.float32)
    drops *= body
    drops *= np.float32(1 / max(float(drops.max()), 1.0))
    return np.asarray(drops, np.float32)


def _blend(image: Image, gain: float, layer: Layer, colour: Layer, opaque: float = 0.0) -> Image:
    """The image times gain - opaque * layer (H, W), plus the layer in its colour."""
    out = np.empty_like(image)
    _add_layer(image, np.float32(gain), layer, colour.astype(np.float32), np.float32(opaque), out)
    return out


@numba.njit(cache=True, nogil=True)
def _add_layer(image: Image, gain: np.float32, layer: Layer, colour: Layer, opaque: np.float32, out: Image) -> None:
    red, green, blue = colour
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            amount = layer[i, j]
            share = gain - opaque * amount
            for c in range(3):
                tone = red if c == 0 else (green if c == 1 else blue)
                value = np.float32(image[i, j, c]) * share + amount * tone + _GUARD
                out[i, j, c] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))


def frost(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The darkened picture plus a photograph of ice on glass.

    Raises PrerequisiteError if the photographs, which the package imagecorruptions brings, are not installed.
    A defect that is kept: the last of the package's six photographs is never drawn.
    """
    which = int(rng.integers(len(_PHOTOGRAPHS)))
    height, width = frost_shape(image.shape[0], image.shape[1], which)
    top, left = rng.integers(height - image.shape[0]), rng.integers(width - image.shape[1])
    return frosted(image, severity, which, int(top), int(left))


def frost_shape(height: int, width: int, which: int) -> tuple[int, int]:
    """Height and width of an enlarged photograph: by 1.1, and before that, if need be, until it covers the image."""
    rows, columns = _photograph(which).shape[:2]
    scale = max(1, height / rows, width / columns) * 1.1
    return int(np.ceil(rows * scale)), int(np.ceil(columns * scale))


def frosted(image: Image, severity: int, which: int, top: int, left: int) -> Image:
    """Frost from the part of photograph `which` (0 to 4), enlarged, that begins at (top, left)."""
    kept, ice = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    height, width = image.shape[:2]
    rows, columns = frost_shape(height, width, which)
    glass = np.asarray(cv2.resize(_photograph(which), (columns, rows), interpolation=cv2.INTER_CUBIC), np.uint8)
    out = np.empty_like(image)
    _add_glass(image, np.float32(kept), glass[top : top + height, left : left + width], np.float32(ice), out)
    return out


@numba.njit(cache=True, nogil=True)
def _add_glass(image: Image, kept: np.float32, glass: Image, ice: np.float32, out: Image) -> None:
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            for c in range(3):
                value = kept * np.float32(image[i, j, c]) + ice * np.float32(glass[i, j, c]) + _GUARD
                out[i, j, c] = np.uint8(min(value, np.float32(255)))


def require_photographs() -> None:
    """Raise PrerequisiteError where frost's photographs are not installed."""
    _photograph(0)


@lru_cache(maxsize=len(_PHOTOGRAPHS))
def _photograph(which: int) -> Image:
    """One of the package's photographs, RGB; the package itself is not imported, which current setuptools forbids."""
    package = importlib.util.find_spec("imagecorruptions")
    places = (package.submodule_search_locations or ()) if package else ()
    for place in places:
        picture = cv2.imread(str(Path(place) / "frost" / _PHOTOGRAPHS[which]))
        if picture is not None:
            return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    raise PrerequisiteError(
        "frost needs the photographs of imagecorruptions, which is not installed: pip install -e '.[corruptions]'"
    )


def ice(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """This suite's stand-in for frost, which needs no package: the darkened picture plus procedural ice on the lens.

    Not one of the 19. Ridges of a fractal, denser away from the middle, with the brightness (mean 0.45 to 0.8 of the
    range) and the bluish tint of frost's photographs; strengths as frost's.
    """
    kept, strength = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    height, width = image.shape[:2]
    count = plasma_size(height, width) ** 2 - 1
    coarse = plasma(rng.random(count, np.float32), 2.0)[:height, :width]
    fine = plasma(rng.random(count, np.float32), 1.5)[:height, :width]
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    ridges = (1 - np.abs(2 * fine - 1)) ** 3
    crystals = 0.5 * coarse + 0.35 * ridges + 0.15 * np.sqrt(rows**2 + columns**2)
    amount = np.clip(crystals - crystals.mean() + np.float32(rng.uniform(0.45, 0.8)), 0, 1)
    return _blend(image, kept, amount, np.array((0.9, 1.0, 1.05), np.float32) * np.float32(255 * strength))
