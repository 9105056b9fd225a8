"""Verbs about results: two runs compared, and whether what is to be submitted is sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from bench.cli_options import AsJson, Results
from bench.console import print_json, print_rich, say

results_app = typer.Typer(no_args_is_help=True, help="Result files: are they sound?")
OneRun = Annotated[str, typer.Argument(metavar="RUN", help="A result file, or the beginning of its hash.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    app.command()(cast("Callable[..., Any]", compare))
    app.add_typer(results_app, name="results")


def compare(
    first: OneRun,
    second: OneRun,
    seeds: Annotated[bool, typer.Option("--seeds", help="Both with all their seeds, not these runs alone.")] = False,
    draws: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 10_000,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Is one run ahead of another? A paired bootstrap over the very same images, for every target and mean."""
    from bench.report.compare import WIDTH, document, render, sides
    from bench.report.compare import compare as compared

    found = compared(*sides((first, second), results, seeds), draws)
    if as_json:
        print_json(document(found))
    else:
        print_rich(render(found), WIDTH)


@results_app.command()
def validate(
    results: Annotated[Path, typer.Argument(help="Folder of the result files.")] = Path("results"),
) -> None:
    """Check every file as the tests do: schema, place, uniqueness, counts, and the numbers that follow from them."""
    from bench.report.validate import validate as problems_of

    found = problems_of(results)
    for problem in found.problems:
        say(f"error: {problem}")
    print(f"{found.files} result files, {found.archives} with counts of single images: {len(found.problems)} problems")
    if found.problems:
        raise typer.Exit(1)
