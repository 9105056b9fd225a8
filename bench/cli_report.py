"""The verb that makes leaderboards and pictures of result files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli_options import PROGRAM, Results, choice
from bench.console import warn
from bench.errors import PrerequisiteError, UserError

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
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; by default that of the results, or none.")
    ] = None,
    reported: Annotated[bool, typer.Option("--reported", help="With published figures, marked and unranked.")] = False,
    reference: Annotated[str | None, typer.Option(help="A method: corruption errors relative to its own.")] = None,
    html: Annotated[Path | None, typer.Option(help="Folder for a page that any browser opens from disk.")] = None,
) -> None:
    """Make leaderboard.md, leaderboard.csv and leaderboard.tex of all result files, beside them.

    These files are of all results and of nothing else: what --protocol, --reported or --reference makes is written to
    --out alone. Without --out it is printed as Markdown; with --html it is the page, which has files of its own.
    """
    from bench.report.board import leaderboard, write_board
    from bench.report.folder import require_root
    from bench.report.scored import read_scored

    require_root(results)
    chosen = bool(protocol) or reported or reference is not None
    into = _into(results, out, chosen)
    if html is not None and out is not None and html.resolve() == out.resolve():
        raise UserError(f"--html and --out are both {out}: leave --out out, the page has these files beside it")
    if html is not None:
        from bench.report.page.write import require_ours, write_page

        require_ours(html)  # before anything is written
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
    problems = problems + board.problems
    if html is not None:
        _make(html)
    if into is not None:
        for path in write_board(board, into, published):
            print(path)
    elif html is None:
        from bench.report.tables import markdown

        print(markdown(board.rows, board.scored, published, board.standings), end="")
    if html is not None:
        page = write_page(board, html, results, published)
        warn(page.problems)
        problems = problems + page.problems
        print(page.file)
    if strict and problems:
        raise typer.Exit(1)


def _into(results: Path, out: Path | None, chosen: bool) -> Path | None:
    """Where the files go; None for nowhere. `chosen`: they are not of all results, or of more than these.

    Raises UserError for a folder whose leaderboard is of all results below it, which these are not.
    """
    from bench.report.folder import holds_results

    if out is None:
        return None if chosen else results
    same = out.resolve() == results.resolve()
    if (chosen and same) or (not same and holds_results(out)):
        rule = "the leaderboard there is of all results below it, and of nothing else"
        raise UserError(f"--out {out}: {rule}; choose another folder")
    return out


def _make(html: Path) -> None:
    """Make the page's folder, before the other files are written. Raises PrerequisiteError."""
    try:
        html.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrerequisiteError(f"cannot write the page to {html}: {error.strerror or error}") from error


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
