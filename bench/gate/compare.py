"""A check's figures against the baseline's: one row for each quantity. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import UserError
from bench.gate.baseline import Baseline, Entry, Figures, Tolerances
from bench.result import Provenance

PERCENT, POINTS = "%", "points"
_TINY = 1e-300


class Row(NamedTuple):
    """One quantity of one method; what is None has no number."""

    method: str
    quantity: str
    baseline: Any
    now: Any
    difference: float | None
    tolerance: float | None
    unit: str
    """Of difference and tolerance; empty for counts."""
    moved: bool


class Outcome(NamedTuple):
    """What a check found."""

    rows: list[Row]
    notes: list[str]
    """What differs and may explain a row; one line each."""
    provenance: Provenance

    @property
    def moved(self) -> list[Row]:
        """The rows beyond their tolerance."""
        return [row for row in self.rows if row.moved]


def require_same_protocol(baseline: Baseline, state: Mapping[str, Any], where: object) -> None:
    """Raise UserError, naming what differs, where a baseline is not of today's protocol: nothing could be compared."""
    before = baseline.protocol_state
    if differing := [name for name in state if before.get(name) != state[name]]:
        what = ", ".join(_named(name, before.get(name), state[name]) for name in differing)
        raise UserError(
            f"{where} is of another version of protocol {baseline.protocol} ({what}): write a new one with --update"
        )


def compare(method: str, entry: Entry, now: Figures, allowed: Tolerances) -> list[Row]:
    """All rows of a method, in the order of its table."""
    return [
        *_scores(method, entry, now, allowed),
        *_counts(method, entry, now, allowed),
        *_labels(method, entry, now, allowed),
        *_response(method, entry, now, allowed),
        *_steps(method, entry, now, allowed),
        *_settings(method, entry.settings, now.settings),
    ]


def added(entry: Entry, now: Figures) -> list[str]:
    """Settings that only one of the two has: told, but no failure, for an option may be new and change nothing."""
    return sorted(set(entry.settings) ^ set(now.settings))


def _scores(method: str, entry: Entry, now: Figures, allowed: Tolerances) -> Iterator[Row]:
    for group in entry.miou:
        before, after = entry.score(group), now.miou.get(group)
        difference = None if after is None else after - before
        tolerance = allowed.miou[group]
        yield _row(method, f"mIoU {group}", before, after, difference, tolerance, POINTS)


def _counts(method: str, entry: Entry, now: Figures, allowed: Tolerances) -> Iterator[Row]:
    for name in ("trainable_params", "total_params"):
        before, after = getattr(entry, name), getattr(now, name)
        yield _row(
            method, name.replace("_params", " parameters"), before, after, after - before, getattr(allowed, name)
        )
    if entry.gflops is not None:
        relative = None if now.gflops is None else 100 * (now.gflops - entry.gflops) / entry.gflops
        yield _row(method, "GFLOPs", entry.gflops, now.gflops, relative, 100 * allowed.gflops, PERCENT)


def _labels(method: str, entry: Entry, now: Figures, allowed: Tolerances) -> Iterator[Row]:
    """Of each group, the share of the labelled pixels that are of another class than in the baseline."""
    for group, counts in entry.labels.items():
        found = now.labels.get(group)
        share = None if found is None else 100 * moved_share(found, counts)
        pixels = None if found is None else sum(found)
        yield _row(method, f"labels {group}", sum(counts), pixels, share, 100 * allowed.labels, PERCENT)


def _response(method: str, entry: Entry, now: Figures, allowed: Tolerances) -> Iterator[Row]:
    relative = 100 * distance(now.response, entry.response)
    yield _row(method, "response", None, None, relative, 100 * allowed.response, PERCENT)


def _steps(method: str, entry: Entry, now: Figures, allowed: Tolerances) -> Iterator[Row]:
    """Of each loss, and of each part's movement, relative."""
    for what in {**entry.steps, **now.steps}:
        before, after = entry.steps.get(what), now.steps.get(what)
        relative = None if before is None or after is None else 100 * (after - before) / max(abs(before), _TINY)
        yield _row(method, what, before, after, relative, 100 * allowed.steps, PERCENT)


def _settings(method: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Row]:
    for name in before:
        if name in now and before[name] != now[name]:
            yield Row(method, name, before[name], now[name], None, None, "", True)


def moved_share(now: Sequence[int], before: Sequence[int]) -> float:
    """Share of pixels that another class has: half the sum of differences, over the larger number of pixels."""
    mine, other = np.asarray(now, np.int64), np.asarray(before, np.int64)
    if mine.shape != other.shape:
        return 1.0
    more, fewer = np.maximum(mine - other, 0).sum(), np.maximum(other - mine, 0).sum()
    return float(max(more, fewer) / max(mine.sum(), other.sum(), 1))


def distance(now: npt.ArrayLike, before: npt.ArrayLike) -> float:
    """Euclidean distance of two responses, relative to the earlier one's length; infinite if their sizes differ."""
    mine, other = np.asarray(now, np.float64), np.asarray(before, np.float64)
    if mine.shape != other.shape:
        return float("inf")
    return float(np.linalg.norm(mine - other)) / max(float(np.linalg.norm(other)), _TINY)


def _row(
    method: str, quantity: str, before: Any, now: Any, difference: float | None, tolerance: float, unit: str = ""
) -> Row:
    now, difference = (None if value is None or not math.isfinite(value) else value for value in (now, difference))
    moved = difference is None or abs(difference) > tolerance
    return Row(method, quantity, before, now, difference, tolerance, unit, moved)


def _named(name: str, before: Any, now: Any) -> str:
    """`data streets-grid` where one of several revisions differs, else the name."""
    if name == "data" and isinstance(before, dict):
        return ", ".join(f"data {key}" for key in sorted({*before, *now}) if before.get(key) != now.get(key))
    return name
