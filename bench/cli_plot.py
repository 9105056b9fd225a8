"""The verb that draws pictures of result files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli_options import PROGRAM, Results, choice
from bench.console import say, warn
from bench.errors import UserError
from bench.report.plots import FORMATS, KINDS

if TYPE_CHECKING:
    from bench.report.plots.data import Selected, Wanted


def add_to(app: typer.Typer) -> None:
    """Add this module's verb, whose help lists the kinds."""
    kinds = "\n\n".join(f"{name}: {kind.what}." for name, kind in KINDS.items())
    app.command(help=f"{plot.__doc__}\n\n{kinds}")(plot)


def plot(
    kind: Annotated[list[str] | None, typer.Argument(help="One or several of those above; by default all.")] = None,
    results: Results = Path("results"),
    protocol: Annotated[list[str] | None, typer.Option(help="Only this; may be given several times.")] = None,
    track: Annotated[list[str] | None, typer.Option(help="Only this; may be given several times.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Only this, or one row: 'rein (linked=True)'; several times.")
    ] = None,
    backbone: Annotated[list[str] | None, typer.Option(help="Only this; may be given several times.")] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="dumbbells, confusion: of this, not of the unseen ones; several times.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(metavar="K", min=1, help="Rows in a picture, the best; by default as many as fit."),
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Runs of random weights, too.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the pictures, KIND-PROTOCOL-TRACK.png.")] = Path("plots"),
    format_: Annotated[
        list[str] | None, typer.Option("--format", help="png, svg or pdf; several times; by default png and svg.")
    ] = None,
) -> None:
    """Draw pictures of the result files, a paper's column wide: all kinds, or those named."""
    for name in kind or ():
        choice("kind of picture", name, tuple(KINDS))
    for name in format_ or ():
        choice("--format", name, FORMATS)
    from bench.report.plots.data import Wanted
    from bench.report.plots.draw import draw_kinds
    from bench.report.theme import SHOWN

    selected = _selected(
        results, Wanted(protocol or (), track or (), method or (), backbone or (), target or (), random)
    )
    kinds = dict.fromkeys(kind or [name for name, known in KINDS.items() if known.targets or not target])
    drawn = draw_kinds(kinds, selected.tables, out, format_ or SHOWN, top)
    for path in drawn.paths:
        print(path)
    if not drawn.paths and len(drawn.not_drawn) == 1:
        raise UserError(f"nothing to draw: {drawn.not_drawn[0]}")
    for line in (*selected.left_out, *drawn.cut):
        say(line)
    for line in drawn.not_drawn:
        say(f"not drawn: {line}")
    if not drawn.paths:
        raise UserError("nothing to draw")
    if kind and drawn.without:
        raise UserError(f"there is no picture of the kind {' or '.join(drawn.without)}: see above")


def _selected(results: Path, wanted: Wanted) -> Selected:
    """What a folder has of what is wanted; damaged files are named and left out. Raises UserError, UnknownName."""
    from bench.report.board import leaderboard
    from bench.report.plots.data import select
    from bench.report.scored import read_scored

    if not results.is_dir():
        raise UserError(f"there is no folder {results}")
    loaded = read_scored(results)
    warn(loaded.problems)
    if not loaded.scored:
        raise UserError(
            f"no result files below {results}: make one with `{PROGRAM} run --method rein --backbone eva02`"
        )
    board = leaderboard(loaded.scored)
    warn(board.problems)
    return select(board, wanted)
