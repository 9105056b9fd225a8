"""Tables in Markdown, as a page that shows it (or a job's summary in CI) lays them out. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.report.cells import line


def table(header: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table; `align` has `l` or `r` for each column."""
    rule = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(line([cell.replace("\n", " ") for cell in cells]) for cells in (header, rule, *rows))
