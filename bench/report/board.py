"""From results to the files of a leaderboard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple

from bench.errors import DamagedFile, PrerequisiteError, UnknownName, UserError
from bench.per_image import per_image_path
from bench.report import reported
from bench.report.corruptions import Grid, pairs, relative
from bench.report.latex import latex
from bench.report.memory import no_collection
from bench.report.paper import paper_tables
from bench.report.scored import Scored, score_all
from bench.report.series import RELATIVE, Place, Series, Stat, series
from bench.report.standings import Standing, standings
from bench.report.tables import comma_separated, markdown
from bench.result import RunResult
from bench.writing import write_atomically


class Board(NamedTuple):
    """What the files of a leaderboard are made of."""

    rows: list[Series]
    """In the order of the tables."""
    standings: dict[Place, Standing]
    scored: list[Scored]
    """Every sound result, unfinished ones too."""
    problems: list[DamagedFile]
    """Counts of single images that are not those of their result, which is left out."""


@no_collection()
def leaderboard(results: Iterable[RunResult | Scored], root: Path | None = None, reference: str | None = None) -> Board:
    """Rows and ranks. `root` is the folder that the results were read from, where the counts of single images are.

    With a `reference` method, each row has its corruption error relative to that method's on the same backbone. Raises
    UnknownName for a reference of no row.
    """
    scored, problems = score_all(results, root), []
    while True:
        rows = series(scored)
        try:
            found = standings(rows, scored)
        except DamagedFile as error:
            problems.append(error)
            scored = [one for one in scored if one.path is None or per_image_path(one.path) != error.path]
        else:
            return Board(rows if reference is None else _against(rows, reference), found, scored, problems)


def write_leaderboard(
    results: Iterable[RunResult | Scored],
    root: Path,
    published: reported.Published | None = None,
    reference: str | None = None,
    into: Path | None = None,
) -> list[Path]:
    """Write the files, with published figures if given, into ``root``, where the results lie; returns their paths.

    `into` is another folder for them; `reference` and errors as of `leaderboard`, PrerequisiteError when it cannot.
    """
    return write_board(leaderboard(results, root, reference), into or root, published)


@no_collection()
def write_board(board: Board, into: Path, published: reported.Published | None = None) -> list[Path]:
    """Write leaderboard.md, .csv and .tex into a folder, which is made; returns their paths.

    Raises PrerequisiteError.
    """
    texts = {
        "leaderboard.md": markdown(board.rows, board.scored, published, board.standings),
        "leaderboard.csv": comma_separated(board.rows, published, board.standings),
        "leaderboard.tex": latex(paper_tables(board.rows, board.standings, board.scored, published)),
    }
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(into / name, methodcaller("write", text.encode("utf-8")))
    except OSError as error:
        raise PrerequisiteError(f"cannot write the leaderboard to {into}: {error.strerror or error}") from error
    return [into / name for name in texts]


def _against(rows: Sequence[Series], reference: str) -> list[Series]:
    """The rows with their corruption error relative to the reference's row of the same protocol, track and backbone."""
    if reference not in {row.keys["method"] for row in rows}:
        raise UnknownName("reference method", reference, {row.keys["method"] for row in rows})
    same = ("protocol", "track", "backbone", "weights")
    grids: dict[tuple[object, ...], Grid] = {}
    for row in rows:  # of several the first, which is ranked highest
        if row.keys["method"] == reference and row.grid:
            grids.setdefault((*(row.keys[key] for key in same), pairs(row.grid)), row.grid)
    if not grids:
        raise UserError(f"--reference {reference}: no complete result of it has corruptions")
    found = []
    for row in rows:
        error = relative(row.grid, grids.get((*(row.keys[key] for key in same), pairs(row.grid)), {}))
        stats = row.stats if error is None else row.stats | {RELATIVE + reference: Stat(error, math.nan)}
        found.append(row._replace(stats=stats))
    return found
