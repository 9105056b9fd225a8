"""Tables of one topic: IoU of each class, mIoU under each corruption. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.data.labels import CLASSES
from bench.protocols.corruptions import KNOWN
from bench.report import reported
from bench.report.cells import Table, escaped, line, score, titles
from bench.report.corruptions import Grid
from bench.report.frame import CLASS, CLEAN, CORRUPTION
from bench.report.series import Series, place_of, ranked_by

PLURALS = {"unseen": "unseen targets", "weather": "targets in weather", "corruption": "corruptions"}
VARIOUS = "various"
"""Severities that are not the same for all corruptions of a row."""


class Topic(NamedTuple):
    """The columns of a table of one topic."""

    title: str
    columns: list[str]
    """Keys of the rows' figures."""
    rows: list[Series]
    severities: list[str]
    """Of each row, where they are not the same for all; else empty."""


def classes(rows: Sequence[Series]) -> Topic | None:
    """IoU of each class, the mean over the targets that the rows are ranked by; None where no row has any."""
    columns = [CLASS + name for name in CLASSES if any(CLASS + name in row.stats for row in rows)]
    if not columns:
        return None
    group = ranked_by(rows)[place_of(rows[0])].removesuffix("_mean")
    return Topic(f"IoU of each class, mean over {PLURALS.get(group, group)}", columns, list(rows), [])


def corruptions(rows: Sequence[Series]) -> Topic | None:
    """mIoU under each corruption, the mean over the severities that were run; None where no row has any."""
    swept = [row for row in rows if row.grid]
    if not swept:
        return None
    told = [_severities(row.grid) for row in swept]
    same = len(set(told)) == 1 and told[0] != VARIOUS
    names = [CLEAN, *(CORRUPTION + name for name in KNOWN), "corruption_mean", "corruption_drop"]
    columns = [name for name in names if any(name in row.stats for row in swept)]
    how = f"severity {told[0]}" if told[0].isdigit() else f"mean over severities {told[0]}"
    how = how if same else "mean over the severities that were run"
    note = "; clean: the very same images as they are" if CLEAN in columns else ""
    return Topic(f"mIoU under each corruption, {how}{note}", columns, swept, [] if same else told)


def title(column: str) -> str:
    """A column as tables of topics head it."""
    return reported.title(column.removeprefix(CLASS).removeprefix(CORRUPTION))


def table(topic: Topic) -> Table:
    """Rows of method and backbone, a column for each class or corruption."""
    header = ["method", "backbone", *map(title, topic.columns)]
    rows = [[*titles(row), *(score(row.stats.get(name)) for name in topic.columns)] for row in topic.rows]
    if topic.severities:
        header.insert(2, "severities")
        for cells, severities in zip(rows, topic.severities, strict=True):
            cells.insert(2, severities)
    return Table(topic.title, header, "ll" + "r" * (len(header) - 2), rows)


def section(topic: Topic | None) -> str:
    """The table in Markdown, "" for none."""
    if topic is None:
        return ""
    made = table(topic)
    rule = ["---:" if align == "r" else "---" for align in made.align]
    lines = [made.header, rule, *([*map(escaped, row[:2]), *row[2:]] for row in made.rows)]
    return f"\n{made.title}:\n\n" + "\n".join(map(line, lines)) + "\n"


def _severities(grid: Grid) -> str:
    """Over which the means of a row are: "3", "1 to 5", "1, 3"."""
    found = {tuple(sorted(scores)) for scores in grid.values()}
    return _span(found.pop()) if len(found) == 1 else VARIOUS


def _span(severities: Iterable[int]) -> str:
    one = list(severities)
    if len(one) > 2 and one == list(range(one[0], one[-1] + 1)):
        return f"{one[0]} to {one[-1]}"
    return ", ".join(map(str, one))
