"""Is a picture readable in print? Shared by the tests of pictures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.report import theme
from bench.report.board import Board, leaderboard
from bench.report.plots import draw_of
from bench.report.plots.data import Table, Wanted, select
from bench.report.plots.ladders import ladders
from bench.result import RunResult, result_path

COMMITTED = Path(__file__).resolve().parent.parent / "results"


def table_of(results: list[RunResult], kind: str = "", **wanted: object) -> Table:
    """The first table that allows the kind."""
    given = {result_path(result.spec, COMMITTED, result.spec_hash): result for result in results}
    tables = select(_board(results), Wanted(**wanted), given).tables  # type: ignore[arg-type]
    if kind in ("severity",):
        return next(table for table in tables if not ladders(table).empty)
    return tables[0]


_boards: dict[int, tuple[list[RunResult], Board]] = {}


def _board(results: list[RunResult]) -> Board:
    """Made once for each list, as it takes a second."""
    kept = _boards.get(id(results))
    if kept is None:
        kept = _boards[id(results)] = results, leaderboard(results, COMMITTED)
    return kept[1]


def drawn(kind: str, table: Table) -> Figure:
    with theme.themed():
        figure = draw_of(kind)(table)
        figure.draw_without_rendering()
    return figure


def letters(figure: Figure) -> list[Text]:
    """The texts that are seen."""
    hidden: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not axes.axison or not low <= tick.get_loc() <= high:
                    hidden |= {tick.label1, tick.label2}
            hidden |= {axis.label} if not axes.axison else set()
    texts = figure.findobj(Text)
    return [text for text in texts if text not in hidden and text.get_visible() and text.get_text().strip()]


def is_readable(figure: Figure) -> None:
    """No letter is small, cut off or covered by another."""
    boxes = [(text, text.get_window_extent().padded(-2)) for text in letters(figure)]
    assert boxes
    for text, box in boxes:
        assert text.get_fontsize() >= theme.POINTS, text
        assert figure.bbox.padded(2).containsx(box.x0), f"{text} is cut off"
        assert figure.bbox.padded(2).containsx(box.x1), f"{text} is cut off"
        assert figure.bbox.padded(2).containsy(box.y0), f"{text} is cut off"
        assert figure.bbox.padded(2).containsy(box.y1), f"{text} is cut off"
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not first.overlaps(second), f"{one} and {other} cover each other"
