"""Layout of a street: which things stand where. Colours come later (style.py), so one scene can wear many styles."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np

from bench.data.streets import parts
from bench.data.streets.geometry import BOX, FOLIAGE
from bench.data.streets.parts import Builder
from bench.data.streets.types import Array

Range = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Statistics of a place. Ranges are uniform; lengths in metres; densities are multiples of a common street's."""

    camera_height: Range = (1.3, 1.7)
    focal: Range = (1.0, 1.35)  # in half image widths
    pitch: Range = (-0.03, 0.03)  # tan of half the angle, positive looks down
    roll: float = 0.0
    curve: float = 0.0  # largest bend: lateral shift = curve * z^2
    lane: Range = (3.2, 3.8)
    lanes: Range = (1.0, 2.99)  # to each side
    walk: Range = (2.0, 4.5)
    setback: Range = (0.0, 4.0)
    floors: Range = (2.0, 7.0)
    plot: Range = (7.0, 18.0)  # width of a building along the street
    gap: float = 0.22  # share of plots without a building
    green: float = 0.5  # chance that the ground beside the pavement is terrain
    verge: float = 0.35
    trees: float = 1.0
    conifer: float = 0.2
    barriers: float = 0.6  # walls and fences along a plot
    furniture: float = 1.0
    parked: float = 0.5
    traffic: float = 1.0
    people: float = 1.0
    riders: float = 1.0
    heavy: float = 0.4  # share of trucks and buses among moving vehicles
    tram: float = 0.22
    crossing: float = 0.35
    window: Range = (1.4, 2.8)


class Scene(NamedTuple):
    """A street before it is coloured: primitive table, ground profile, camera, lamps (x, y, z, strength)."""

    prims: Array
    street: Array
    camera: Array
    lamps: Array


class _Street(NamedTuple):
    curve: float
    half: tuple[float, float]
    walk: tuple[float, float]
    verge: tuple[float, float]
    beyond: tuple[float, float]
    cross: Range
    rails: float

    def edge(self, side: int) -> float:
        """Lateral distance from the axis to the plots on a side (0 left, 1 right)."""
        return self.half[side] + self.verge[side] + self.walk[side] + self.beyond[side]


def _draw(rng: Random, span: Range) -> float:
    return span[0] + (span[1] - span[0]) * rng.random()


def _put(b: Builder, s: _Street, lateral: float, z: float, *, turn: float = 0.0, y: float = 0.0) -> Builder:
    """Open a group at a lateral offset from the road's axis, heading along the road."""
    bend = s.curve * z
    return b.at(
        lateral + s.curve * z * z,
        y,
        z,
        (turn + bend) / (1.0 - turn * bend) if abs(turn) < 100 else -1.0 / (bend + 1e-6),
    )


def _street(rng: Random, lay: Layout) -> _Street:
    tram = rng.random() < lay.tram
    lanes = [int(_draw(rng, lay.lanes)) * _draw(rng, lay.lane) + 0.6 for _ in range(2)]
    if rng.random() < 0.5:  # the camera's lane is not always in the middle
        lanes = [lanes[0] + 1.5, max(lanes[1] - 1.5, 2.6)]
    rails = 1e6
    if tram:
        side = int(rng.random() * 2)
        lanes[side] += 3.4
        rails = (-1.0 if side == 0 else 1.0) * (lanes[side] - 1.8)
    verge = [(_draw(rng, (1.2, 2.6)) if rng.random() < lay.verge else 0.0) for _ in range(2)]
    cross = (1e6, 1e6)
    if rng.random() < lay.crossing:
        start = _draw(rng, (14.0, 45.0))
        cross = (start, start + _draw(rng, (6.0, 11.0)))
    return _Street(
        (rng.random() * 2 - 1) * lay.curve,
        (lanes[0], lanes[1]),
        (_draw(rng, lay.walk), _draw(rng, lay.walk)),
        (verge[0], verge[1]),
        (_draw(rng, lay.setback), _draw(rng, lay.setback)),
        cross,
        rails,
    )


def _barrier(b: Builder, s: _Street, side: int, z: float, half: float) -> None:
    sign = -1.0 if side == 0 else 1.0
    _put(b, s, sign * (s.edge(side) - 0.3), z)
    if b.rng.random() < 0.5:
        b.add(BOX, parts.WALL, parts.M_WALL, (0, 0.9, 0), (0.18, 0.95 + 0.35 * b.rng.random(), half))
    else:
        b.add(BOX, parts.FENCE, parts.M_FENCE, (0, 0.85, 0), (0.05, 0.8 + 0.35 * b.rng.random(), half))


