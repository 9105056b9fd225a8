"""Where parts of things become rows of the primitive table."""

from random import Random

import numpy as np

from bench.data.streets.table import COLUMNS, GLOW, P2
from bench.data.streets.types import Array, direction


class Builder:
    """Collects primitives. `at` opens a group: parts are then placed in the group's own axes (z forward)."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.rows: list[list[float]] = []
        self.lamps: list[tuple[float, float, float, float]] = []  # x, y, z, strength: what shines at night
        self.instances = 0
        self.place = (0.0, 0.0, 0.0, 1.0, 0.0)

    def at(self, x: float, y: float, z: float, turn: float = 0.0) -> "Builder":
        """Start a group at a world position; `turn` is tan(half the yaw)."""
        self.place = (x, y, z, *direction(turn))
        return self

    def new_instance(self) -> int:
        """An instance id that nothing else has."""
        self.instances += 1
        return self.instances

    def new_key(self) -> int:
        """A key: parts of one key and material share their colours and textures."""
        return int(self.rng.random() * 65536)

    def add(
        self,
        kind: int,
        label: int,
        material: int,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        *,
        tilt: float = 0.0,
        instance: int = 0,
        key: int | None = None,
        p1: float = 0.0,
        p2: float = 0.0,
        glow: float = 0.0,
    ) -> None:
        """One primitive at `centre` (group axes, metres) with half sizes.

        Args:
            kind, label, material: shape (primitives.py), train id and material (ids.py).
            tilt: tan of half the angle about the group's x axis.
            instance: 0 for what has none.
            key: drawn anew when it is not given.
            p1, p2: what the shape and the material make of them.
            glow: light given off by day too (0..1).
        """
        x, y, z = self._world(*centre)
        c, s = self.place[3:]
        own = self.new_key() if key is None else key
        row = [0.0] * COLUMNS
        row[: P2 + 1] = [kind, x, y, z, *half, c, s, *direction(tilt), label, instance, material, own, p1, p2]
        row[GLOW] = glow
        self.rows.append(row)

    def lamp(self, x: float, y: float, z: float, strength: float) -> None:
        """A light at a place in the group's axes."""
        self.lamps.append((*self._world(x, y, z), strength))

    def table(self) -> Array:
        """(N, COLUMNS) float64."""
        return np.asarray(self.rows, dtype=np.float64).reshape(-1, COLUMNS)

    def _world(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        px, py, pz, c, s = self.place
        return px + c * x + s * z, py + y, pz - s * x + c * z
