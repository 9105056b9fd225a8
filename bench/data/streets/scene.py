"""A street with everything in it. Colours come later (style.py), so one scene can wear many styles."""

from random import Random
from typing import NamedTuple

import numpy as np

from bench.data.streets.builder import Builder
from bench.data.streets.camera import camera
from bench.data.streets.layout import Layout
from bench.data.streets.road import draw_road
from bench.data.streets.roadside import backdrop, pavement, plots
from bench.data.streets.table import CZ, SX, SZ
from bench.data.streets.traffic import traffic
from bench.data.streets.types import Array, uniform

MAX_LAMPS = 14  # the nearest: every point asks every lamp for its light


class Scene(NamedTuple):
    """A street before it is coloured, all float64."""

    prims: Array  # (N, COLUMNS) primitive table
    street: Array  # (STREET_COLUMNS,) ground profile
    camera: Array  # (13,)
    lamps: Array  # (L, 4) x, y, z, strength, L <= MAX_LAMPS


def build(lay: Layout, seed: int) -> Scene:
    """Lay out the street with this seed. The same seed gives the same street in every style."""
    rng = Random(seed)
    b = Builder(rng)
    road = draw_road(rng, lay)
    kerb = uniform(rng, (0.12, 0.2))
    for side in (0, 1):
        plots(b, road, lay, side)
        pavement(b, road, lay, side, kerb)
    traffic(b, road, lay)
    backdrop(b, lay)
    left, right = (1.0 if rng.random() < lay.green else 0.0 for _ in range(2))
    view = camera(
        uniform(rng, (-0.4, 1.2)),
        uniform(rng, lay.camera_height),
        uniform(rng, lay.focal),
        uniform(rng, lay.pitch),
        (rng.random() * 2 - 1) * lay.roll,
    )
    prims = b.table()
    ahead = prims[:, CZ] + np.maximum(prims[:, SX], prims[:, SZ]) > 0.3
    near = sorted((lamp for lamp in b.lamps if 1.0 < lamp[2] < 60.0), key=lambda lamp: lamp[2])[:MAX_LAMPS]
    lamps = np.asarray(near, dtype=np.float64).reshape(-1, 4)
    return Scene(np.ascontiguousarray(prims[ahead]), road.row(kerb, (left, right)), view, lamps)
