"""Vehicles. `form` (0..1) is how large one of its kind is; the origin is on the ground, z points ahead."""

from bench.data.streets.builder import Builder
from bench.data.streets.ids import (
    BICYCLE,
    BUS,
    CAR,
    M_BUS,
    M_CARGO,
    M_GLASS,
    M_GLOW,
    M_METAL,
    M_MOTO,
    M_PAINT,
    M_SPOKES,
    M_TRAIN,
    M_TYRE,
    MOTORCYCLE,
    TRAIN,
    TRUCK,
)
from bench.data.streets.people import rider
from bench.data.streets.table import BOX, CYLINDER, ELLIPSOID, WHEEL

# Keys of parts that look alike on everything.
WHITE, RED, METAL, RUBBER = 0, 1, 2, 3
TYRE = 1


def car(b: Builder, form: float) -> None:
    """A passenger car."""
    inst, key = b.new_instance(), b.new_key()
    length, width = 1.9 + 0.4 * form, 0.86 + 0.08 * form
    roof = 0.62 + 0.22 * form
    cabin = width * 0.86, roof / 2, length * 0.55
    b.add(BOX, CAR, M_PAINT, (0, 0.62, 0), (width, 0.33, length), instance=inst, key=key)
    b.add(BOX, CAR, M_GLASS, (0, 0.95 + roof / 2, -0.15 * length), cabin, instance=inst, key=key)
    lid = width * 0.84, 0.04, length * 0.5
    b.add(BOX, CAR, M_PAINT, (0, 0.96 + roof, -0.15 * length), lid, instance=inst, key=key)
    _wheels(b, CAR, inst, 0.34, width, (-0.6 * length, 0.62 * length))
    _lights(b, CAR, inst, width, 0.68, length + 0.02, -length - 0.02)


def truck(b: Builder, form: float) -> None:
    """A box on wheels with a cab before it."""
    inst, key = b.new_instance(), b.new_key()
    length = 2.3 + 1.2 * form
    b.add(BOX, TRUCK, M_CARGO, (0, 2.0 + 0.1 * form, -0.9), (1.22, 1.25 + 0.1 * form, length), instance=inst)
    b.add(BOX, TRUCK, M_PAINT, (0, 1.35, length + 0.2), (1.15, 0.8, 0.85), instance=inst, key=key)
    b.add(BOX, TRUCK, M_GLASS, (0, 2.25, length + 0.1), (1.1, 0.35, 0.75), instance=inst, key=key)
    b.add(BOX, TRUCK, M_TYRE, (0, 0.62, 0), (0.9, 0.16, length + 0.6), instance=inst, key=RUBBER)
    _wheels(b, TRUCK, inst, 0.5, 1.1, (-0.8 * length, -0.45 * length, 0.95 * length), 0.16)
    _lights(b, TRUCK, inst, 1.1, 0.8, length + 1.08, -length - 0.93)


def bus(b: Builder, form: float) -> None:
    """A city bus."""
    inst, key = b.new_instance(), b.new_key()
    length = 4.8 + 1.2 * form
    b.add(BOX, BUS, M_BUS, (0, 1.72, 0), (1.27, 1.38, length), instance=inst, key=key)
    b.add(BOX, BUS, M_PAINT, (0, 3.14, 0), (1.05, 0.1, length * 0.8), instance=inst, key=key)
    _wheels(b, BUS, inst, 0.5, 1.17, (-0.6 * length, 0.62 * length), 0.14)
    _lights(b, BUS, inst, 1.2, 0.75, length + 0.03, -length - 0.03)