def _plots(b: Builder, s: _Street, lay: Layout, side: int) -> None:
    rng, sign, z = b.rng, (-1.0 if side == 0 else 1.0), -8.0
    while z < 115.0:
        width = _draw(rng, lay.plot)
        middle = z + width / 2
        z += width + (1.5 * rng.random() if rng.random() < 0.3 else 0.0)
        if middle + width / 2 + 1 > s.cross[0] and middle - width / 2 - 1 < s.cross[1]:
            continue
        depth = _draw(rng, (5.0, 9.0))
        if rng.random() < lay.gap:
            _barrier(b, s, side, middle, width / 2) if rng.random() < lay.barriers else None
            for _ in range(int(3.5 * lay.trees * rng.random())):
                _put(b, s, sign * (s.edge(side) + _draw(rng, (1.5, 8.0))), middle + (rng.random() - 0.5) * width)
                parts.tree(b, _draw(rng, (5.0, 10.0)), rng.random(), rng.random() < lay.conifer)
            continue
        height = int(_draw(rng, lay.floors)) * 3.1 + 1.0
        back = 1.5 * rng.random()
        _put(b, s, sign * (s.edge(side) + depth + back), middle)
        key = int(rng.random() * 65536)
        b.add(
            BOX,
            parts.BUILDING,
            parts.M_FACADE,
            (0, height / 2, 0),
            (depth, height / 2, width / 2),
            key=key,
            p1=_draw(rng, lay.window),
            p2=rng.random(),
        )
        if rng.random() < 0.5:
            b.add(
                BOX, parts.BUILDING, parts.M_ROOF, (0, height + 0.3, 0), (depth + 0.35, 0.3, width / 2 + 0.2), key=key
            )
        if rng.random() < lay.barriers * 0.55:
            _barrier(b, s, side, middle, width / 2)


def _pavement(b: Builder, s: _Street, lay: Layout, side: int, kerb: float) -> None:
    """Poles, signs, lights, trees, hedges, people and parked two-wheelers on one side."""
    rng, sign = b.rng, (-1.0 if side == 0 else 1.0)
    inner, outer = s.half[side] + 0.5, s.half[side] + s.verge[side] + s.walk[side]

    def clear(z: float) -> bool:
        return not s.cross[0] - 1 < z < s.cross[1] + 1

    z = _draw(rng, (5.0, 14.0))
    while z < 90.0:
        if clear(z):
            _put(b, s, sign * (inner + 0.2 * rng.random()), z, y=kerb)
            pick = rng.random()
            if pick < 0.36:
                parts.pole(b, _draw(rng, (5.5, 8.0)), rng.random() < 0.7, -sign * _draw(rng, (1.0, 2.4)))
            elif pick < 0.62:
                parts.sign(b, _draw(rng, (2.1, 2.9)))
            elif pick < 0.90:
                parts.traffic_light(
                    b, _draw(rng, (2.9, 4.6)), -sign * _draw(rng, (1.8, 3.4)) if rng.random() < 0.5 else 0.0
                )
            else:
                parts.billboard(b, _draw(rng, (0.9, 1.5)))
        z += _draw(rng, (5.0, 14.0)) / max(lay.furniture, 0.05)
    z = _draw(rng, (6.0, 16.0))
    while z < 90.0 and lay.trees > 0:
        if clear(z) and rng.random() < 0.75:
            _put(b, s, sign * (inner + 0.7 + (0.5 * s.verge[side])), z, y=kerb)
            if rng.random() < 0.7:
                parts.tree(b, _draw(rng, (4.5, 8.5)), rng.random(), rng.random() < lay.conifer)
            else:
                parts.hedge(b, _draw(rng, (1.0, 3.0)), _draw(rng, (0.8, 1.5)))
        z += _draw(rng, (7.0, 18.0)) / max(lay.trees, 0.1)
    z = _draw(rng, (4.5, 9.0))
    while z < 60.0:
        _put(b, s, sign * _draw(rng, (inner + 0.3, max(outer, inner + 0.6))), z, y=kerb, turn=_draw(rng, (-4.0, 4.0)))
        pick = rng.random()
        if pick < 0.68:
            parts.person(b, rng.random())
        elif pick < 0.86:
            parts.bicycle(b, False)
        else:
            parts.motorcycle(b, False)
        z += _draw(rng, (2.0, 10.0)) * (0.6 + z / 40.0) / max(lay.people, 0.05)


def _vehicle(b: Builder, heavy: float, riders: float) -> float:
    """One moving vehicle in the open group; returns the room it takes along the lane."""
    rng = b.rng
    if rng.random() < 0.42 * riders / (1 + 0.42 * riders):
        parts.bicycle(b, True) if rng.random() < 0.55 else parts.motorcycle(b, True)
        return 3.5
    if rng.random() < heavy:
        parts.truck(b, rng.random()) if rng.random() < 0.5 else parts.bus(b, rng.random())
        return 13.0
    parts.car(b, rng.random())
    return 6.5


