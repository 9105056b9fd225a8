"""Resident memory of this process: now, and the most it has been since a moment of one's choice (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from pathlib import Path
from typing import NamedTuple

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class HighWater(NamedTuple):
    """The most bytes that were resident, and since when that is counted."""

    bytes: int
    counted: str


def now() -> int | None:
    """Bytes resident; None where the system does not tell."""
    return _field("VmRSS")


def trim() -> None:
    """Give freed memory back to the system, as far as Python and the C library can."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def reset() -> bool:
    """Let the high-water mark begin anew from what is resident now; whether the system allows it."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def high_water(was_reset: bool) -> HighWater:
    """The mark since `reset`, or, where that was not allowed, since the process began: building the model included."""
    mark = _field("VmHWM")
    if mark is not None and was_reset:
        return HighWater(mark, "resident set, most since before the first prediction")
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return HighWater(mark or whole, "resident set, most since the process began, building the model included")


def _field(name: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return None
