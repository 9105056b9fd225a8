"""User-facing errors: one line that says what to do, exit status 2, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

LISTED = 20
"""More known names than this are not listed."""


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


class Mismatch(DamagedFile):
    """Two files that belong together and do not fit each other: which of them is wrong is not known."""

    def __init__(self, path: Path, other: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.args = (f"{path} and {other.name} do not fit each other: {self.reason}",)


def what_is_wrong(error: ValidationError, most: int = 3) -> str:
    """What a schema found wrong, in one line: `where: what; ...`, up to `most` of them."""
    found = []
    for problem in error.errors()[:most]:
        where = ".".join(str(piece) for piece in problem["loc"])
        found.append(f"{where + ': ' if where else ''}{problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(found)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error line: the nearest known name, if one is near, and the known ones if they fit a line.

    A dotted name is also found by its last part: ``lr`` by ``recipe.lr``.
    """
    names = sorted(known)
    keys = {candidate.rpartition(".")[2].lower(): candidate for candidate in names}
    keys |= {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), keys, n=1, cutoff=0.5)
    hint = f"; did you mean {keys[near[0]]!r}?" if near else ""
    if len(names) > LISTED:
        return hint or f" (there are {len(names)})"
    return f"{hint} (known: {', '.join(names) or 'none'})"
