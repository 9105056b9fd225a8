"""How a table fits pages of two columns: what is wider is split by columns, what is longer by rows. Imports no torch.

How wide a table gets is estimated from the widths of Computer Modern's characters (Times, which most styles of two
columns set, is narrower).
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.report.cells import MISSING

WIDTH = 500.0
"""Points that a table may take: a page of two columns has 497 (CVPR) to 516 (IEEE), and estimates are rounded up."""
LINES = 48
"""Lines of rows that a page holds, with caption and headings."""
TEXT_WIDTHS = (110.0, 100.0, 90.0, 80.0, 70.0, 60.0)
"""Columns of text are broken at this many points: the most with which a table has as few parts as with any."""
SEPARATION = 6.0
"""Points between columns."""
BLANK = "--"
"""What a source does not print."""
LINE = 9.5
"""Points from line to line in footnotesize."""
_WIDTHS = {
    character: width
    for width, characters in {
        2.4: " !',.:;[]`il",
        2.9: "fjI-",
        3.4: "()rts_",
        3.9: "cez?†‡",
        4.3: '"$*/0123456789^ago{}~\\J↓',
        4.8: "kqvxySbdhnpu–",
        5.6: "ZLF",
        6.2: "EPBCTwR",
        6.7: "AHNUVXYDKG&+=@OQ<>|±×",
        7.8: "#%mM",
        8.8: "W—",
    }.items()
    for character in characters
}
"""Points of each character in cmr8, rounded up."""
BREAKS = re.compile(r"(?<=[=/,:+_ -])(?=\S)|(?<=\.)(?=[a-z])")
"""Where text may be broken into lines."""
_BOLD = 1.17
_SMALL = 0.95
"""Deviations are set smaller."""


class PaperTable(NamedTuple):
    """A table that may be wider and longer than a page."""

    label: str
    caption: str
    keys: int
    """So many columns at the left stand in every part."""
    header: list[str]
    align: str
    """`l` or `r` for each column; text is broken into lines where it is long."""
    rows: list[list[str]]
    blocks: list[int]
    """How many of the other columns belong together, in their order."""
    bold: frozenset[tuple[int, int]] = frozenset()
    """Row and column of what is best."""
    rotated: bool = False
    """Whether the headings of the other columns stand upright."""
    rule: int | None = None
    """The first row below a line."""


class Part(NamedTuple):
    """What of a table stands on one page."""

    table: PaperTable
    columns: list[int]
    rows: list[int]
    widths: list[float]
    """Of each column of the table, in points."""
    broken: frozenset[int]
    """Columns whose text is broken into lines."""

    @property
    def width(self) -> float:
        """In points."""
        return sum(self.widths[column] for column in self.columns) + SEPARATION * (len(self.columns) - 1)


def parts(table: PaperTable) -> list[Part]:
    """The table in as few parts as fit a page each, without the rows that have nothing to show in one."""
    widths, broken = _layout(table)
    keys, found = list(range(table.keys)), list[Part]()
    for columns in _columns(table, widths):
        shown = [n for n, row in enumerate(table.rows) if any(row[column] not in ("", BLANK) for column in columns)]
        pages = _pages(table, shown, widths, broken)
        found += [Part(table, keys + columns, rows, widths, broken) for rows in pages]
    return found


@functools.lru_cache(maxsize=2**16)
def text_width(text: str, bold: bool = False) -> float:
    """Points of a cell in footnotesize, rounded up."""
    mean, _, deviation = text.partition(" ± ")
    wide = sum(_WIDTHS.get(character, 7.0) for character in mean) * (_BOLD if bold else 1.0)
    return wide + (_SMALL * sum(_WIDTHS.get(character, 7.0) for character in f"±{deviation}") if deviation else 0.0)


def fits(table: PaperTable) -> bool:
    """Whether its columns need not be split."""
    return len(_columns(table, _layout(table)[0])) == 1


def _layout(table: PaperTable) -> tuple[list[float], frozenset[int]]:
    """Points of each column, and which columns of text are broken."""
    natural = _widths(table)
    least = {
        column: max((text_width(piece) for row in table.rows for piece in BREAKS.split(row[column])), default=0.0)
        for column, align in enumerate(table.align)
        if align == "l"
    }
    found = []
    for limit in TEXT_WIDTHS:
        limits = [max(limit, least[column]) if column in least else math.inf for column in range(len(natural))]
        widths = [min(wide, most) for wide, most in zip(natural, limits, strict=True)]
        broken = frozenset(column for column, most in enumerate(limits) if natural[column] > most)
        found.append((len(_columns(table, widths)), widths, broken))
        if found[-1][0] == 1:
            break
    return min(found, key=lambda one: one[0])[1:]


def _widths(table: PaperTable) -> list[float]:
    """Points of each column with its text in one line."""
    widths = []
    for column, title in enumerate(table.header):
        wide = max((text_width(row[column]) for row in table.rows if row[column] != MISSING), default=0.0)
        best = [text_width(table.rows[row][column], True) for row, place in table.bold if place == column]
        upright = table.rotated and column >= table.keys
        wide = max([wide, *best])
        heading = [LINE] if upright else map(text_width, stacked(title, wide))
        widths.append(max([wide, *heading]))
    return widths


def stacked(title: str, wide: float) -> list[str]:
    """A heading in lines no wider than the column or its own longest word."""
    words = title.split(" ")
    wide = max(wide, *map(text_width, words))
    lines = words[:1]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        lines = [*lines[:-1], longer] if text_width(longer) <= wide else [*lines, word]
    return lines


def _columns(table: PaperTable, widths: Sequence[float]) -> list[list[int]]:
    """The columns of each part but for the keys: blocks stay together where they fit; what must be cut is halved."""
    room = WIDTH - sum(widths[: table.keys]) - SEPARATION * max(0, table.keys - 1)
    place, found = table.keys, [list[int]()]
    for size in table.blocks:
        block = list(range(place, place + size))
        place += size
        whole = _taken(block, widths)
        pieces = [block]
        if whole > room:
            even = whole / math.ceil(whole / room)
            number = [int((_taken(block[: n + 1], widths) - 1) // even) for n in range(size)]
            pieces = [[block[n] for n in some] for _, some in itertools.groupby(range(size), key=number.__getitem__)]
        for piece in pieces:
            if found[-1] and _taken(found[-1] + piece, widths) > room:
                found.append([])
            for column in piece:  # a piece may still be too wide by a column
                if found[-1] and _taken([*found[-1], column], widths) > room:
                    found.append([])
                found[-1].append(column)
    return found


def _taken(columns: Sequence[int], widths: Sequence[float]) -> float:
    return sum(widths[column] + SEPARATION for column in columns)


def _pages(
    table: PaperTable, rows: Sequence[int], widths: Sequence[float], broken: frozenset[int]
) -> Iterator[list[int]]:
    """The rows of each page, about as many lines on each."""
    lines = [
        # Words are not broken, so lines are not full.
        max([1, *(math.ceil(1.25 * text_width(table.rows[row][column]) / widths[column]) for column in broken)])
        for row in rows
    ]
    even = sum(lines) / max(1, math.ceil(sum(lines) / LINES))
    ends = itertools.accumulate(lines)
    for _, page in itertools.groupby(zip(rows, ends, strict=True), key=lambda one: int((one[1] - 1) // even)):
        yield [row for row, _ in page]
