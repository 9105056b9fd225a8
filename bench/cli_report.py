"""The verb that makes leaderboards and pictures of result files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli_options import PROGRAM, Results
from bench.console import warn
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.report.scored import Scored


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(cast("Callable[..., Any]", report))


def report(
    results: Results = Path("results"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when a result file is damaged.")] = False,
    reported: Annotated[bool, typer.Option("--reported", help="With published figures, marked and unranked.")] = False,
    reference: Annotated[str | None, typer.Option(help="A method: corruption errors relative to its own.")] = None,
    heatmap: Annotated[Path | None, typer.Option(help="Picture (.png, .svg, .pdf) of the corruptions' scores.")] = None,
    curves: Annotated[Path | None, typer.Option(help="Picture of mIoU against severity.")] = None,
) -> None:
    """Make leaderboard.md and leaderboard.csv from the result files."""
    from bench.report.scored import read_scored
    from bench.report.tables import write_leaderboard

    if not results.is_dir():
        raise UserError(f"there is no folder {results}")
    loaded = read_scored(results, per_image=strict)
    problems, published = loaded.problems, None
    if reported:
        from bench.report.reported import published as to_rows
        from bench.reported import load_reported

        figures = load_reported()
        problems, published = problems + figures.problems, to_rows(figures)
    warn(problems)
    if not loaded.scored and published is None:
        raise UserError(
            f"no result files below {results}: make one with `{PROGRAM} run --method rein --backbone eva02`"
        )
    for path in write_leaderboard(loaded.scored, results, published, reference):
        print(path)
    _pictures(loaded.scored, heatmap, curves)
    if strict and problems:
        raise typer.Exit(1)


def _pictures(scored: list[Scored], heatmap: Path | None, curves: Path | None) -> None:
    if heatmap is None and curves is None:
        return
    from bench.report.plots import draw_curves, draw_heatmap
    from bench.report.series import series

    rows = series(scored)
    for draw, path in ((draw_heatmap, heatmap), (draw_curves, curves)):
        for picture in draw(rows, path) if path is not None else ():
            print(picture)
