"""Draw the kinds that were asked for, of every protocol and track, and say what cannot be drawn and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import UserError
from bench.report.plots import KINDS, draw_of
from bench.report.plots.data import NothingToDraw, Table
from bench.report.theme import SHOWN, save, themed


class Drawn(NamedTuple):
    """What became of the pictures."""

    paths: list[Path]
    not_drawn: list[str]
    """A line each, with the reason."""


def draw_kinds(kinds: Iterable[str], tables: Sequence[Table], folder: Path, formats: Sequence[str] = SHOWN) -> Drawn:
    """Write `<kind>-<protocol>-<track>.<format>` into a folder, which is made; kinds of KINDS.

    Where every row has a picture of its own, its name follows. Raises PrerequisiteError where it cannot write,
    UserError where targets are chosen for a kind that is not of chosen ones.
    """
    drawn = Drawn([], [])
    for kind in kinds:
        if any(table.targets for table in tables) and not KINDS[kind].targets:
            able = ", ".join(name for name, known in KINDS.items() if known.targets)
            raise UserError(f"--target is for {able}: {kind} shows all targets")
        for table, stem in _pictures(kind, tables):
            try:
                with themed():
                    picture = draw_of(kind)(table)
            except NothingToDraw as reason:
                drawn.not_drawn.append(f"{kind} of {table.name}: {reason}")
            else:
                drawn.paths.extend(save(picture, folder / stem, formats))
    return drawn


def _pictures(kind: str, tables: Sequence[Table]) -> Iterator[tuple[Table, str]]:
    """What a kind is drawn of, and the beginning of the file's name."""
    for table in tables:
        stem = _plain(f"{kind}-{table.protocol}-{table.track}")
        if not KINDS[kind].each:
            yield table, stem
            continue
        for label in table.labels:
            yield table.only(label), f"{stem}-{_plain(label)}"


def _plain(text: str) -> str:
    """As a file may be called everywhere."""
    return re.sub(r"[^\w.@=-]+", "-", text).strip("-")
