"""Draw the kinds that were asked for, of every protocol and track, and say what cannot be drawn and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import UserError
from bench.report.plots import KINDS, draw_of
from bench.report.plots.data import Table
from bench.report.theme import SHOWN, NothingToDraw, save, themed


class Drawn(NamedTuple):
    """What became of the pictures."""

    paths: list[Path]
    not_drawn: list[str]
    """A line each, with the reason."""
    cut: list[str]
    """A line for each protocol, track and number of rows, where there are more than were drawn."""
    without: list[str]
    """The kinds of which there is no picture at all."""


def draw_kinds(
    kinds: Iterable[str],
    tables: Sequence[Table],
    folder: Path,
    formats: Sequence[str] = SHOWN,
    top: int | None = None,
) -> Drawn:
    """Write `<kind>-<protocol>-<track>.<format>` into a folder, which is made; kinds of KINDS.

    Of more rows than a kind holds, or than `top` if given, the best are drawn. Where every row has a picture of its
    own, its name follows. Raises PrerequisiteError where it cannot write, DamagedFile for a result that cannot be read
    any more, UserError where targets are chosen for a kind that is not of chosen ones.
    """
    drawn = Drawn([], [], [], [])
    less: dict[tuple[int, int], list[str]] = {}
    for kind in kinds:
        known, before = KINDS[kind], len(drawn.paths)
        if any(table.targets for table in tables) and not known.targets:
            able = ", ".join(name for name, each in KINDS.items() if each.targets)
            raise UserError(f"--target is for {able}: {kind} shows all targets")
        most = known.most if top is None or known.exactly else top
        for number, table in enumerate(tables):
            made = _draw(kind, table.best(most), folder, formats, drawn)
            if made and most < len(table.labels):
                less.setdefault((number, most), []).append(kind)
        if len(drawn.paths) == before:
            drawn.without.append(kind)
    drawn.cut.extend(_cut(tables[number].best(most), names) for (number, most), names in sorted(less.items()))
    return drawn


def _draw(kind: str, table: Table, folder: Path, formats: Sequence[str], drawn: Drawn) -> bool:
    """Whether there is a picture; into `drawn` goes what became of it."""
    before = len(drawn.paths)
    for rows, stem in _pictures(kind, table):
        try:
            with themed():
                picture = draw_of(kind)(rows)
        except NothingToDraw as reason:
            drawn.not_drawn.append(f"{kind} of {table.name}: {reason}")
        else:
            drawn.paths.extend(save(picture, folder / stem, formats))
    return len(drawn.paths) > before


def _pictures(kind: str, table: Table) -> Iterator[tuple[Table, str]]:
    """What a kind is drawn of, and the beginning of the file's name."""
    stem = _plain(f"{kind}-{table.protocol}-{table.track}")
    if not KINDS[kind].each:
        yield table, stem
        return
    for label in table.labels:
        yield table.only(label), f"{stem}-{_plain(label)}"


def _cut(table: Table, kinds: Sequence[str]) -> str:
    """What is said of a table of which the best rows were drawn."""
    count = len(table.labels)
    which = "the best" if count > 2 else f"the best, {' and '.join(table.labels)}"
    others = "--method, --backbone" if all(KINDS[kind].exactly for kind in kinds) else "--top K, --method, --backbone"
    drawn = f"{count} of {table.fitting} rows drawn: {which} ({', '.join(kinds)})"
    return f"{table.name}: {drawn}; {others} choose others"


def _plain(text: str) -> str:
    """As a file may be called everywhere."""
    return re.sub(r"[^\w.@=-]+", "-", text).strip("-")