def _traffic(b: Builder, s: _Street, lay: Layout) -> None:
    rng = b.rng
    for side, sign in ((0, -1.0), (1, 1.0)):
        half = s.half[side] - (3.4 if s.rails * sign > 0 and s.rails < 1e5 else 0.0)
        lane = 1.6
        while lane < half - 0.6:
            z = _draw(rng, (7.0, 22.0)) + (4.0 if sign > 0 and lane < 2 else 0.0)
            parked = lane > half - 3.6 and rng.random() < lay.parked
            while z < 100.0:
                away = sign > 0 or (parked and rng.random() < 0.5)
                _put(
                    b, s, sign * (lane + (0.6 if parked else 0.5 * (rng.random() - 0.5))), z, turn=0.0 if away else 1e3
                )
                if parked:
                    room = 6.2 if rng.random() < 0.8 else 9.5
                    parts.car(b, rng.random()) if room < 9 else parts.truck(b, 0.2 * rng.random())
                    z += room - 1.0 + 3.0 * rng.random()
                else:
                    z += _vehicle(b, lay.heavy, lay.riders) + _draw(rng, (4.0, 26.0)) / max(lay.traffic, 0.05)
            lane += 3.3
    for sign, turn in ((-1.0, 1e3), (1.0, 0.0)):  # riders keep to the kerb
        z = _draw(rng, (5.0, 26.0))
        while z < 60.0 and lay.riders > 0:
            _put(b, s, sign * (s.half[0 if sign < 0 else 1] - 0.75 - 0.3 * rng.random()), z, turn=turn)
            parts.bicycle(b, True) if rng.random() < 0.6 else parts.motorcycle(b, True)
            z += _draw(rng, (7.0, 32.0)) / lay.riders
    if s.rails < 1e5:
        for _ in range(1 + int(rng.random() * 1.6)):
            _put(b, s, s.rails, _draw(rng, (10.0, 32.0)), turn=1e3 if rng.random() < 0.5 else 0.0)
            parts.train(b, rng.random())
            break
    if s.cross[0] < 1e5:
        for _ in range(int(3 * rng.random() * lay.traffic)):
            _put(b, s, _draw(rng, (-14.0, 14.0)), _draw(rng, s.cross), turn=1.0 if rng.random() < 0.5 else -1.0)
            _vehicle(b, lay.heavy, lay.riders)
    for _ in range(int(2.5 * rng.random() * lay.people)):  # people crossing
        _put(b, s, _draw(rng, (-5.0, 5.0)), _draw(rng, (7.0, 30.0)), turn=1.0 if rng.random() < 0.5 else -1.0)
        parts.person(b, rng.random())


def _backdrop(b: Builder, lay: Layout) -> None:
    """Something closes every street: far houses or wooded hills."""
    rng = b.rng
    for k in range(9):
        x = -140.0 + 35.0 * k + 10 * rng.random()
        b.at(x, 0.0, 135.0 + 30 * rng.random())
        if rng.random() < 0.6:
            height = int(_draw(rng, lay.floors)) * 3.5 + 3.0
            b.add(
                BOX,
                parts.BUILDING,
                parts.M_FACADE,
                (0, height / 2, 0),
                (18.0, height / 2, 8.0),
                p1=2.5,
                p2=rng.random(),
            )
        else:
            b.add(FOLIAGE, parts.VEGETATION, parts.M_LEAF, (0, 0, 0), (24.0, 8.0 + 9.0 * rng.random(), 12.0))


def camera(position: tuple[float, float], height: float, focal: float, pitch: float, roll: float) -> Array:
    """Camera row: position, focal length (half image widths), right, up and forward axes. Angles as tan(half)."""
    cp, sp = parts.direction(pitch)
    cr, sr = parts.direction(roll)
    right = (cr, sr * cp, sr * sp)
    up = (-sr, cr * cp, cr * sp)
    return np.array([position[0], height, position[1], focal, *right, *up, 0.0, -sp, cp])


def build(lay: Layout, seed: int) -> Scene:
    """Lay out the street with this seed. The same seed gives the same street in every style."""
    rng = Random(seed)
    b = Builder(rng)
    s = _street(rng, lay)
    kerb = _draw(rng, (0.12, 0.2))
    for side in (0, 1):
        _plots(b, s, lay, side)
        _pavement(b, s, lay, side, kerb)
    _traffic(b, s, lay)
    _backdrop(b, lay)
    green = [1.0 if rng.random() < lay.green else 0.0 for _ in range(2)]
    street = np.array(
        [
            s.curve,
            s.half[0],
            s.half[1],
            kerb,
            s.walk[0],
            s.walk[1],
            0.0,
            s.cross[0],
            s.cross[1],
            *green,
            *s.verge,
            s.rails,
            *s.beyond,
        ]
    )
    view = camera(
        (_draw(rng, (-0.4, 1.2)), 0.0),
        _draw(rng, lay.camera_height),
        _draw(rng, lay.focal),
        _draw(rng, lay.pitch),
        (rng.random() * 2 - 1) * lay.roll,
    )
    prims = b.table()
    seen = prims[:, 3] + np.maximum(prims[:, 4], prims[:, 6]) > 0.3  # behind the camera
    lamps = np.asarray(
        sorted((lamp for lamp in b.lamps if 1.0 < lamp[2] < 60.0), key=lambda lamp: lamp[2])[:14], dtype=np.float64
    ).reshape(-1, 4)
    return Scene(np.ascontiguousarray(prims[seen]), street, view, lamps)
