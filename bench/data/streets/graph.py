"""The scene graph of a street: which things are there, of what colour, and where the camera sees them.

Made from the table of things, the street's profile and the drawn look: no label, instance or depth map takes part. A
thing has one place in the frame; whether the camera sees it there is one line of sight through the scene.
"""

from typing import NamedTuple

import numpy as np

from bench.data.streets import caster
from bench.data.streets import ids as m
from bench.data.streets.camera import EYE, FOCAL, FORWARD, RIGHT, UP, ray
from bench.data.streets.domains import DOMAINS
from bench.data.streets.ground import CURVE, HALF, VERGE, WALK, ground_class, ground_height, hit_ground
from bench.data.streets.kernels import SOURCES, kernel
from bench.data.streets.look import HAZE, NIGHT, RAIN, SKY_TOP, SNOW, SUNLIGHT
from bench.data.streets.pipeline import Street, dressed
from bench.data.streets.primitives import hit
from bench.data.streets.style import hsv_to_rgb
from bench.data.streets.table import (
    B_A,
    CLASS,
    CX,
    CY,
    CZ,
    FAR,
    FOLIAGE,
    INSTANCE,
    KEY,
    KIND,
    MATERIAL,
    NEAR,
    R_A,
    SY,
)
from bench.data.streets.types import Array

# Columns of Graph.things (float32): train id and sort of the thing; its place and size as shares of the frame's width
# (X, WIDE) and height (Y, TALL); metres to it; red, green and blue of its main material in 0..1.
LABEL, SORT, X, Y, WIDE, TALL, DEPTH, RED, GREEN, BLUE = range(10)
COLUMNS = 10
# Values of SORT.
USUAL, LOW, HIGH, ON_BICYCLE, ON_MOTORCYCLE = range(5)
# What a thing of a class is seen by, where it is made of more than one material.
MAIN = {
    m.BUILDING: m.M_FACADE,
    m.PERSON: m.M_SHIRT,
    m.RIDER: m.M_SHIRT,
    m.CAR: m.M_PAINT,
    m.TRUCK: m.M_CARGO,
    m.BUS: m.M_BUS,
    m.TRAIN: m.M_TRAIN,
    m.MOTORCYCLE: m.M_MOTO,
    m.BICYCLE: m.M_MOTO,
    m.VEGETATION: m.M_LEAF,
    m.POLE: m.M_METAL,
}
GRID = 2048  # pixels across the frame in which things are placed
SPOTS = ((0.5, 0.5), (0.3, 0.5), (0.7, 0.5), (0.5, 0.3), (0.5, 0.7))  # of a thing's part in view, tried in turn
SMALL = 1.5 / 256  # of the frame's width: thinner things are not told


class Graph(NamedTuple):
    """What may be told of a frame."""

    things: Array  # (N, COLUMNS) float32; parts of the ground and the sky are things too, with a place each
    weather: Array  # (5,) float32: night, rain and snow in 0..1, light of the sun, extinction of the air (1/m)


def describe(domain: str, index: int, *, wear: int = 0, aspect: float = 0.5) -> Graph:
    """The scene graph of the frame `render` gives for the same arguments, whose height is `aspect` of its width."""
    street = dressed(DOMAINS[domain], index, wear)
    values = street.look.values
    rows = [*_things(street, aspect), *_ground(street, aspect), *_sky(street, aspect)]
    weather = values[[NIGHT, RAIN, SNOW, SUNLIGHT, HAZE]].astype(np.float32)
    return Graph(np.array(rows, np.float32).reshape(-1, COLUMNS), weather)


def _things(street: Street, aspect: float) -> list[list[float]]:
    prims = street.prims
    height = round(GRID * aspect)
    windows, near = np.empty((len(prims), 4), np.int64), np.empty(len(prims))
    caster.extents(prims, street.scene.camera, height, GRID, np.empty((8, 3)), windows, near)
    groups = [rows for rows in _groups(prims) if (near[rows] < FAR).any()]
    boxes = [_box(windows[rows[near[rows] < FAR]]) for rows in groups]
    spots = np.array([[(b[2] + v * (b[3] - b[2]), b[0] + u * (b[1] - b[0])) for v, u in SPOTS] for b in boxes])
    met = _met(street, aspect, spots.reshape(-1, 2) / (GRID, height)).reshape(len(groups), len(SPOTS))
    found = []
    for rows, box, places, seen in zip(groups, boxes, spots, met, strict=True):
        own = np.flatnonzero(np.isin(seen, rows))
        wide, tall = (box[3] - box[2]) / GRID, (box[1] - box[0]) / height
        if not len(own) or min(wide, tall * aspect) < SMALL:
            continue
        x, y = places[own[0]]
        label = int(prims[rows[0], CLASS])
        main = rows[prims[rows, MATERIAL] == MAIN.get(label, prims[rows[0], MATERIAL])]
        colour = prims[main[0] if len(main) else rows[0], R_A : B_A + 1]
        depth = max(NEAR, float(prims[rows, CZ].min()) if label != m.BUILDING else float(near[rows].min()))
        found.append([label, _sort(prims, rows, label), x / GRID, y / height, wide, tall, depth, *colour])
    return found


