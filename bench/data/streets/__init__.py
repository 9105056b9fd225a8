"""The embedded world: procedural street scenes with exact labels, rendered on the CPU.

`render(domain, index, height, width)` is a pure function: the same arguments give the same frame, at any time and in
any thread.
"""

import hashlib

import numpy as np

from bench.data.streets import geometry, scene, sensor, shading, style, textures
from bench.data.streets.domains import DOMAINS, Domain
from bench.data.streets.types import Frame

# Part of a run's identity: any change to a rendered pixel needs a new number.
WORLD_VERSION = 1
SUN_CELL, SUN_SIZE = 0.3, 200
SAMPLES = 2  # rays per pixel and axis


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little")


def render(domain: str, index: int, height: int = 128, width: int = 256, *, wear: int = 0) -> Frame:
    """Render frame `index` of a domain.

    Args:
        domain: a name in DOMAINS.
        index: any integer >= 0; a different street each.
        height, width: size in pixels.
        wear: the same street under another draw of the domain's style (light, colours, weather, sensor).
    """
    place = DOMAINS[domain]
    street = scene.build(place.layout, _seed("street", place.streets or place.name, index))
    return _render(street, place, _seed("look", domain, index, wear), height, width)


def _render(s: scene.Scene, place: Domain, seed: int, height: int, width: int) -> Frame:
    look = style.draw_look(place.style, seed)
    prims = style.dress(s.prims, look, place.style)
    colours = style.hsv_to_rgb(look.colours)
    values = look.values
    key = int(values[textures.SEED])
    big = SAMPLES * height, SAMPLES * width
    depth, index = geometry.cast(prims, s.street, s.camera, *big)
    sunny = values[textures.SUNLIGHT] > 0.01
    top = geometry.sun_map(prims, values[:3], SUN_SIZE, SUN_CELL) if sunny else np.zeros((2, 2))
    image, label, inst = shading.shade(prims, s.street, s.camera, values, colours, s.lamps, top, SUN_CELL, depth, index)
    _, _, rain, snow = look.weather
    if rain > 0:
        image = sensor.reflect(image, label, depth, index, s.camera, values, rain)
    rgb, lab, ins, dep = sensor.pool(image, label, inst, depth, SAMPLES)
    if rain > 0 or snow > 0:
        sensor.fall(rgb, dep, key, rain, snow)
    sigma, noise, vignette = look.sensor
    rgb = sensor.blur(rgb, sigma * width / 256.0)
    out = sensor.develop(
        rgb,
        values[textures.EXPOSURE],
        values[textures.SATURATION],
        values[textures.CONTRAST],
        values[textures.TINT : textures.TINT + 3],
        vignette,
        noise,
        key,
    )
    return Frame(out, lab, ins, dep)


__all__ = ["DOMAINS", "WORLD_VERSION", "Frame", "render"]
