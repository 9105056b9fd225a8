"""What the command line shows: tables on stdout, warnings and mistakes on stderr. Imports no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.result import RunResult


NAMED = ("name", "summary")
RUNS = ("run", "protocol", "track", "method", "settings", "backbone", "seed", "state", "source", "unseen_mean")


def show(result: RunResult, path: Path, as_json: bool) -> None:
    from bench.report.single import document, render

    if as_json:
        print_json(document(result, path))
        return
    print_rich(render(result, path))
    print(f"\nresult: {path}")


def print_rich(renderable: Any, least_width: int = 0) -> None:
    from rich.console import Console

    Console(width=max(Console().width, least_width)).print(renderable)


def print_rows(rows: list[dict[str, Any]], columns: Sequence[str] = ()) -> None:
    """A table for the eyes; ``--json`` has every key.

    Names and summaries fit a terminal; runs, whose hashes are to be copied, are as wide as they are.
    """
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    if not rows:
        print("none")
        return
    named = "name" in rows[0]
    columns = columns or (NAMED if named else RUNS)
    table = Table()
    for column in columns:
        wraps = named and column in ("state", columns[-1])
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=not wraps)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    whole = Console(width=10_000)
    print_rich(table, 0 if named else Measurement.get(whole, whole.options, table).maximum)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, dict):
        return ", ".join(f"{key.rpartition('.')[2]}={each}" for key, each in value.items())
    return "" if value is None else str(value)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def warn(problems: Iterable[BenchError]) -> None:
    for problem in problems:
        print(f"warning: {problem} (skipped)", file=sys.stderr)


def say(line: str) -> None:
    print(line, file=sys.stderr)
