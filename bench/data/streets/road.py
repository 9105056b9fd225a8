"""The road that a street's things are placed along."""

from random import Random
from typing import NamedTuple

import numpy as np

from bench.data.streets import ground
from bench.data.streets.builder import Builder
from bench.data.streets.layout import Layout
from bench.data.streets.types import Array, Range, uniform

NOWHERE = 1e6  # metres: where a street without rails or a crossing has them
AHEAD, BACK = 0.0, 1e3  # turn of what heads along the road, and the other way: tan of half the yaw
# Farther off, metres, these would be one to three pixels wide in a frame of 128 x 256: less than half a patch.
POSTS_TO, PEOPLE_TO = 60.0, 45.0
SIDES = ((0, -1.0), (1, 1.0))  # left and right: index into pairs, sign of lateral offsets


class Road(NamedTuple):
    """Widths in metres; pairs are left and right of the axis."""

    curve: float  # lateral shift = curve * z^2
    half: tuple[float, float]  # of the carriageway
    walk: tuple[float, float]
    verge: tuple[float, float]
    setback: tuple[float, float]
    cross: Range  # the crossing street, along z
    rails: float  # lateral offset

    @property
    def has_rails(self) -> bool:
        """Whether trams run here."""
        return abs(self.rails) < NOWHERE

    @property
    def has_crossing(self) -> bool:
        """Whether another street crosses."""
        return self.cross[0] < NOWHERE

    def edge(self, side: int) -> float:
        """Lateral distance from the axis to the plots on a side."""
        return self.half[side] + self.verge[side] + self.walk[side] + self.setback[side]

    def put(self, b: Builder, lateral: float, z: float, *, turn: float = AHEAD, y: float = 0.0) -> Builder:
        """Open a group at a lateral offset from the axis, heading along the road."""
        bend = self.curve * z
        # Addition theorem of the tangent, and its limit where the turn is half a circle.
        turn = (turn + bend) / (1.0 - turn * bend) if abs(turn) < BACK else -1.0 / (bend + 1e-6)
        return b.at(lateral + self.curve * z * z, y, z, turn)

    def row(self, kerb: float, green: tuple[float, float]) -> Array:
        """The street row (STREET_COLUMNS,) that the kernels read (ground.py)."""
        row = np.empty(ground.STREET_COLUMNS)
        row[ground.CURVE], row[ground.KERB], row[ground.RAILS] = self.curve, kerb, self.rails
        row[ground.CROSS_FROM], row[ground.CROSS_TO] = self.cross
        for first, pair in (
            (ground.HALF, self.half),
            (ground.VERGE, self.verge),
            (ground.WALK, self.walk),
            (ground.GREEN, green),
        ):
            row[first : first + 2] = pair
        return row


def draw_road(rng: Random, lay: Layout) -> Road:
    """Draw a road of a place."""
    tram = rng.random() < lay.tram
    lanes = [int(uniform(rng, lay.lanes)) * uniform(rng, lay.lane) + 0.6 for _ in range(2)]
    if rng.random() < 0.5:  # the camera's lane is not always in the middle
        lanes = [lanes[0] + 1.5, max(lanes[1] - 1.5, 2.6)]
    rails = NOWHERE
    if tram:
        side, sign = SIDES[int(rng.random() * 2)]
        lanes[side] += 3.4
        rails = sign * (lanes[side] - 1.8)
    verge = [(uniform(rng, (1.2, 2.6)) if rng.random() < lay.verge else 0.0) for _ in range(2)]
    cross = (NOWHERE, NOWHERE)
    if rng.random() < lay.crossing:
        start = uniform(rng, (14.0, 45.0))
        cross = (start, start + uniform(rng, (6.0, 11.0)))
    return Road(
        (rng.random() * 2 - 1) * lay.curve,
        (lanes[0], lanes[1]),
        (uniform(rng, lay.walk), uniform(rng, lay.walk)),
        (verge[0], verge[1]),
        (uniform(rng, lay.setback), uniform(rng, lay.setback)),
        cross,
        rails,
    )
