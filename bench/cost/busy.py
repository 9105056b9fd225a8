"""Whether a machine had other work while it measured, which makes times too long. Imports no torch."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from pathlib import Path

from bench.cost.figures import Figure, Measured

SHARE = 0.1
"""Of the cores: more than this, busy with other processes, is worth a warning."""
TIMED: tuple[Figure, ...] = ("latency", "energy", "throughput", "training")
_STAT = Path("/proc/stat")
_BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of a core's line in it: user, nice, system, irq, softirq, steal; idle and iowait between them."""


class Meter:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic(), _machine(), _own()

    def elsewhere(self) -> float | None:
        """How many of the `cores` other processes than this one (and its ended children) kept busy, on average.

        None where the system does not tell.
        """
        began, machine, own = self._began
        now = _machine()
        spent = time.monotonic() - began
        if machine is None or now is None or spent <= 0:
            return None
        return max(0.0, (now - machine - (_own() - own)) / spent)


@functools.cache
def cores() -> frozenset[int]:
    """Numbers of the cores that this process may use; as of the first call, as libraries bind single threads later."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def warning(reports: Sequence[Measured]) -> str | None:
    """What to say where others' work was more than `SHARE` of the cores while times were taken; None where it was not.

    Where the system does not tell, the load of the minute before the first measurement stands for it: that of the later
    ones holds our own.
    """
    found = []
    for number, report in enumerate(reports):
        others = report.load if report.busy_elsewhere is None and not number else report.busy_elsewhere
        timed = any(getattr(report, figure) is not None for figure in TIMED)
        if timed and others is not None and report.cores is not None and others > SHARE * report.cores:
            found.append((others, report))
    if not found:
        return None
    most, report = max(found, key=lambda one: one[0])
    when = f" in {len(found)} of {len(reports)} measurements" if len(reports) > 1 else ""
    busy = f"other work took {'up to ' if when else ''}{most:.1f} of {report.cores} cores{when}"
    return f"{busy}: times are too long; measure again on an idle machine"


def _machine() -> float | None:
    """Seconds that `cores` have been busy since the machine began."""
    try:
        lines = [line.split() for line in _STAT.read_text(encoding="ascii", errors="replace").splitlines()]
        times = {words[0]: words[1:] for words in lines if words}
        ticks = sum(int(times[f"cpu{core}"][column]) for core in cores() for column in _BUSY)
        return ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, LookupError):
        return None


def _own() -> float:
    """Seconds that this process, and children that have ended, computed."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
