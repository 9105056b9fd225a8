"""Street furniture, vehicles and people as groups of primitives."""

from random import Random

import numpy as np

from bench.data.streets.geometry import (
    BOX,
    COLUMNS,
    CYLINDER,
    DIAMOND,
    ELLIPSOID,
    FOLIAGE,
    PLATE,
    ROUND,
    SQUARE,
    TRIANGLE,
    WHEEL,
)
from bench.data.streets.types import Array

# Train ids (Cityscapes order).
(
    ROAD,
    SIDEWALK,
    BUILDING,
    WALL,
    FENCE,
    POLE,
    LIGHT,
    SIGN,
    VEGETATION,
    TERRAIN,
    SKY_CLASS,
    PERSON,
    RIDER,
    CAR,
    TRUCK,
    BUS,
    TRAIN,
    MOTORCYCLE,
    BICYCLE,
) = range(19)

# Materials: how a surface is textured (shading.py) and coloured (style.py).
(
    M_ROAD,
    M_WALK,
    M_TERRAIN,
    M_SKY,
    M_FACADE,
    M_WALL,
    M_FENCE,
    M_METAL,
    M_LAMPBOX,
    M_SIGN,
    M_LEAF,
    M_BARK,
    M_SHIRT,
    M_TROUSERS,
    M_SKIN,
    M_PAINT,
    M_GLASS,
    M_TYRE,
    M_CARGO,
    M_BUS,
    M_TRAIN,
    M_SPOKES,
    M_MOTO,
    M_GLOW,
    M_ROOF,
    M_HELMET,
) = range(26)


def direction(t: float) -> tuple[float, float]:
    """(cos, sin) of the angle 2 atan(t): exact arithmetic, no libm."""
    return (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)


class Builder:
    """Collects primitives. `at` opens a group: parts are then placed in the group's own axes (z forward)."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.rows: list[list[float]] = []
        self.instances = 0
        self.place = (0.0, 0.0, 0.0, 1.0, 0.0)
        self.lamps: list[tuple[float, float, float, float]] = []  # x, y, z, strength: what shines at night

    def at(self, x: float, y: float, z: float, turn: float = 0.0) -> "Builder":
        """Start a group at a world position; `turn` is tan(half the yaw)."""
        self.place = (x, y, z, *direction(turn))
        return self

    def new_instance(self) -> int:
        self.instances += 1
        return self.instances

    def add(
        self,
        kind: int,
        label: int,
        material: int,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        *,
        tilt: float = 0.0,
        turn: float = 0.0,
        instance: int = 0,
        key: int | None = None,
        p1: float = 0.0,
        p2: float = 0.0,
        glow: float = 0.0,
    ) -> None:
        """One primitive at `centre` (group axes, metres) with half sizes; tilt and turn are tan(half the angle)."""
        px, py, pz, c, s = self.place
        x, y, z = centre
        c2, s2 = direction(turn)
        tc, ts = direction(tilt)
        row = [0.0] * COLUMNS
        row[:17] = [
            kind,
            px + c * x + s * z,
            py + y,
            pz - s * x + c * z,
            *half,
            c * c2 - s * s2,
            s * c2 + c * s2,
            tc,
            ts,
            label,
            instance,
            material,
            self.rng.random() * 65536 // 1 if key is None else key,
            p1,
            p2,
        ]
        row[23] = glow
        self.rows.append(row)

    def lamp(self, x: float, y: float, z: float, strength: float) -> None:
        """A light at a place in the group's axes."""
        px, py, pz, c, s = self.place
        self.lamps.append((px + c * x + s * z, py + y, pz - s * x + c * z, strength))

    def table(self) -> Array:
        return np.asarray(self.rows, dtype=np.float64).reshape(-1, COLUMNS)


def _wheels(
    b: Builder, label: int, inst: int, radius: float, xs: float, zs: tuple[float, ...], half: float = 0.1
) -> None:
    for z in zs:
        for x in (-xs, xs):
            b.add(WHEEL, label, M_TYRE, (x, radius, z), (half, radius, radius), instance=inst, key=1)


