"""Corruptions of the page's rows: one column for each, and for each set of severities. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from bench.protocols.corruptions import GROUPS, ICE, OTHERS, SEVERITIES
from bench.report.frame import CLEAN, CORRUPTION, TARGET
from bench.report.series import Series, Stat

T = TypeVar("T")
ORDER = (
    *(name for group, names in GROUPS.items() for name in (*names, *((ICE,) if group == "weather" else ()))),
    *OTHERS,
)
"""By group, as heat maps have them."""


class Key(NamedTuple):
    """What a column is of: means over other severities are no figures to compare, and stand in another."""

    name: str
    severities: str
    """`3`, `1-5` or `1, 3`."""

    def __str__(self) -> str:
        return f"{CORRUPTION}{self.name}@{self.severities}"


def measured(row: Series) -> dict[str, Stat]:
    """Column -> mIoU in percent, the mean over the severities that were run; and that of the same images clean."""
    found = {
        str(Key(name, _severities(scores))): row.stats[CORRUPTION + name]
        for name, scores in row.grid.items()
        if CORRUPTION + name in row.stats
    }
    return ({CLEAN: row.stats[CLEAN]} if CLEAN in row.stats else {}) | found


def published(columns: Mapping[str, T]) -> dict[str, T]:
    """Of what is published by column (`target:fog-5`), that of corruptions, by the page's columns."""
    found = {}
    for column, figure in columns.items():
        name, _, severity = column.removeprefix(TARGET).rpartition("-")
        if column.startswith(TARGET) and name in ORDER and severity in map(str, SEVERITIES):
            found[str(Key(name, severity))] = figure
    return found


def keys(columns: Iterable[str]) -> list[Key]:
    """The corruptions among the names of columns, in the order of heat maps: by severities, then by group."""
    parts = [column.removeprefix(CORRUPTION).split("@") for column in columns if column.startswith(CORRUPTION)]
    found = [Key(*part) for part in parts if len(part) == 2]
    return sorted(found, key=lambda key: (key.severities, ORDER.index(key.name) if key.name in ORDER else len(ORDER)))


def _severities(scores: Iterable[int]) -> str:
    steps = sorted(scores)
    whole = len(steps) > 1 and steps == list(range(steps[0], steps[-1] + 1))
    return f"{steps[0]}-{steps[-1]}" if whole else ", ".join(map(str, steps))