def train(b: Builder, form: float) -> None:
    """A tram of two to four cars."""
    inst, key = b.new_instance(), b.new_key()
    length = 5.2
    for k in range(2 + int(2 * form)):
        z = -k * (2 * length + 0.5)
        b.add(BOX, TRAIN, M_TRAIN, (0, 1.95, z), (1.3, 1.6, length), instance=inst, key=key)
        b.add(BOX, TRAIN, M_TYRE, (0, 0.3, z), (1.05, 0.3, length * 0.9), instance=inst, key=RUBBER)
        b.add(CYLINDER, TRAIN, M_TRAIN, (0, 1.9, z + length), (1.28, 1.5, 0.75), instance=inst, key=key)
        b.add(BOX, TRAIN, M_METAL, (0, 3.75, z), (0.5, 0.2, 1.3), instance=inst, key=METAL)
    _lights(b, TRAIN, inst, 1.0, 1.0, length + 0.72, -length)


def bicycle(b: Builder, ridden: bool) -> None:
    """A bicycle, standing or with a rider."""
    inst, key = b.new_instance(), b.new_key()
    for z in (-0.55, 0.55):
        b.add(WHEEL, BICYCLE, M_SPOKES, (0, 0.36, z), (0.05, 0.36, 0.36), instance=inst, key=key)
    b.add(BOX, BICYCLE, M_MOTO, (0, 0.58, 0.05), (0.045, 0.05, 0.45), tilt=-0.12, instance=inst, key=key)
    b.add(BOX, BICYCLE, M_MOTO, (0, 0.6, -0.2), (0.04, 0.3, 0.045), instance=inst, key=key)
    b.add(BOX, BICYCLE, M_MOTO, (0, 0.72, 0.48), (0.04, 0.33, 0.045), instance=inst, key=key)
    b.add(BOX, BICYCLE, M_TYRE, (0, 1.05, 0.45), (0.28, 0.04, 0.05), instance=inst, key=RUBBER)
    if ridden:
        rider(b, 0.98, 0.18)


def motorcycle(b: Builder, ridden: bool) -> None:
    """A motorcycle, standing or with a rider."""
    inst, key = b.new_instance(), b.new_key()
    for z in (-0.68, 0.7):
        b.add(WHEEL, MOTORCYCLE, M_TYRE, (0, 0.34, z), (0.11, 0.34, 0.34), instance=inst, key=TYRE)
    b.add(ELLIPSOID, MOTORCYCLE, M_MOTO, (0, 0.66, 0.05), (0.27, 0.33, 0.72), instance=inst, key=key)
    b.add(BOX, MOTORCYCLE, M_TYRE, (0, 0.92, -0.38), (0.17, 0.07, 0.42), instance=inst, key=RUBBER)
    b.add(BOX, MOTORCYCLE, M_MOTO, (0, 0.95, 0.62), (0.22, 0.25, 0.1), tilt=-0.15, instance=inst, key=key)
    b.add(BOX, MOTORCYCLE, M_GLOW, (0, 0.9, 0.75), (0.11, 0.1, 0.05), instance=inst, key=WHITE, glow=1.0)
    b.lamp(0, 0.9, 1.6, 0.5)
    if ridden:
        rider(b, 1.0, 0.12)


def _wheels(
    b: Builder, label: int, inst: int, radius: float, xs: float, zs: tuple[float, ...], half: float = 0.1
) -> None:
    """Wheels at +-xs on axles at zs."""
    for z in zs:
        for x in (-xs, xs):
            b.add(WHEEL, label, M_TYRE, (x, radius, z), (half, radius, radius), instance=inst, key=TYRE)


def _lights(b: Builder, label: int, inst: int, half_width: float, y: float, front: float, back: float) -> None:
    """Head and tail lights at z = front and back, and what the former shine on."""
    for x in (-0.75 * half_width, 0.75 * half_width):
        b.add(BOX, label, M_GLOW, (x, y, front), (0.13, 0.08, 0.03), instance=inst, key=WHITE, glow=1.0)
        b.add(BOX, label, M_GLOW, (x, y, back), (0.12, 0.08, 0.03), instance=inst, key=RED, p1=1.0, glow=1.0)
    b.lamp(0.0, y, front + 1.2, 0.9)
