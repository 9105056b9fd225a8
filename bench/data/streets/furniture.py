"""What stands on a pavement: poles, signs, traffic lights, trees and hedges."""

from bench.data.streets.builder import Builder
from bench.data.streets.ids import (
    LIGHT,
    M_BARK,
    M_GLOW,
    M_LAMPBOX,
    M_LEAF,
    M_METAL,
    M_SIGN,
    POLE,
    SIGN,
    VEGETATION,
)
from bench.data.streets.table import BOX, CYLINDER, DIAMOND, FOLIAGE, PLATE, ROUND, SQUARE, TRIANGLE

OUTLINES = (ROUND, TRIANGLE, SQUARE, DIAMOND, ROUND)  # round signs are twice as common


def pole(b: Builder, height: float, lamp: bool, reach: float) -> None:
    """A pole, maybe with a street lamp `reach` metres to the right."""
    b.add(CYLINDER, POLE, M_METAL, (0, height / 2, 0), (0.11, height / 2, 0.11), key=0)
    if lamp:
        b.add(BOX, POLE, M_METAL, (reach / 2, height, 0), (abs(reach) / 2, 0.06, 0.06), key=0)
        b.add(BOX, POLE, M_GLOW, (reach, height - 0.08, 0), (0.35, 0.07, 0.14), key=2, glow=1.0)
        b.lamp(reach, height - 0.5, 0, 2.2)


def traffic_light(b: Builder, height: float, reach: float) -> None:
    """A light on a pole, and another over the road if it reaches there. All of a post show the same."""
    inst, state = b.new_instance(), int(b.rng.random() * 3)
    b.add(CYLINDER, POLE, M_METAL, (0, height / 2, 0), (0.1, height / 2, 0.1), key=0)
    spots = [(0.0, height - 0.4)]
    if reach:
        b.add(BOX, POLE, M_METAL, (reach / 2, height, 0), (abs(reach) / 2, 0.07, 0.07), key=0)
        spots.append((reach, height - 0.3))
    for x, y in spots:
        b.add(BOX, LIGHT, M_LAMPBOX, (x, y, -0.2), (0.24, 0.6, 0.17), instance=inst, p1=state, glow=0.6)


def sign(b: Builder, height: float) -> None:
    """A traffic sign, at times with a plate below."""
    inst = b.new_instance()
    b.add(CYLINDER, POLE, M_METAL, (0, height / 2, 0), (0.07, height / 2, 0.07), key=0)
    shape = OUTLINES[int(b.rng.random() * len(OUTLINES))]
    size = 0.42 + 0.16 * b.rng.random()
    device = int(b.rng.random() * 4)
    b.add(PLATE, SIGN, M_SIGN, (0, height, -0.1), (size, size, 0.04), instance=inst, p1=shape, p2=device)
    if b.rng.random() < 0.4:
        half = size * 0.8, 0.22, 0.04
        b.add(PLATE, SIGN, M_SIGN, (0, height - size - 0.3, -0.1), half, instance=inst, p1=SQUARE, p2=3)


def billboard(b: Builder, width: float) -> None:
    """A direction sign over the pavement: two posts and a wide plate."""
    inst = b.new_instance()
    for x in (-0.8 * width, 0.8 * width):
        b.add(CYLINDER, POLE, M_METAL, (x, 1.6, 0), (0.09, 1.6, 0.09), key=0)
    b.add(PLATE, SIGN, M_SIGN, (0, 2.9, -0.1), (width, 0.65, 0.05), instance=inst, p1=SQUARE, p2=2)


def tree(b: Builder, height: float, girth: float, conifer: bool) -> None:
    """A trunk and three or four balls of leaves; `girth` in 0..1."""
    trunk = height * (0.15 if conifer else 0.34)
    b.add(CYLINDER, VEGETATION, M_BARK, (0, trunk, 0), (0.13 + 0.12 * girth, trunk, 0.13 + 0.12 * girth))
    key = b.new_key()
    if conifer:
        for k in range(3):
            narrow = height * 0.22 * (1 - 0.7 * (k / 3.0))
            half = narrow, height * 0.22, narrow
            b.add(FOLIAGE, VEGETATION, M_LEAF, (0, height * (0.3 + 0.27 * k), 0), half, key=key + k)
        return
    for k in range(3 + int(b.rng.random() * 2)):
        x, z, y = ((b.rng.random() - 0.5) * height * 0.33 for _ in range(3))
        r = height * (0.2 + 0.1 * b.rng.random()) * (0.7 + 0.5 * girth)
        b.add(FOLIAGE, VEGETATION, M_LEAF, (x, height * 0.72 + 0.5 * y, z), (r, r * 0.85, r), key=key + k)


def hedge(b: Builder, half_length: float, height: float) -> None:
    """A row of bushes along z."""
    n = max(1, int(half_length / 0.8))
    key = b.new_key()
    bush = 0.65, height * 0.62, half_length / n * 1.35
    for k in range(n):
        z = half_length * (2 * (k + 0.5) / n - 1)
        b.add(FOLIAGE, VEGETATION, M_LEAF, (0, height * 0.5, z), bush, key=key + k)
