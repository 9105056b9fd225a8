"""The verb that makes leaderboards and pictures of result files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli_options import PROGRAM, Results, choice
from bench.console import warn
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.report.reported import Published
    from bench.report.scored import Scored


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(cast("Callable[..., Any]", report))


def report(
    results: Results = Path("results"),
    strict: Annotated[
        bool, typer.Option("--strict", help="Check the counts of every image, too; exit 1 when a file is damaged.")
    ] = False,
    protocol: Annotated[list[str] | None, typer.Option(help="Only this; may be given several times.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the files; by default that of the results.")] = None,
    reported: Annotated[bool, typer.Option("--reported", help="With published figures, marked and unranked.")] = False,
    reference: Annotated[str | None, typer.Option(help="A method: corruption errors relative to its own.")] = None,
    html: Annotated[Path | None, typer.Option(help="Folder for a page that any browser opens from disk.")] = None,
) -> None:
    """Make leaderboard.md, leaderboard.csv and leaderboard.tex from the result files."""
    from bench.report.board import leaderboard, write_board
    from bench.report.scored import read_scored

    if not results.is_dir():
        raise UserError(f"there is no folder {results}")
    loaded = read_scored(results, per_image=strict)
    problems, published = list(loaded.problems), None
    if reported:
        from bench.report.reported import published as to_rows
        from bench.reported import load_reported

        figures = load_reported()
        problems, published = problems + figures.problems, to_rows(figures)
    warn(problems)
    scored, published = _of_protocols(loaded.scored, published, protocol or [], results)
    if not scored and published is None:
        raise UserError(
            f"no result files below {results}: make one with `{PROGRAM} run --method rein --backbone eva02`"
        )
    board = leaderboard(scored, reference=reference)
    warn(board.problems)
    for path in write_board(board, out or results, published):
        print(path)
    problems = problems + board.problems
    if html is not None:
        from bench.report.page import write_page

        page = write_page(board, html, results, published)
        warn(page.problems)
        problems = problems + page.problems
        print(page.file)
    if strict and problems:
        raise typer.Exit(1)


def _of_protocols(
    scored: list[Scored], published: Published | None, wanted: list[str], results: Path
) -> tuple[list[Scored], Published | None]:
    """Only what is of the wanted protocols, if any are. Raises UnknownName, and UserError for one without results."""
    if not wanted:
        return scored, published
    from bench.protocols import names

    there = {one.spec.protocol for one in scored}
    there |= {protocol for protocol, _ in published.places()} if published else set()
    for name in wanted:
        choice("protocol", name, tuple(there | set(names())))
        if name not in there:
            raise UserError(f"no result below {results} is of protocol {name}")
    if published is not None:
        published = published._replace(rows=[row for row in published.rows if row.place[0] in wanted])
    return [one for one in scored if one.spec.protocol in wanted], published
