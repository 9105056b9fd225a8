"""A check for the eyes (a rich table) and for machines (the document of ``check --json``). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from bench.gate.baseline import Baseline
from bench.gate.compare import Outcome, Row

COLUMNS = ("baseline", "now", "difference", "tolerance")


def document(outcome: Outcome, baseline: Baseline, path: Path) -> dict[str, Any]:
    """Every row, those that moved by themselves, and what differs besides."""
    return {
        "baseline": str(path),
        "passed": not outcome.moved,
        "moved": [row._asdict() for row in outcome.moved],
        "rows": [row._asdict() for row in outcome.rows],
        "notes": outcome.notes,
        "budget": baseline.budget.model_dump(mode="json"),
        "provenance": outcome.provenance.model_dump(mode="json"),
    }


def render(outcome: Outcome, baseline: Baseline, path: Path) -> RenderableType:
    """What moved, or all rows where nothing did; what may explain it; the verdict."""
    methods = list(dict.fromkeys(row.method for row in outcome.rows))
    what = f"{', '.join(methods)} on {baseline.backbone}, {baseline.protocol}/{baseline.track}, against {path}"
    if not outcome.moved:
        return Group(what, _table(outcome.rows), f"all {len(outcome.rows)} quantities are within their tolerances")
    notes = [f"also different: {note}" for note in outcome.notes]
    verdict = f"{len(outcome.moved)} of {len(outcome.rows)} quantities moved; if that is meant, --update"
    return Group(what, _table(outcome.moved), *notes, verdict)


def written(baseline: Baseline) -> RenderableType:
    """A new baseline: what each method scored, and how far a check may be from it."""
    table = Table()
    table.add_column("method")
    table.add_column("quantity")
    for column in ("mean", "seeds", "tolerance"):
        table.add_column(column, justify="right")
    for method, entry in baseline.methods.items():
        for group, scores in entry.miou.items():
            each = ", ".join(f"{score:.1f}" for score in scores)
            table.add_row(
                method, f"mIoU {group}", f"{entry.score(group):.2f}", each, f"{baseline.tolerances.miou[group]:.2f}"
            )
        table.add_row(method, "trainable parameters", f"{entry.trainable_params:,}", "", "0")
        table.add_section()
    blind = [
        f"{method} {group}"
        for method, entry in baseline.methods.items()
        for group in entry.miou
        if baseline.tolerances.miou[group] >= entry.score(group)
    ]
    if not blind:
        return table
    told = "these may fall to 0 within their tolerance, which more seeds (--seeds) or iterations make narrower: "
    return Group(table, f"mIoU: {told}{', '.join(blind)}")


def _table(rows: Sequence[Row]) -> Table:
    table = Table()
    table.add_column("method")
    table.add_column("quantity", overflow="fold")
    for column in COLUMNS:
        table.add_column(column, justify="right", overflow="fold")
    previous = None
    for row in rows:
        if previous not in (None, row.method):
            table.add_section()
        previous = row.method
        distances = (_distance(row.difference, row.unit), _distance(row.tolerance, row.unit))
        table.add_row(row.method, row.quantity, _value(row.baseline), _value(row.now), *distances)
    return table


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | str | list | dict):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _distance(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g} {unit}".rstrip()
