"""People, on foot and in the saddle."""

from bench.data.streets.builder import Builder
from bench.data.streets.ids import M_HELMET, M_SHIRT, M_SKIN, M_TROUSERS, PERSON, RIDER
from bench.data.streets.table import CYLINDER, ELLIPSOID


def person(b: Builder, form: float) -> None:
    """Somebody walking; `form` (0..1) is how tall."""
    inst, key = b.new_instance(), b.new_key()
    size = 0.9 + 0.2 * form
    stride = (b.rng.random() - 0.5) * 0.3
    for side in (-1.0, 1.0):
        foot, leg = (side * 0.11 * size, 0.42 * size, 0.35 * side * stride), (0.1 * size, 0.42 * size, 0.1 * size)
        b.add(CYLINDER, PERSON, M_TROUSERS, foot, leg, tilt=side * stride, instance=inst, key=key)
    _body(b, PERSON, inst, 0.82 * size, 0.0, size, key)


def rider(b: Builder, seat: float, lean: float) -> None:
    """Somebody sitting at a height of `seat` metres; an instance of its own."""
    inst, key = b.new_instance(), b.new_key()
    for x in (-0.14, 0.14):
        b.add(CYLINDER, RIDER, M_TROUSERS, (x, seat - 0.22, 0.12), (0.1, 0.36, 0.1), tilt=-0.25, instance=inst, key=key)
    _body(b, RIDER, inst, seat, lean, 0.98, key)
    b.add(ELLIPSOID, RIDER, M_HELMET, (0, seat + 0.9, lean * 0.9), (0.17, 0.14, 0.18), instance=inst, key=key)


def _body(b: Builder, label: int, inst: int, y: float, lean: float, size: float, key: int) -> None:
    """Trunk, head and arms above height y."""
    trunk = 0.27 * size, 0.4 * size, 0.19 * size
    b.add(ELLIPSOID, label, M_SHIRT, (0, y + 0.32 * size, 0), trunk, tilt=lean, instance=inst, key=key)
    head = 0.135 * size, 0.165 * size, 0.145 * size
    b.add(ELLIPSOID, label, M_SKIN, (0, y + 0.83 * size, lean * 0.9), head, instance=inst, key=key)
    arm = 0.08 * size, 0.33 * size, 0.08 * size
    for x in (-0.29, 0.29):
        place = x * size, y + 0.28 * size, lean * 0.6
        b.add(CYLINDER, label, M_SHIRT, place, arm, tilt=lean, instance=inst, key=key)