def _lights(b: Builder, label: int, inst: int, half_width: float, y: float, front: float, back: float) -> None:
    for x in (-0.75 * half_width, 0.75 * half_width):
        b.add(BOX, label, M_GLOW, (x, y, front), (0.13, 0.08, 0.03), instance=inst, key=0, p1=0.0, glow=1.0)
        b.add(BOX, label, M_GLOW, (x, y, back), (0.12, 0.08, 0.03), instance=inst, key=1, p1=1.0, glow=1.0)
    b.lamp(0.0, y, front + 1.2, 0.9)


def car(b: Builder, form: float) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    length, width = 1.9 + 0.4 * form, 0.86 + 0.08 * form
    roof = 0.62 + 0.22 * form
    b.add(BOX, CAR, M_PAINT, (0, 0.62, 0), (width, 0.33, length), instance=inst, key=key)
    b.add(
        BOX,
        CAR,
        M_GLASS,
        (0, 0.95 + roof / 2, -0.15 * length),
        (width * 0.86, roof / 2, length * 0.55),
        instance=inst,
        key=key,
        p1=1,
    )
    b.add(
        BOX, CAR, M_PAINT, (0, 0.96 + roof, -0.15 * length), (width * 0.84, 0.04, length * 0.5), instance=inst, key=key
    )
    _wheels(b, CAR, inst, 0.34, width, (-0.6 * length, 0.62 * length))
    _lights(b, CAR, inst, width, 0.68, length + 0.02, -length - 0.02)


def truck(b: Builder, form: float) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    length = 2.3 + 1.2 * form
    b.add(BOX, TRUCK, M_CARGO, (0, 2.0 + 0.1 * form, -0.9), (1.22, 1.25 + 0.1 * form, length), instance=inst)
    b.add(BOX, TRUCK, M_PAINT, (0, 1.35, length + 0.2), (1.15, 0.8, 0.85), instance=inst, key=key)
    b.add(BOX, TRUCK, M_GLASS, (0, 2.25, length + 0.1), (1.1, 0.35, 0.75), instance=inst, key=key, p1=1)
    b.add(BOX, TRUCK, M_TYRE, (0, 0.62, 0), (0.9, 0.16, length + 0.6), instance=inst, key=3)
    _wheels(b, TRUCK, inst, 0.5, 1.1, (-0.8 * length, -0.45 * length, 0.95 * length), 0.16)
    _lights(b, TRUCK, inst, 1.1, 0.8, length + 1.08, -length - 0.93)


def bus(b: Builder, form: float) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    length = 4.8 + 1.2 * form
    b.add(BOX, BUS, M_BUS, (0, 1.72, 0), (1.27, 1.38, length), instance=inst, key=key)
    b.add(BOX, BUS, M_PAINT, (0, 3.14, 0), (1.05, 0.1, length * 0.8), instance=inst, key=key)
    _wheels(b, BUS, inst, 0.5, 1.17, (-0.6 * length, 0.62 * length), 0.14)
    _lights(b, BUS, inst, 1.2, 0.75, length + 0.03, -length - 0.03)


def train(b: Builder, form: float) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    length = 5.2
    for k in range(2 + int(2 * form)):
        z = -k * (2 * length + 0.5)
        b.add(BOX, TRAIN, M_TRAIN, (0, 1.95, z), (1.3, 1.6, length), instance=inst, key=key)
        b.add(BOX, TRAIN, M_TYRE, (0, 0.3, z), (1.05, 0.3, length * 0.9), instance=inst, key=3)
        b.add(CYLINDER, TRAIN, M_TRAIN, (0, 1.9, z + length), (1.28, 1.5, 0.75), instance=inst, key=key, p1=1)
        b.add(BOX, TRAIN, M_METAL, (0, 3.75, z), (0.5, 0.2, 1.3), instance=inst, key=2)
    _lights(b, TRAIN, inst, 1.0, 1.0, length + 0.72, -length)


