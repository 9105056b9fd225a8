"""Appearance of a place and an hour: colours of materials, light, air, weather and camera sensor."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import numpy as np

from bench.data.streets import ids as m
from bench.data.streets.look import SEED, Look
from bench.data.streets.table import B_A, B_B, G_A, G_B, KEY, MATERIAL, R_A, R_B
from bench.data.streets.types import Array, Range, uniform

Swatch = tuple[float, float, float, float, float, float]  # hue, saturation and value from-to, each in 0..1
Palette = dict[int, tuple[Swatch, ...]]

GREEN: Swatch = (0.22, 0.34, 0.35, 0.7, 0.22, 0.5)
# What street materials look like anywhere; styles state only what differs.
COMMON: Palette = {
    m.M_ROAD: ((0.55, 0.7, 0.0, 0.1, 0.24, 0.42),),
    m.M_WALK: ((0.05, 0.15, 0.02, 0.15, 0.45, 0.68),),
    m.M_TERRAIN: (GREEN, (0.2, 0.3, 0.35, 0.6, 0.3, 0.5), (0.07, 0.12, 0.25, 0.5, 0.3, 0.5)),
    m.M_FACADE: ((0.02, 0.12, 0.05, 0.5, 0.4, 0.85), (0.5, 0.65, 0.02, 0.25, 0.4, 0.8)),
    m.M_ROOF: ((0.0, 0.06, 0.3, 0.6, 0.25, 0.5), (0.5, 0.7, 0.0, 0.2, 0.2, 0.4)),
    m.M_WALL: ((0.03, 0.14, 0.02, 0.35, 0.4, 0.7),),
    m.M_FENCE: ((0.0, 1.0, 0.0, 0.3, 0.2, 0.6), (0.06, 0.12, 0.3, 0.6, 0.3, 0.5)),
    m.M_METAL: ((0.5, 0.7, 0.0, 0.12, 0.3, 0.6),),
    m.M_LAMPBOX: ((0.0, 1.0, 0.0, 0.2, 0.05, 0.15),),
    m.M_SIGN: ((0.0, 0.02, 0.7, 0.95, 0.6, 0.9), (0.58, 0.64, 0.7, 0.95, 0.5, 0.8), (0.12, 0.16, 0.7, 0.95, 0.7, 0.95)),
    m.M_LEAF: (GREEN, (0.2, 0.3, 0.4, 0.7, 0.25, 0.45)),
    m.M_BARK: ((0.05, 0.1, 0.2, 0.5, 0.15, 0.35),),
    m.M_SHIRT: ((0.0, 1.0, 0.2, 0.8, 0.2, 0.8),),
    m.M_TROUSERS: ((0.55, 0.7, 0.1, 0.6, 0.1, 0.4), (0.05, 0.1, 0.1, 0.4, 0.2, 0.5)),
    m.M_SKIN: ((0.04, 0.08, 0.3, 0.55, 0.35, 0.85),),
    m.M_HELMET: ((0.0, 1.0, 0.0, 0.8, 0.15, 0.9),),
    m.M_PAINT: ((0.0, 1.0, 0.0, 0.1, 0.1, 0.9), (0.0, 0.03, 0.6, 0.9, 0.35, 0.7), (0.55, 0.65, 0.5, 0.9, 0.2, 0.6)),
    m.M_GLASS: ((0.5, 0.65, 0.1, 0.3, 0.08, 0.25),),
    m.M_TYRE: ((0.0, 1.0, 0.0, 0.1, 0.05, 0.14),),
    m.M_CARGO: ((0.0, 1.0, 0.0, 0.1, 0.6, 0.95), (0.0, 1.0, 0.3, 0.8, 0.3, 0.8)),
    m.M_BUS: ((0.0, 0.15, 0.6, 0.95, 0.5, 0.9), (0.55, 0.62, 0.2, 0.7, 0.5, 0.9)),
    m.M_TRAIN: ((0.0, 1.0, 0.1, 0.7, 0.5, 0.9),),
    m.M_SPOKES: ((0.0, 1.0, 0.0, 0.1, 0.35, 0.6),),
    m.M_MOTO: ((0.0, 1.0, 0.2, 0.9, 0.15, 0.7),),
    m.M_GLOW: ((0.12, 0.16, 0.0, 0.2, 0.85, 1.0),),
}
SHARED = (m.M_ROAD, m.M_WALK, m.M_TERRAIN, m.M_METAL, m.M_LAMPBOX, m.M_BARK)  # one colour a street, not one a thing
ANYTHING: tuple[Swatch, ...] = ((0.0, 1.0, 0.0, 0.1, 0.3, 0.7),)  # greys, for materials that have no swatches


@dataclass(frozen=True)
class Style:
    """Ranges that a frame's appearance is drawn from. Weather levels are 0 (none) to 1."""

    palette: Palette = field(default_factory=dict)
    strange: float = 0.0  # chance that a material takes any colour at all
    sun_height: Range = (0.5, 1.2)  # tan of elevation
    sun_side: Range = (-1.2, 1.2)
    sun_colour: tuple[float, float, float] = (1.0, 0.95, 0.85)
    sun: Range = (0.8, 1.0)
    ambient: Range = (0.5, 0.6)
    ambient_colour: tuple[float, float, float] = (0.85, 0.93, 1.05)
    sky: tuple[Swatch, ...] = ((0.55, 0.6, 0.4, 0.7, 0.75, 0.95),)
    clouds: Range = (0.0, 0.5)
    haze: Range = (0.0, 0.002)  # extinction, 1/m
    texture: Range = (0.5, 0.8)
    saturation: Range = (0.9, 1.1)
    contrast: Range = (0.95, 1.1)
    exposure: Range = (0.95, 1.05)
    tint: float = 0.0  # largest change of a colour channel
    blur: Range = (0.0, 0.0)  # sigma in pixels at 256 wide
    noise: Range = (0.0, 0.01)
    vignette: Range = (0.0, 0.0)
    fog: Range = (0.0, 0.0)
    night: Range = (0.0, 0.0)
    rain: Range = (0.0, 0.0)
    snow: Range = (0.0, 0.0)
    drops: float = 1.0  # in the air, in proportion to what rain and snow bring by themselves
    weather_chance: float = 1.0


