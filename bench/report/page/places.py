"""What stands below the page's table, of each protocol and track: what is missing, and what ties. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.board import Board
from bench.report.missing import Missing, missing
from bench.report.series import Place, Series, place_of, ranked_by

SHOWN_MISSING = 200
"""More missing pairs of method and backbone than this are counted, not named."""


def named(place: Place) -> str:
    """How the page names a protocol and track."""
    return "/".join(place)


def lacking(board: Board) -> dict[Place, Missing]:
    """What each table lacks."""
    return {place: missing(rows, board.scored, place) for place, rows in tables(board).items()}


def tables(board: Board) -> dict[Place, list[Series]]:
    """The leaderboard's rows of each protocol and track, in their order."""
    found: dict[Place, list[Series]] = {}
    for row in board.rows:
        found.setdefault(place_of(row), []).append(row)
    return found


def places(board: Board, lacks: Mapping[Place, Missing]) -> dict[str, dict[str, Any]]:
    """Plain data for the page; rows are named by their `id`."""
    keys = ranked_by(board.rows)
    return {
        named(place): {
            "ranked_by": keys[place],
            **_compared(board, place, rows),
            **_missing(lacks[place]),
            "unfinished": sum(_place(run.spec) == place and not run.complete for run in board.scored),
        }
        for place, rows in tables(board).items()
    }


def id_of(row: Series) -> str:
    """How the page names a row."""
    return row.series[:12]


def _compared(board: Board, place: Place, rows: Sequence[Series]) -> dict[str, Any]:
    """Ties as [ahead, behind, difference, ends of its interval, adjusted p]; how many rows and pairs were compared."""
    standing = board.standings.get(place)
    if standing is None:
        return {"tested": 0, "comparisons": 0, "ties": []}
    ties = [
        [id_of(rows[tie.ahead]), id_of(rows[tie.behind]), *map(_points, tie.difference[:3]), _points(tie.adjusted)]
        for tie in standing.ties
    ]
    return {"tested": len(standing.tested), "comparisons": standing.comparisons, "ties": ties}


def _missing(lacks: Missing) -> dict[str, Any]:
    pairs: dict[str, list[str]] = {}
    for method, backbone in lacks.pairs[:SHOWN_MISSING]:
        pairs.setdefault(method, []).append(backbone)
    more = max(0, len(lacks.pairs) - SHOWN_MISSING)
    return {"seeds": list(lacks.every_seed), "missing": list(pairs.items()), "more_missing": more}


def _place(spec: Any) -> Place:
    return spec.protocol, spec.track.name


def _points(value: float) -> float:
    return round(value, 4)