def _body(b: Builder, label: int, inst: int, y: float, lean: float, scale: float, key: int) -> None:
    b.add(
        ELLIPSOID,
        label,
        M_SHIRT,
        (0, y + 0.32 * scale, 0),
        (0.27 * scale, 0.4 * scale, 0.19 * scale),
        tilt=lean,
        instance=inst,
        key=key,
    )
    b.add(
        ELLIPSOID,
        label,
        M_SKIN,
        (0, y + 0.83 * scale, lean * 0.9),
        (0.135 * scale, 0.165 * scale, 0.145 * scale),
        instance=inst,
        key=key,
    )
    for x in (-0.29, 0.29):
        b.add(
            CYLINDER,
            label,
            M_SHIRT,
            (x * scale, y + 0.28 * scale, lean * 0.6),
            (0.08 * scale, 0.33 * scale, 0.08 * scale),
            tilt=lean,
            instance=inst,
            key=key,
        )


def person(b: Builder, form: float) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    scale = 0.9 + 0.2 * form
    stride = (b.rng.random() - 0.5) * 0.3
    for side in (-1.0, 1.0):
        b.add(
            CYLINDER,
            PERSON,
            M_TROUSERS,
            (side * 0.11 * scale, 0.42 * scale, 0.35 * side * stride),
            (0.1 * scale, 0.42 * scale, 0.1 * scale),
            tilt=side * stride,
            instance=inst,
            key=key,
        )
    _body(b, PERSON, inst, 0.82 * scale, 0.0, scale, key)


def _rider(b: Builder, seat: float, lean: float) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    for x in (-0.14, 0.14):
        b.add(CYLINDER, RIDER, M_TROUSERS, (x, seat - 0.22, 0.12), (0.1, 0.36, 0.1), tilt=-0.25, instance=inst, key=key)
    _body(b, RIDER, inst, seat, lean, 0.98, key)
    b.add(ELLIPSOID, RIDER, M_HELMET, (0, seat + 0.9, lean * 0.9), (0.17, 0.14, 0.18), instance=inst, key=key)


def bicycle(b: Builder, ridden: bool) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    for z in (-0.55, 0.55):
        b.add(WHEEL, BICYCLE, M_SPOKES, (0, 0.36, z), (0.05, 0.36, 0.36), instance=inst, key=key)
    b.add(BOX, BICYCLE, M_MOTO, (0, 0.58, 0.05), (0.045, 0.05, 0.45), tilt=-0.12, instance=inst, key=key)
    b.add(BOX, BICYCLE, M_MOTO, (0, 0.6, -0.2), (0.04, 0.3, 0.045), instance=inst, key=key)
    b.add(BOX, BICYCLE, M_MOTO, (0, 0.72, 0.48), (0.04, 0.33, 0.045), instance=inst, key=key)
    b.add(BOX, BICYCLE, M_TYRE, (0, 1.05, 0.45), (0.28, 0.04, 0.05), instance=inst, key=3)
    if ridden:
        _rider(b, 0.98, 0.18)


def motorcycle(b: Builder, ridden: bool) -> None:
    inst, key = b.new_instance(), int(b.rng.random() * 65536)
    for z in (-0.68, 0.7):
        b.add(WHEEL, MOTORCYCLE, M_TYRE, (0, 0.34, z), (0.11, 0.34, 0.34), instance=inst, key=1)
    b.add(ELLIPSOID, MOTORCYCLE, M_MOTO, (0, 0.66, 0.05), (0.27, 0.33, 0.72), instance=inst, key=key, p1=1)
    b.add(BOX, MOTORCYCLE, M_TYRE, (0, 0.92, -0.38), (0.17, 0.07, 0.42), instance=inst, key=3)
    b.add(BOX, MOTORCYCLE, M_MOTO, (0, 0.95, 0.62), (0.22, 0.25, 0.1), tilt=-0.15, instance=inst, key=key)
    b.add(BOX, MOTORCYCLE, M_GLOW, (0, 0.9, 0.75), (0.11, 0.1, 0.05), instance=inst, key=0, p1=0.0, glow=1.0)
    b.lamp(0, 0.9, 1.6, 0.5)
    if ridden:
        _rider(b, 1.0, 0.12)


