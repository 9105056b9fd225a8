"""From a domain and a number to a frame: lay out, dress, cast, shade, and what weather and camera add."""

import hashlib
from typing import NamedTuple

from bench.data.streets import caster, scene, sensor, shading, shadows, style, weather
from bench.data.streets.domains import Domain
from bench.data.streets.look import RAIN, SNOW, SUN, SUNLIGHT, Look
from bench.data.streets.types import Array, Frame


class Street(NamedTuple):
    """A street as it is before the camera sees it: where things are and how they will look."""

    scene: scene.Scene
    look: Look
    prims: Array  # (N, COLUMNS) the scene's, with their colours


def dressed(place: Domain, index: int, wear: int) -> Street:
    """Lay a street out and dress it; its frame and its scene graph are both made from this."""
    laid = scene.build(place.layout, _seed("street", place.streets or place.name, index))
    look = style.draw_look(place.style, _seed("look", place.look or place.name, index, wear))
    return Street(laid, look, style.dress(laid.prims, look, place.style))


def frame(place: Domain, index: int, height: int, width: int, wear: int) -> Frame:
    """See `bench.data.streets.render`."""
    return _photograph(dressed(place, index, wear), height, width)


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "little")


def _photograph(street: Street, height: int, width: int) -> Frame:
    s, look, prims = street
    values, colours = look.values, style.hsv_to_rgb(look.colours)
    depth, index = caster.cast(prims, s.street, s.camera, sensor.SAMPLES * height, sensor.SAMPLES * width)
    sunny = values[SUNLIGHT] > 0.01  # else nothing needs to throw a shadow
    top = shadows.sun_map(prims if sunny else prims[:0], values[SUN : SUN + 3])
    image, label, instance = shading.shade(prims, s.street, s.camera, values, colours, s.lamps, top, depth, index)
    if values[RAIN] > 0:
        image = weather.reflect(image, label, depth, index, s.camera, values)
    image, label, instance, depth = sensor.pool(image, label, instance, depth)
    if values[RAIN] > 0 or values[SNOW] > 0:
        weather.fall(image, depth, values)
    image = sensor.blur(image, look.blur * width / 256.0)
    return Frame(sensor.develop(image, values, look.vignette, look.noise), label, instance, depth)
