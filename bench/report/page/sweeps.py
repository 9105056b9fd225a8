"""Corruptions of the page's rows: one figure for each, whatever severities it was scored at. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.protocols.corruptions import GROUPS, ICE, OTHERS, SEVERITIES
from bench.report.frame import TARGET
from bench.report.scored import Scored
from bench.report.series import Stat

PREFIX = "corruption:"
CLEAN = "corruption_clean"
"""The column of the same images as they are."""
ORDER = (
    *(name for group, names in GROUPS.items() for name in (*names, *((ICE,) if group == "weather" else ()))),
    *OTHERS,
)


class Key(NamedTuple):
    """What a column of a corruption is of: figures of other severities are of other images, and stand in another."""

    name: str
    severities: str
    """`3`, `1-5` or `1, 3`."""

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}@{self.severities}"


def measured(runs: Sequence[Scored]) -> dict[str, Stat]:
    """Column -> mIoU in percent, of the runs of one series; of several severities their mean within a run."""
    swept = [run.swept for run in runs if run.swept is not None]
    if not swept or len(swept) < len(runs):
        return {}
    found: dict[str, Stat] = {}
    clean = [one.clean for one in swept if one.clean is not None]
    if len(clean) == len(swept):
        found[CLEAN] = _stat(clean)
    for name, row in swept[0].grid.items():
        if all(one.grid.get(name, {}).keys() == row.keys() for one in swept):
            values = [sum(one.grid[name].values()) / len(row) for one in swept]
            found[str(Key(name, _severities(row)))] = _stat(values)
    return found


def published(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Of published figures by column (`target:fog-5`) those of one corruption, by the page's columns."""
    found = {}
    for column, figure in columns.items():
        name, _, severity = column.removeprefix(TARGET).rpartition("-")
        if column.startswith(TARGET) and name in ORDER and severity in map(str, SEVERITIES):
            found[str(Key(name, severity))] = figure
    return found


def keys(columns: Iterable[str]) -> list[Key]:
    """The corruptions among the names of columns, in the order of heat maps: by severities, then by group."""
    found = [
        Key(name, severities)
        for name, _, severities in (
            key.removeprefix(PREFIX).partition("@") for key in columns if key.startswith(PREFIX)
        )
    ]
    return sorted(found, key=lambda key: (key.severities, ORDER.index(key.name) if key.name in ORDER else len(ORDER)))


def _severities(row: Iterable[int]) -> str:
    steps = sorted(row)
    whole = len(steps) > 1 and steps == list(range(steps[0], steps[-1] + 1))
    return f"{steps[0]}-{steps[-1]}" if whole else ", ".join(map(str, steps))


def _stat(values: Sequence[float]) -> Stat:
    """Over seeds; one has no deviation."""
    return Stat(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan)
