"""Parameter counts for the eyes: a row for each backbone, a column for each method. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

if TYPE_CHECKING:
    from bench.params import Count


def render(rows: Sequence[Count]) -> RenderableType:
    """Trainable parameters in the backbone, in millions; what does not fit (-) is named below."""
    table = Table(title="trainable parameters in the backbone, millions", box=box.SIMPLE_HEAD)
    table.add_column("backbone", no_wrap=True)
    methods = list(dict.fromkeys(row.method for row in rows))
    for method in methods:
        table.add_column(method, justify="right", no_wrap=True)
    for backbone in dict.fromkeys(row.backbone for row in rows):
        found = {row.method: row for row in rows if row.backbone == backbone}
        table.add_row(backbone, *(_millions(found[method].backbone_trainable) for method in methods))
    notes = dict.fromkeys(row.note for row in rows if row.note)
    return Group(table, *(f"- {note}" for note in notes))


WIDTH = 110
"""Columns of text that the table of all methods takes."""


def _millions(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.2f}"
