"""Tables for papers: LaTeX with the rules of booktabs, each as wide as a page of two columns at most.

How wide a table gets is estimated from the widths of Computer Modern's characters (Times, which most styles of two
columns set, is narrower). What is wider is split by columns, what is longer by rows; method and backbone stand in each
part.
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
HEAD = r"""% Made by `python -m bench report`. The preamble needs \usepackage{array,booktabs,graphicx}.
% Each table is a table* for a page of two columns (at most 500 pt wide in \footnotesize of a 10 pt document).
"""
_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"${character}$" for character in "<>|"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "↓": r"$\downarrow$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "—": "---",
    "–": "--",
}
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


def latex(tables: Sequence[PaperTable]) -> str:
    """The text of all tables, and what it needs in the preamble."""
    found = []
    for table in tables:
        pieces = parts(table)
        found += [_set(part, number, len(pieces)) for number, part in enumerate(pieces, start=1)]
    return HEAD + "".join(f"\n{text}" for text in found)


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


def escape(text: str) -> str:
    """Text as LaTeX sets it."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def fits(table: PaperTable) -> bool:
    """Whether its columns need not be split."""
    return len(_columns(table, _layout(table)[0])) == 1


def _layout(table: PaperTable) -> tuple[list[float], frozenset[int]]:
    """Points of each column, and which columns of text are broken."""
    natural = _widths(table)
    text = [column for column, align in enumerate(table.align) if align == "l"]
    found = []
    for limit in TEXT_WIDTHS:
        widths = [min(wide, limit) if column in text else wide for column, wide in enumerate(natural)]
        parts = len(_columns(table, widths))
        found.append((parts, widths, frozenset(column for column in text if natural[column] > limit)))
        if parts == 1:
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
        heading = [LINE] if upright else map(text_width, _stacked(title, wide))
        widths.append(max([wide, *heading]))
    return widths


def _stacked(title: str, wide: float) -> list[str]:
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


def _set(part: Part, number: int, of: int) -> str:
    table = part.table
    more = f" (Part {number} of {of}.)" if of > 1 else ""
    again = f"-{number}" if number > 1 else ""
    form = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{part.widths[column]:.0f}pt}}"
        if column in part.broken
        else table.align[column]
        for column in part.columns
    )
    lines = [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(table.caption + more)}}}",
        rf"\label{{tab:{table.label}{again}}}",
        r"\smallskip",
        r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{SEPARATION / 2:g}pt}}",
        rf"\begin{{tabular}}{{@{{}}{form}@{{}}}}",
        r"\toprule",
        " & ".join(_heading(part, column) for column in part.columns) + r" \\",
        r"\midrule",
    ]
    for above, row in zip([None, *part.rows], part.rows, strict=False):
        if table.rule is not None and above is not None and above < table.rule <= row:
            lines.append(r"\midrule")
        lines.append(_row(part, row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}"]) + "\n"


def _heading(part: Part, column: int) -> str:
    title = part.table.header[column]
    if part.table.rotated and column >= part.table.keys:
        return rf"\rotatebox{{90}}{{{escape(title)}}}"
    lines = list(map(escape, _stacked(title, part.widths[column])))
    stacked = r"\\".join(lines)
    return rf"\shortstack[{part.table.align[column]}]{{{stacked}}}" if len(lines) > 1 else stacked


def _row(part: Part, row: int) -> str:
    cells = []
    for missing, some in itertools.groupby(part.columns, key=lambda column: part.table.rows[row][column] == MISSING):
        columns = list(some)
        if missing and len(columns) > 1:
            cells.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{MISSING}}}")
        else:
            cells += [_cell(part, row, column) for column in columns]
    return " & ".join(cells) + r" \\"


def _cell(part: Part, row: int, column: int) -> str:
    text = escape(part.table.rows[row][column])
    if column in part.broken:
        return re.sub(r"([=/,:+]|\\_|\.(?=[a-z]))(?=\S)", r"\1\\allowbreak{}", text)
    mean, plus, deviation = text.partition(r" $\pm$ ")
    if (row, column) in part.table.bold:
        mean = rf"\textbf{{{mean}}}"
    return mean + (rf"{{\scriptsize$\pm${deviation}}}" if plus else "")


def slug(*words: str) -> str:
    """What a label is made of."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words)
