"""User-facing errors: one line that says what to do, exit status 2, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class BenchError(Exception):
    """Base of every error a user can mend. ``str(error)`` is one line."""

    exit_code = 2


class UserError(BenchError):
    """An option or value that does not hold."""


class UnknownName(UserError):
    """A name that no file, card or entry point carries."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} {name!r}{did_you_mean(name, self.known)}")


class PrerequisiteError(BenchError):
    """Something outside the suite is missing: weights, a package, a writable folder."""


class DatasetNotFound(BenchError):
    """A data set's files are not where its card says; the message says how to get them."""


class DamagedFile(BenchError):
    """A file that exists but cannot be trusted (unreadable, wrong schema, wrong checksum)."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, " ".join(reason.split())
        super().__init__(f"damaged file {path}: {self.reason}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error line: the nearest known name, if one is near, and all of them."""
    names = sorted(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
    return f"{hint} (known: {', '.join(names) or 'none'})"