class _Weather(NamedTuple):
    """Levels from 0 (none) to 1."""

    fog: float
    night: float
    rain: float
    snow: float


def hsv_to_rgb(hsv: Array) -> Array:
    """(..., 3) hue, saturation, value in 0..1 to red, green, blue in 0..1."""
    h, s, v = hsv[..., 0] % 1.0 * 6.0, hsv[..., 1], hsv[..., 2]
    k = np.stack([(n + h) % 6.0 for n in (5.0, 3.0, 1.0)], -1)
    return np.asarray(v[..., None] - (v * s)[..., None] * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0))


def draw_look(style: Style, seed: int) -> Look:
    """Draw one appearance from a style."""
    rng = Random(seed)
    sun = _sun(rng, style)
    weather = _weather(rng, style)
    values = np.array([*sun, *_light(rng, style, weather), rng.random() * 65536 // 1, style.drops])
    blur = uniform(rng, style.blur) + 0.25 * (weather.fog + weather.rain)
    noise = uniform(rng, style.noise) + 0.03 * weather.night
    vignette = uniform(rng, style.vignette)
    colours = np.array([_material(rng, style, k) for k in range(m.MATERIALS)])
    return Look(values, colours, blur, noise, vignette)


def _sun(rng: Random, style: Style) -> Array:
    """Unit vector towards the sun, which stands behind the camera or before it."""
    side, height = uniform(rng, style.sun_side), uniform(rng, style.sun_height)
    sun = np.array([side, height, -0.4 + 1.2 * (rng.random() - 0.5)])
    return np.asarray(sun / np.sqrt((sun * sun).sum()))


def _weather(rng: Random, style: Style) -> _Weather:
    on = rng.random() < style.weather_chance
    levels = [uniform(rng, span) if on else 0.0 for span in (style.fog, style.night, style.rain, style.snow)]
    if style.weather_chance < 1.0:  # a place with changing weather has one kind at a time
        keep = int(rng.random() * 4)
        levels = [level if k == keep else 0.0 for k, level in enumerate(levels)]
    return _Weather(*levels)


def _light(rng: Random, style: Style, weather: _Weather) -> list[float]:
    """The columns of Look.values after the sun's place and before the key."""
    fog, night, rain, snow = weather
    dull = max(fog, 0.9 * rain, 0.8 * snow)
    sky = hsv_to_rgb(np.array(_hsv(rng, style.sky)))
    grey = np.array([0.72, 0.75, 0.78]) * (1.0 - 0.25 * rain)
    sky = (sky * (1 - dull) + grey * dull) * (1.0 - 0.95 * night)
    horizon = 0.45 * sky + 0.55 * (0.9 - 0.87 * night) * np.array([1.0, 1.0, 1.02]) * (1.0 - 0.2 * rain)
    sunlight = np.array(style.sun_colour) * uniform(rng, style.sun) * (1 - dull) * (1 - night)
    ambient = np.array(style.ambient_colour) * (uniform(rng, style.ambient) + 0.3 * dull) * (1.0 - 0.9 * night)
    ambient = ambient * (1 - night) + night * ambient * np.array([0.75, 0.9, 1.35])
    haze = uniform(rng, style.haze) + 0.065 * fog + 0.008 * rain + 0.01 * snow
    tint = [1.0 + style.tint * (2 * rng.random() - 1) for _ in range(3)]
    air = horizon if not fog else np.array([0.78, 0.79, 0.8]) * (1 - 0.9 * night) + 0.05
    clouds = uniform(rng, style.clouds) * (1 - dull) + 0.2 * dull
    texture = uniform(rng, style.texture)
    camera = [uniform(rng, span) for span in (style.exposure, style.saturation, style.contrast)]
    return [*sunlight, *ambient, *sky, *horizon, clouds, haze, *air, texture, night, rain, snow, *camera, *tint]


def _hsv(rng: Random, swatches: tuple[Swatch, ...]) -> tuple[float, float, float]:
    s = swatches[int(rng.random() * len(swatches))]
    return uniform(rng, (s[0], s[1])), uniform(rng, (s[2], s[3])), uniform(rng, (s[4], s[5]))


def _swatches(style: Style, material: int) -> tuple[Swatch, ...]:
    return style.palette.get(material, COMMON.get(material, ANYTHING))


def _material(rng: Random, style: Style, material: int) -> list[tuple[float, float, float]]:
    """Main and second colour (HSV) that a street's things of one material vary around."""
    main = _hsv(rng, _swatches(style, material))
    if rng.random() < style.strange:
        main = (rng.random(), 0.8 * rng.random(), 0.1 + 0.8 * rng.random())
    second = (0.58 + 0.1 * rng.random(), 0.35 * rng.random(), 0.12 + 0.4 * rng.random())
    return [main, second]


def dress(prims: Array, look: Look, style: Style) -> Array:
    """A copy of the primitive table with its colours filled in. Things of one key share their colour."""
    out = prims.copy()
    draws = _scatter(prims[:, KEY], prims[:, MATERIAL], int(look.values[SEED]))
    main, second = np.empty((len(prims), 3)), np.empty((len(prims), 3))
    for k in np.unique(prims[:, MATERIAL]).astype(int):
        rows = prims[:, MATERIAL] == k
        second[rows] = look.colours[k, 1]
        main[rows] = look.colours[k, 0] if k in SHARED else _own_colours(style, k, draws[rows])
    out[:, [R_A, G_A, B_A]] = hsv_to_rgb(main)
    out[:, [R_B, G_B, B_B]] = hsv_to_rgb(second)
    return out


def _own_colours(style: Style, material: int, draws: Array) -> Array:
    """Colours (N, 3) HSV of things of one material, from five numbers in [0, 1) for each (N, 5)."""
    swatches = np.array(_swatches(style, material))
    own = swatches[(draws[:, 0] * len(swatches)).astype(int)]
    low, high = own[:, 0::2], own[:, 1::2]
    odd = draws[:, 4] < style.strange
    strange = np.stack([draws[:, 1], 0.85 * draws[:, 2], 0.08 + 0.85 * draws[:, 3]], -1)
    return np.where(odd[:, None], strange, low + (high - low) * draws[:, 1:4])


def _scatter(key: Array, material: Array, seed: int) -> Array:
    """Five numbers in [0, 1) for every (key, material), by integer hashing (the same on every platform): (N, 5)."""
    x = key.astype(np.uint64) * np.uint64(2654435761) + material.astype(np.uint64) * np.uint64(40503) + np.uint64(seed)
    cols = []
    for k in range(5):
        h = x + np.uint64((k * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        cols.append(((h ^ (h >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / float(1 << 53))
    return np.stack(cols, -1)