def _groups(prims: Array) -> list[Array]:
    """Rows of each thing. What is no instance is told apart by its key: leaves of one tree have keys in sequence."""
    names: dict[tuple[int, ...], list[int]] = {}
    last = (-1, -1, 0)
    for k, (kind, label, instance, key) in enumerate(prims[:, [KIND, CLASS, INSTANCE, KEY]].astype(int)):
        if label in (m.LIGHT, m.SIGN, m.POLE, m.WALL, m.FENCE):
            name: tuple[int, ...] = (label, -1, k)  # each of its own: lights of a post hang metres apart
        elif instance:
            name = (label, instance)
        elif kind == FOLIAGE and last[:2] == (label, key - 1):
            name = (label, -2, last[2])  # one more ball of the same leaves
        else:
            name = (label, -2, k) if kind == FOLIAGE else (label, -3, key)
        last = (label, key, name[-1]) if kind == FOLIAGE else (-1, -1, 0)
        names.setdefault(name, []).append(k)
    return [np.array(rows) for rows in names.values()]


def _box(windows: Array) -> tuple[int, int, int, int]:
    """Rows from, to, columns from, to that hold all of the windows (N, 4)."""
    low, high = windows.min(0), windows.max(0)
    return int(low[0]), int(high[1]), int(low[2]), int(high[3])


def _sort(prims: Array, rows: Array, label: int) -> int:
    """Which of its class: a bush or a tree, a house or a tower, on a bicycle or a motorcycle."""
    top = float((prims[rows, CY] + prims[rows, SY]).max())
    if label == m.VEGETATION:
        return LOW if top < 2.6 else USUAL
    if label == m.BUILDING:
        return LOW if top < 8.0 else HIGH if top > 24.0 else USUAL
    if label == m.RIDER and rows[0]:
        return ON_BICYCLE if prims[rows[0] - 1, CLASS] == m.BICYCLE else ON_MOTORCYCLE
    return USUAL


def _ground(street: Street, aspect: float) -> list[list[float]]:
    """Places on the carriageway, the verges, the pavements and the plots, at a few distances."""
    row, cam = street.scene.street, street.scene.camera
    across = [0.5 * row[HALF + 1], -0.5 * row[HALF]]
    for side, sign in ((0, -1.0), (1, 1.0)):
        half, verge, walk = row[HALF + side], row[VERGE + side], row[WALK + side]
        across += [sign * (half + verge + 0.5 * walk), sign * (half + verge + walk + 2.0)]
        across += [sign * (half + 0.25 + 0.5 * verge)] if verge else []
    depths = (5.0, 8.0, 13.0, 21.0, 34.0)
    places = np.array([(lateral + row[CURVE] * z * z, z) for z in depths for lateral in across])
    known = np.empty((len(places), 2))
    _profile(row, places, known)
    offset = np.stack([places[:, 0], known[:, 1], places[:, 1]], -1) - cam[EYE : EYE + 3]
    right, up, ahead = (offset @ cam[axis : axis + 3] for axis in (RIGHT, UP, FORWARD))
    ahead = np.maximum(ahead, NEAR)
    points = np.stack([0.5 + 0.5 * cam[FOCAL] * right / ahead, 0.5 - 0.5 * cam[FOCAL] * up / ahead / aspect], -1)
    seen = (_met(street, aspect, points) == caster.GROUND) & ((points > 0) & (points < 1)).all(1)
    colours = street.look.colours
    found = []
    for (x, y), (label, _), depth in zip(points[seen], known[seen], ahead[seen], strict=True):
        material = {m.ROAD: m.M_ROAD, m.SIDEWALK: m.M_WALK}.get(int(label), m.M_TERRAIN)
        colour = hsv_to_rgb(colours[material, 0])
        found.append([label, USUAL, x, y, 0.2, 0.1, depth, *colour])
    return found


def _sky(street: Street, aspect: float) -> list[list[float]]:
    """Directions in which nothing is."""
    points = np.array([(x, y) for y in (0.05, 0.17, 0.29) for x in (0.1, 0.3, 0.5, 0.7, 0.9)])
    colour = np.clip(street.look.values[SKY_TOP : SKY_TOP + 3], 0.0, 1.0)
    clear = points[_met(street, aspect, points) == caster.SKY]
    return [[m.SKY_CLASS, USUAL, x, y, 0.2, 0.1, FAR, *colour] for x, y in clear]


def _met(street: Street, aspect: float, points: Array) -> Array:
    """Row of the first thing on the line of sight through each point (N, 2) of the frame, GROUND or SKY: (N,)."""
    met = np.full(len(points), caster.SKY, np.int64)
    height = round(GRID * aspect)
    _sights(street.prims, street.scene.street, street.scene.camera, height, points * (GRID, height), met)
    return met


@kernel
def _sights(
    prims: Array, street: Array, cam: Array, height: int, points: Array, met: Array, sources: int = SOURCES
) -> None:
    for i in range(len(points)):
        dx, dy, dz = ray(cam, height, GRID, points[i, 1], points[i, 0])
        nearest = hit_ground(street, cam[EYE], cam[EYE + 1], cam[EYE + 2], dx, dy, dz)
        if nearest < caster.EDGE:
            met[i] = caster.GROUND
        else:
            nearest = FAR
        for k in range(len(prims)):
            p = prims[k]
            t = hit(p, cam[EYE] - p[CX], cam[EYE + 1] - p[CY], cam[EYE + 2] - p[CZ], dx, dy, dz)
            if t < nearest:
                nearest = t
                met[i] = k


@kernel
def _profile(street: Array, places: Array, known: Array, sources: int = SOURCES) -> None:
    """Write train id and height of the ground at each place (x, z)."""
    for i in range(len(places)):
        known[i, 0] = ground_class(street, places[i, 0], places[i, 1])
        known[i, 1] = ground_height(street, places[i, 0], places[i, 1])
