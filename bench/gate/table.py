"""A check for the eyes (a rich table, Markdown) and for machines (the document of ``check --json``). No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from bench.gate.baseline import Baseline
from bench.gate.compare import Outcome, Row
from bench.markdown import table as as_markdown

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


class Shown(NamedTuple):
    """A table with what is said above and below it, for any form."""

    above: str
    header: tuple[str, ...]
    align: str
    """`l` or `r` for each column."""
    rows: list[list[str]]
    """The first cell is the method, of which each has a section."""
    notes: list[str]
    verdict: str

    def rich(self) -> RenderableType:
        """For a terminal."""
        table = Table()
        for name, side in zip(self.header, self.align, strict=True):
            table.add_column(name, justify="right" if side == "r" else "left", overflow="fold")
        for (before, *_), cells in zip([self.rows[0], *self.rows], self.rows, strict=False):
            if before != cells[0]:
                table.add_section()
            table.add_row(*map(escape, cells))
        return Group(*map(escape, filter(None, [self.above])), table, *map(escape, [*self.notes, self.verdict]))

    def markdown(self) -> str:
        """For a page, such as the summary of a job in CI."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        parts = [self.above, as_markdown(self.header, self.align, self.rows), notes, f"**{self.verdict}**"]
        return "\n\n".join(part for part in parts if part)


def compared(outcome: Outcome, baseline: Baseline, path: Path) -> Shown:
    """What moved, or all rows where nothing did; what may explain it; the verdict."""
    methods = list(dict.fromkeys(row.method for row in outcome.rows))
    what = f"{', '.join(methods)} on {baseline.backbone}, {baseline.protocol}/{baseline.track}, against {path}"
    header = ("method", "quantity", *COLUMNS)
    if not outcome.moved:
        verdict = f"all {len(outcome.rows)} quantities are within their tolerances"
        return Shown(what, header, "llrrrr", _cells(outcome.rows), [], verdict)
    notes = [f"also different: {note}" for note in outcome.notes]
    verdict = f"{len(outcome.moved)} of {len(outcome.rows)} quantities moved; if that is meant, --update"
    return Shown(what, header, "llrrrr", _cells(outcome.moved), notes, verdict)


def written(baseline: Baseline, path: Path) -> Shown:
    """A new baseline: what each method scored, and how far a check may be from it."""
    rows = []
    for method, entry in baseline.methods.items():
        for group, scores in entry.miou.items():
            each = ", ".join(f"{score:.1f}" for score in scores)
            allowed = f"{baseline.tolerances.miou[group]:.2f}"
            rows.append([method, f"mIoU {group}", f"{entry.score(group):.2f}", each, allowed])
        rows.append([method, "trainable parameters", f"{entry.trainable_params:,}", "", "0"])
    header = ("method", "quantity", "mean", "seeds", "tolerance")
    return Shown("", header, "llrrr", rows, _blind(baseline), f"baseline: {path}")


def _blind(baseline: Baseline) -> list[str]:
    """Which scores a check does not guard."""
    allowed = baseline.tolerances.miou
    found = [
        f"{method} {group}"
        for method, entry in baseline.methods.items()
        for group in entry.miou
        if allowed[group] >= entry.score(group)
    ]
    if not found:
        return []
    told = "these may fall to 0 within their tolerance, which more seeds (--seeds) or iterations make narrower"
    return [f"mIoU: {told}: {', '.join(found)}"]


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            *(row.method, row.quantity, _value(row.baseline), _value(row.now)),
            *(_distance(row.difference, row.unit), _distance(row.tolerance, row.unit)),
        ]
        for row in rows
    ]


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
