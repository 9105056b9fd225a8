"""The ground: a bent carriageway between kerbs, verges and pavements, maybe with a crossing street and rails."""

from bench.data.streets.ids import ROAD, SIDEWALK, TERRAIN
from bench.data.streets.kernels import inner
from bench.data.streets.table import FAR
from bench.data.streets.types import Array

# Columns of the street row (float64; metres): bend (lateral shift = CURVE z^2), height of the kerb, where the crossing
# street begins and ends (z), and where the rails lie beside the axis.
CURVE, KERB, CROSS_FROM, CROSS_TO, RAILS = range(5)
# Two columns each, left and right: width of the carriageway, of the strip beside the kerb and of the pavement, and
# whether plots are green (1) or paved (0).
HALF, VERGE, WALK, GREEN = 5, 7, 9, 11
STREET_COLUMNS = 13


@inner
def lateral(street: Array, x: float, z: float) -> float:
    """Distance to the right of the road's axis."""
    return x - street[CURVE] * z * z


@inner
def ground_height(street: Array, x: float, z: float) -> float:
    """0 on the carriageway, the kerb's height beside it."""
    side = lateral(street, x, z)
    if z > street[CROSS_FROM] and z < street[CROSS_TO]:
        return 0.0
    return 0.0 if -street[HALF] < side < street[HALF + 1] else street[KERB]


@inner
def hit_ground(street: Array, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    """Distance along the ray (in units of its direction) to the ground, or FAR."""
    if dy >= -1e-9:
        return FAR
    kerb = street[KERB]
    top = (kerb - oy) / dy
    if ground_height(street, ox + top * dx, oz + top * dz) > 0.0:
        return top
    low = -oy / dy
    if ground_height(street, ox + low * dx, oz + low * dz) == 0.0:
        return low
    for _ in range(8):  # between the two planes the ray meets the kerb's face: bisect
        mid = 0.5 * (top + low)
        if ground_height(street, ox + mid * dx, oz + mid * dz) > 0.0:
            low = mid
        else:
            top = mid
    return low


@inner
def ground_class(street: Array, x: float, z: float) -> int:
    """Train id of the ground at a place."""
    if ground_height(street, x, z) == 0.0:
        return ROAD
    side = lateral(street, x, z)
    k = 0 if side < 0 else 1
    beside = abs(side) - street[HALF + k]
    if 0.25 < beside < street[VERGE + k]:
        return TERRAIN
    if beside < street[VERGE + k] + street[WALK + k] or street[GREEN + k] == 0.0:
        return SIDEWALK
    return TERRAIN
