"""What stands beside the carriageway: houses, gardens, pavements, and the end of the view."""

from bench.data.streets import furniture, people, vehicles
from bench.data.streets.builder import Builder
from bench.data.streets.ids import (
    BUILDING,
    FENCE,
    M_FACADE,
    M_FENCE,
    M_LEAF,
    M_ROOF,
    M_WALL,
    VEGETATION,
    WALL,
)
from bench.data.streets.layout import Layout
from bench.data.streets.road import PEOPLE_TO, POSTS_TO, SIDES, Road
from bench.data.streets.table import BOX, FOLIAGE
from bench.data.streets.types import uniform


def plots(b: Builder, road: Road, lay: Layout, side: int) -> None:
    """Houses and gardens along one side."""
    rng, z = b.rng, -8.0
    while z < 115.0:
        width = uniform(rng, lay.plot)
        middle = z + width / 2
        z += width + (1.5 * rng.random() if rng.random() < 0.3 else 0.0)
        if middle + width / 2 + 1 > road.cross[0] and middle - width / 2 - 1 < road.cross[1]:
            continue
        depth = uniform(rng, (5.0, 9.0))
        if rng.random() < lay.gap:
            _garden(b, road, lay, side, middle, width)
        else:
            _house(b, road, lay, side, middle, width, depth)


def _garden(b: Builder, road: Road, lay: Layout, side: int, middle: float, width: float) -> None:
    rng, sign = b.rng, SIDES[side][1]
    if rng.random() < lay.barriers:
        _barrier(b, road, lay, side, middle, width / 2)
    for _ in range(int(3.5 * lay.trees * rng.random())):
        road.put(b, sign * (road.edge(side) + uniform(rng, (1.5, 8.0))), middle + (rng.random() - 0.5) * width)
        furniture.tree(b, uniform(rng, (5.0, 10.0)), rng.random(), rng.random() < lay.conifer)


def _house(b: Builder, road: Road, lay: Layout, side: int, middle: float, width: float, depth: float) -> None:
    rng, sign = b.rng, SIDES[side][1]
    height = int(uniform(rng, lay.floors)) * 3.1 + 1.0
    back = 1.5 * rng.random()
    road.put(b, sign * (road.edge(side) + depth + back), middle)
    key = b.new_key()
    half = depth, height / 2, width / 2
    bay, front = uniform(rng, lay.window), uniform(rng, lay.front)
    b.add(BOX, BUILDING, M_FACADE, (0, height / 2, 0), half, key=key, p1=bay, p2=front)
    if rng.random() < 0.5:
        b.add(BOX, BUILDING, M_ROOF, (0, height + 0.3, 0), (depth + 0.35, 0.3, width / 2 + 0.2), key=key)
    if rng.random() < lay.barriers * 0.55:
        _barrier(b, road, lay, side, middle, width / 2)


def _barrier(b: Builder, road: Road, lay: Layout, side: int, z: float, half: float) -> None:
    """A wall or a fence along a plot."""
    road.put(b, SIDES[side][1] * (road.edge(side) - 0.3), z)
    if b.rng.random() < lay.walls / (lay.walls + lay.fences):
        b.add(BOX, WALL, M_WALL, (0, 0.9, 0), (0.18, 0.95 + 0.35 * b.rng.random(), half))
    else:
        b.add(BOX, FENCE, M_FENCE, (0, 0.85, 0), (0.05, 0.8 + 0.35 * b.rng.random(), half))


def pavement(b: Builder, road: Road, lay: Layout, side: int, kerb: float) -> None:
    """Poles, signs, lights, trees, hedges, people and parked two-wheelers on one side."""
    rng, sign = b.rng, SIDES[side][1]
    inner, outer = road.half[side] + 0.5, road.half[side] + road.verge[side] + road.walk[side]

    def clear(z: float) -> bool:
        return not road.cross[0] - 1 < z < road.cross[1] + 1

    z = uniform(rng, (5.0, 14.0))
    while z < POSTS_TO:
        if clear(z):
            road.put(b, sign * (inner + 0.2 * rng.random()), z, y=kerb)
            _post(b, sign)
        z += uniform(rng, (5.0, 14.0)) / max(lay.furniture, 0.05)
    z = uniform(rng, (6.0, 16.0))
    while z < 90.0 and lay.trees > 0:
        if clear(z) and rng.random() < 0.75:
            road.put(b, sign * (inner + 0.7 + (0.5 * road.verge[side])), z, y=kerb)
            if rng.random() < 0.7:
                furniture.tree(b, uniform(rng, (4.5, 8.5)), rng.random(), rng.random() < lay.conifer)
            else:
                furniture.hedge(b, uniform(rng, (1.0, 3.0)), uniform(rng, (0.8, 1.5)))
        z += uniform(rng, (7.0, 18.0)) / max(lay.trees, 0.1)
    z = uniform(rng, (4.5, 9.0))
    while z < PEOPLE_TO:
        place = sign * uniform(rng, (inner + 0.3, max(outer, inner + 0.6)))
        road.put(b, place, z, y=kerb, turn=uniform(rng, (-4.0, 4.0)))
        pick = rng.random()
        if pick < 0.68:
            people.person(b, rng.random())
        elif pick < 0.86:
            vehicles.bicycle(b, False)
        else:
            vehicles.motorcycle(b, False)
        z += uniform(rng, (2.0, 10.0)) * (0.6 + z / 40.0) / max(lay.people, 0.05)


def _post(b: Builder, sign: float) -> None:
    """One thing at the kerb in the open group; what has an arm holds it over the road."""
    rng, pick = b.rng, b.rng.random()
    if pick < 0.36:
        furniture.pole(b, uniform(rng, (5.5, 8.0)), rng.random() < 0.7, -sign * uniform(rng, (1.0, 2.4)))
    elif pick < 0.62:
        furniture.sign(b, uniform(rng, (2.1, 2.9)))
    elif pick < 0.90:
        height = uniform(rng, (2.9, 4.6))
        furniture.traffic_light(b, height, -sign * uniform(rng, (1.8, 3.4)) if rng.random() < 0.5 else 0.0)
    else:
        furniture.billboard(b, uniform(rng, (0.9, 1.5)))


def backdrop(b: Builder, lay: Layout) -> None:
    """Something closes every street: far houses or wooded hills."""
    rng = b.rng
    for k in range(9):
        x = -140.0 + 35.0 * k + 10 * rng.random()
        b.at(x, 0.0, 135.0 + 30 * rng.random())
        if rng.random() < 0.6:
            height = int(uniform(rng, lay.floors)) * 3.5 + 3.0
            b.add(BOX, BUILDING, M_FACADE, (0, height / 2, 0), (18.0, height / 2, 8.0), p1=2.5, p2=rng.random())
        else:
            b.add(FOLIAGE, VEGETATION, M_LEAF, (0, 0, 0), (24.0, 8.0 + 9.0 * rng.random(), 12.0))