def pole(b: Builder, height: float, lamp: bool, reach: float) -> None:
    b.add(CYLINDER, POLE, M_METAL, (0, height / 2, 0), (0.11, height / 2, 0.11), key=0)
    if lamp:
        b.add(BOX, POLE, M_METAL, (reach / 2, height, 0), (abs(reach) / 2, 0.06, 0.06), key=0)
        b.add(BOX, POLE, M_GLOW, (reach, height - 0.08, 0), (0.35, 0.07, 0.14), key=2, p1=2.0, glow=1.0)
        b.lamp(reach, height - 0.5, 0, 2.2)


def traffic_light(b: Builder, height: float, reach: float) -> None:
    inst, state = b.new_instance(), int(b.rng.random() * 3)
    b.add(CYLINDER, POLE, M_METAL, (0, height / 2, 0), (0.1, height / 2, 0.1), key=0)
    spots = [(0.0, height - 0.4)]
    if reach:
        b.add(BOX, POLE, M_METAL, (reach / 2, height, 0), (abs(reach) / 2, 0.07, 0.07), key=0)
        spots.append((reach, height - 0.3))
    for x, y in spots:
        b.add(BOX, LIGHT, M_LAMPBOX, (x, y, -0.2), (0.24, 0.6, 0.17), instance=inst, p1=state, glow=0.6)


def sign(b: Builder, height: float) -> None:
    inst = b.new_instance()
    b.add(CYLINDER, POLE, M_METAL, (0, height / 2, 0), (0.07, height / 2, 0.07), key=0)
    shape = (ROUND, TRIANGLE, SQUARE, DIAMOND, ROUND)[int(b.rng.random() * 5)]
    size = 0.42 + 0.16 * b.rng.random()
    b.add(
        PLATE, SIGN, M_SIGN, (0, height, -0.1), (size, size, 0.04), instance=inst, p1=shape, p2=int(b.rng.random() * 4)
    )
    if b.rng.random() < 0.4:
        b.add(
            PLATE,
            SIGN,
            M_SIGN,
            (0, height - size - 0.3, -0.1),
            (size * 0.8, 0.22, 0.04),
            instance=inst,
            p1=SQUARE,
            p2=3,
        )


def billboard(b: Builder, width: float) -> None:
    """A direction sign over the pavement: two posts and a wide plate."""
    inst = b.new_instance()
    for x in (-0.8 * width, 0.8 * width):
        b.add(CYLINDER, POLE, M_METAL, (x, 1.6, 0), (0.09, 1.6, 0.09), key=0)
    b.add(PLATE, SIGN, M_SIGN, (0, 2.9, -0.1), (width, 0.65, 0.05), instance=inst, p1=SQUARE, p2=2)


def tree(b: Builder, height: float, girth: float, conifer: bool) -> None:
    trunk = height * (0.15 if conifer else 0.34)
    b.add(CYLINDER, VEGETATION, M_BARK, (0, trunk, 0), (0.13 + 0.12 * girth, trunk, 0.13 + 0.12 * girth))
    key = int(b.rng.random() * 65536)
    if conifer:
        for k in range(3):
            f = k / 3.0
            b.add(
                FOLIAGE,
                VEGETATION,
                M_LEAF,
                (0, height * (0.3 + 0.27 * k), 0),
                (height * 0.22 * (1 - 0.7 * f), height * 0.22, height * 0.22 * (1 - 0.7 * f)),
                key=key + k,
            )
        return
    for k in range(3 + int(b.rng.random() * 2)):
        x, z, y = ((b.rng.random() - 0.5) * height * 0.33 for _ in range(3))
        r = height * (0.2 + 0.1 * b.rng.random()) * (0.7 + 0.5 * girth)
        b.add(FOLIAGE, VEGETATION, M_LEAF, (x, height * 0.72 + 0.5 * y, z), (r, r * 0.85, r), key=key + k)


def hedge(b: Builder, half_length: float, height: float) -> None:
    n = max(1, int(half_length / 0.8))
    key = int(b.rng.random() * 65536)
    for k in range(n):
        z = half_length * (2 * (k + 0.5) / n - 1)
        b.add(
            FOLIAGE,
            VEGETATION,
            M_LEAF,
            (0, height * 0.5, z),
            (0.65, height * 0.62, half_length / n * 1.35),
            key=key + k,
        )
