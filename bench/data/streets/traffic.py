"""What moves, or is parked, on the carriageway."""

from bench.data.streets import people, vehicles
from bench.data.streets.builder import Builder
from bench.data.streets.layout import Layout
from bench.data.streets.road import AHEAD, BACK, PEOPLE_TO, SIDES, Road
from bench.data.streets.types import uniform


def traffic(b: Builder, road: Road, lay: Layout) -> None:
    """Lanes of vehicles, riders along the kerbs, a tram, and what crosses."""
    for side, sign in SIDES:
        _lanes(b, road, lay, side, sign)
    for side, sign in SIDES:
        _riders(b, road, lay, side, sign)
    if road.has_rails:
        _tram(b, road)
    if road.has_crossing:
        _crossing_vehicles(b, road, lay)
    _crossing_people(b, road, lay)


def _lanes(b: Builder, road: Road, lay: Layout, side: int, sign: float) -> None:
    """Vehicles on all lanes of a side; on the right they drive ahead. The lane at the kerb may be parked full."""
    rng = b.rng
    half = road.half[side] - (3.4 if road.has_rails and road.rails * sign > 0 else 0.0)
    lane = 1.6
    while lane < half - 0.6:
        z = uniform(rng, lay.first) + (4.0 if sign > 0 and lane < 2 else 0.0)
        parked = lane > half - 3.6 and rng.random() < lay.parked
        while z < 100.0:
            ahead = sign > 0 or (parked and rng.random() < 0.5)
            offset = 0.6 if parked else 0.5 * (rng.random() - 0.5)
            road.put(b, sign * (lane + offset), z, turn=AHEAD if ahead else BACK)
            if parked:
                z += _parked(b) - 1.0 + 3.0 * rng.random()
            else:
                z += _vehicle(b, lay) + uniform(rng, (4.0, 26.0)) / max(lay.traffic, 0.05)
        lane += 3.3


def _parked(b: Builder) -> float:
    """One parked vehicle in the open group; returns its room in metres."""
    if b.rng.random() < 0.8:
        vehicles.car(b, b.rng.random())
        return 6.2
    vehicles.truck(b, 0.2 * b.rng.random())
    return 9.5


def _vehicle(b: Builder, lay: Layout) -> float:
    """One moving vehicle in the open group; returns the room it takes along the lane, metres."""
    rng = b.rng
    if rng.random() < 0.42 * lay.riders / (1 + 0.42 * lay.riders):
        _two_wheeler(b, lay, 0.55)
        return 3.5
    if rng.random() < lay.heavy:
        heavy = vehicles.truck if rng.random() < lay.trucks / (lay.trucks + lay.buses) else vehicles.bus
        heavy(b, rng.random())
        return 13.0
    vehicles.car(b, rng.random())
    return 6.5


def _two_wheeler(b: Builder, lay: Layout, share: float) -> None:
    """Somebody riding; `share` is the bicycles' where a place favours neither."""
    bicycles, motorcycles = share * lay.bicycles, (1.0 - share) * lay.motorcycles
    if b.rng.random() < bicycles / (bicycles + motorcycles):
        vehicles.bicycle(b, True)
    else:
        vehicles.motorcycle(b, True)


def _riders(b: Builder, road: Road, lay: Layout, side: int, sign: float) -> None:
    """Riders keep to the kerb."""
    rng = b.rng
    z = uniform(rng, (5.0, 26.0))
    while z < PEOPLE_TO and lay.riders > 0:
        offset = road.half[side] - 0.75 - 0.3 * rng.random()
        road.put(b, sign * offset, z, turn=AHEAD if sign > 0 else BACK)
        _two_wheeler(b, lay, 0.6)
        z += uniform(rng, (7.0, 32.0)) / lay.riders


def _tram(b: Builder, road: Road) -> None:
    b.rng.random()  # decides nothing any more, but without it every later draw, and so the world, would be another
    z = uniform(b.rng, (10.0, 32.0))
    road.put(b, road.rails, z, turn=BACK if b.rng.random() < 0.5 else AHEAD)
    vehicles.train(b, b.rng.random())


def _crossing_vehicles(b: Builder, road: Road, lay: Layout) -> None:
    rng = b.rng
    for _ in range(int(3 * rng.random() * lay.traffic)):
        place = uniform(rng, (-14.0, 14.0)), uniform(rng, road.cross)
        road.put(b, *place, turn=1.0 if rng.random() < 0.5 else -1.0)
        _vehicle(b, lay)


def _crossing_people(b: Builder, road: Road, lay: Layout) -> None:
    rng = b.rng
    for _ in range(int(2.5 * rng.random() * lay.people)):
        place = uniform(rng, (-5.0, 5.0)), uniform(rng, (7.0, 30.0))
        road.put(b, *place, turn=1.0 if rng.random() < 0.5 else -1.0)
        people.person(b, rng.random())
