"""Runs -> rows of a leaderboard: the repetitions of one spec over seeds averaged, and their order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.cost.figures import COLUMNS, OF_A_DEVICE
from bench.report.corruptions import FIGURES, Grid, mean_grid
from bench.report.frame import RANKED_GROUPS, to_frame
from bench.report.scored import Scored, ScoredOn
from bench.report.scores import SUMMARY
from bench.result import RunResult
from bench.spec import Group

RANKED_BY = tuple(f"{group}_mean" for group in RANKED_GROUPS)
"""The first that a protocol has."""
GROUPS: dict[str, Group] = dict(zip(RANKED_BY, RANKED_GROUPS, strict=True))
"""What rows are ranked by -> the group of targets that it is the mean of."""
RELATIVE = "corruption_error_relative_to_"
"""Prefix of the figure that names the method it is relative to."""
KEYS = ("protocol", "track", "backbone", "method", "variant", "weights")


Place = tuple[str, str]
"""Protocol and track."""


class Stat(NamedTuple):
    """Mean and sample standard deviation over seeds; NaN where there is none."""

    mean: float
    std: float


class Series(NamedTuple):
    """One row: the repetitions of one spec over seeds."""

    keys: dict[str, str]
    """protocol, track, backbone, method, variant, weights."""
    seeds: int
    stats: dict[str, Stat]
    """Without times and memory where its runs are of several devices."""
    devices: tuple[str, ...]
    latency: dict[str, float]
    """Device -> mean latency in ms: never averaged over devices."""
    seen: str
    """Which targets the backbone's pre-training saw."""
    trained_on: bool
    """Whether the source's score is one on images that are trained on."""
    grid: Grid
    """Of its corruptions."""
    scored_on: Mapping[Group, ScoredOn] = {}
    """What the means of its groups are of."""
    series: str = ""
    """Digest of the spec without its seed, and of the images."""
    members: tuple[int, ...] = ()
    """Its seeds."""


def series(results: Iterable[RunResult | Scored], root: Path | None = None) -> list[Series]:
    """Repetitions averaged; sorted by protocol, track, then falling unseen mean. `root`: see `to_frame`."""
    frame = to_frame(results, root)
    if frame.empty:
        return []
    rows = _all_series(frame)
    keys = ranked_by(rows)
    others = unlike(rows)
    return sorted(rows, key=lambda row: _rank(row, keys[place_of(row)], row.series in others))


def ranked_by(rows: Sequence[Series]) -> dict[Place, str]:
    """What the rows of each protocol and track are ranked by: the first of RANKED_BY that any of them has."""
    keys: dict[Place, str] = {}
    for row in rows:
        place = place_of(row)
        keys[place] = min(keys.get(place, RANKED_BY[-1]), *_has(row), key=RANKED_BY.index)
    return keys


def place_of(row: Series) -> Place:
    """Protocol and track."""
    return row.keys["protocol"], row.keys["track"]


def unlike(rows: Sequence[Series]) -> frozenset[str]:
    """Of which `series` the mean that ranks a table is of other targets, or of other images, than that of most rows.

    Of equally many the larger set counts as usual. Such rows stand below the rest.
    """
    keys = ranked_by(rows)
    tables: dict[Place, list[tuple[str, ScoredOn | None]]] = {}
    for row in rows:
        of = row.scored_on.get(GROUPS[keys[place_of(row)]])
        tables.setdefault(place_of(row), []).append((row.series, of))
    found: set[str] = set()
    for table in tables.values():
        counts = Counter(of for _, of in table)
        usual = max(counts, key=lambda of: (counts[of], len(of.images) if of else 0))
        found |= {series for series, of in table if of != usual}
    return frozenset(found)


def _has(row: Series) -> list[str]:
    return [key for key in RANKED_BY if key in row.stats] or [RANKED_BY[-1]]


def _all_series(frame: pd.DataFrame) -> list[Series]:
    """Each series made one row. A score missing for one seed is missing in the mean: nothing is averaged away."""
    names = [*SUMMARY, *FIGURES, *(str(name) for name in frame.columns if ":" in str(name)), *COLUMNS]
    frame = frame.sort_values(["series", "seed"], ignore_index=True)
    groups = frame.groupby("series")  # sorted by it
    numbers = frame[["series", *names]].astype(dict.fromkeys(names, float)).groupby("series")
    counts, sizes = numbers.count(), groups.size()
    whole = counts.eq(sizes, axis=0)
    means, deviations = numbers.mean().where(whole), numbers.std().where(whole)
    there = counts.gt(0).to_numpy()
    table = np.stack([means.to_numpy(), deviations.to_numpy()], axis=-1).tolist()
    shown = (*KEYS, "device", "latency_ms", "seen", "trained_on", "grid", "scored_on", "series", "seed")
    runs = {key: frame[key].tolist() for key in shown}  # looking up single cells of a frame takes most of the time
    rows = []
    for place, members in enumerate(groups.indices.values()):
        mine = {key: [runs[key][n] for n in members] for key in shown}
        latency: dict[str, list[float]] = {}
        for device, value in zip(mine["device"], mine["latency_ms"], strict=True):
            latency.setdefault(str(device), []).append(math.nan if value is None else float(value))
        lost = OF_A_DEVICE if len(latency) > 1 else ()
        rows.append(
            Series(
                keys={key: str(mine[key][0]) for key in KEYS},
                seeds=len(members),
                stats={
                    name: Stat(*table[place][n]) for n, name in enumerate(names) if there[place, n] and name not in lost
                },
                devices=tuple(sorted(latency)),
                latency={device: _mean_of_known(latency[device]) for device in sorted(latency)},
                seen=str(mine["seen"][0]),
                trained_on=bool(mine["trained_on"][0]),
                grid=mean_grid(mine["grid"]),
                scored_on=mine["scored_on"][0],
                series=str(mine["series"][0]),
                members=tuple(mine["seed"]),
            )
        )
    return rows


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _rank(row: Series, key: str, other: bool) -> tuple[str, str, bool, float, str]:
    """`other`: a row whose mean is over other targets or images than the rest's; it stands below."""
    unseen = row.stats.get(key, Stat(math.nan, math.nan)).mean
    names = "/".join(row.keys[key] for key in KEYS[2:])
    return row.keys["protocol"], row.keys["track"], other, math.inf if math.isnan(unseen) else -round(unseen, 6), names
