"""Cost reports as a table for the eyes, as CSV and as JSON. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from bench.cost.figures import DOES_NOT_FIT, NOT_ASKED, Figure, Memory, Times
from bench.cost.records import ORDER, CostReport
from bench.errors import PrerequisiteError
from bench.markdown import table as as_markdown
from bench.writing import encode, write_atomically

CSV_NAME, JSON_NAME = "cost.csv", "cost.json"
WIDTH = 180
"""Columns of text that the table takes."""


def row(report: CostReport) -> dict[str, Any]:
    """A report's figures, flat; None where there is none. `missing` holds the reasons."""
    machine, best, training = report.machine, report.best, report.training
    counts = report.parameters.model_dump() if report.parameters else {}
    return {
        **{name: getattr(report, name) for name in ("method", "backbone", "protocol", "track", "weights")},
        "height": report.size[0],
        "width": report.size[1],
        **{name: getattr(report, name) for name in ("batch", "precision", "compile")},
        "device": machine and machine.device_name,
        "threads": machine and machine.threads,
        **{f"{name}_params": counts.get(name) for name in ("trainable", "total", "backbone", "head", "adapter")},
        "gflops": report.gflops,
        **_times("latency", report.latency),
        "best_images_per_s": best and best.images_per_s,
        "best_batch": best and best.batch,
        **_memory("peak_memory", report.memory),
        **_times("train_step", training.step if training else None),
        **_memory("train_memory", training.memory if training else None),
        "energy_j_per_image": report.energy,
        "load": report.load,
        "busy_elsewhere": report.busy_elsewhere,
        "cores": report.cores,
        "torch": machine and machine.packages.get("torch"),
        "commit": machine and machine.commit,
        "missing": "; ".join(f"{figure}: {reason}" for figure, reason in report.missing.items()),
    }


def _times(name: str, times: Times | None) -> dict[str, Any]:
    found = times.model_dump() if times else {}
    return {f"{name}_{key}": found.get(key) for key in ("median_ms", "p25_ms", "p75_ms", "p95_ms", "runs")}


def _memory(name: str, memory: Memory | None) -> dict[str, Any]:
    return {f"{name}_mb": memory and memory.peak_mb, f"{name}_counted": memory and memory.counted}


def write(reports: Sequence[CostReport], folder: Path) -> list[Path]:
    """Write cost.csv and cost.json, which holds everything, each atomically. Raises PrerequisiteError."""
    rows, text = [row(report) for report in reports], io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    documents = encode([report.model_dump(mode="json") for report in reports]) + "\n"
    contents = {folder / CSV_NAME: text.getvalue(), folder / JSON_NAME: documents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            write_atomically(path, methodcaller("write", content.encode("utf-8")))
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write to {folder}: {error.strerror or error}; choose another with --out"
        ) from error
    return list(contents)


def render(reports: Sequence[CostReport]) -> RenderableType:
    """A row for each report; below, what is missing and why. Columns that nothing was asked for are left out."""
    table = Table(title=_title(reports), box=box.SIMPLE_HEAD)
    columns, *rows = _grid(reports)
    for name in columns:
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
    for cells in rows:
        table.add_row(*cells)
    return Group(table, *_notes(reports))


def markdown(reports: Sequence[CostReport]) -> str:
    """The same as Markdown."""
    columns, *rows = _grid(reports)
    titles = [name.replace("\n", ", " if name.endswith(("M", "ms", "MB")) else " ") for name in columns]
    table = as_markdown(titles, "".join("l" if name in _WORDS else "r" for name in columns), rows)
    return "\n".join([f"{_title(reports)}\n", table, *(["", *notes] if (notes := _notes(reports)) else [])])


def _grid(reports: Sequence[CostReport]) -> list[list[str]]:
    """Names of the columns that hold anything, and a row for each report."""
    rows = [_cells(report) for report in reports]
    columns = [name for name in rows[0] if name in _WORDS or any(cells[name] != "-" for cells in rows)]
    return [columns, *([cells[name] for name in columns] for cells in rows)]


def _notes(reports: Sequence[CostReport]) -> list[str]:
    """What is missing and why, a line each; of what has nothing at all, for one reason, that once."""
    notes: dict[str, None] = {}
    some = [report for report in reports if _why_nothing(report) is None]
    for report in reports:
        if (why := _why_nothing(report)) is not None:
            notes[f"- {_pair(report, reports)}: {why}"] = None
            continue
        for figure, reason in report.missing.items():
            if figure != "training" and reason.startswith(NOT_ASKED):
                continue
            everywhere = all(other.missing.get(figure) == reason for other in some)
            notes[f"- {figure}{'' if everywhere else f', {_name(report)}'}: {reason}"] = None
        notes.update({f"- {_name(report)}, batch {r.batch}: {r.note}": None for r in report.throughput or () if r.note})
    return list(notes)


def _why_nothing(report: CostReport) -> str | None:
    """The one reason why a report has none of the figures that were asked for; None where it has some, or several."""
    reasons = {reason for reason in report.missing.values() if not reason.startswith(NOT_ASKED)}
    return reasons.pop() if len(report.missing) == len(ORDER) and len(reasons) == 1 else None


def _pair(report: CostReport, reports: Sequence[CostReport]) -> str:
    """Method and backbone of what has nothing; its size and precision, too, where others of the pair have more."""
    pair = (report.method, report.backbone)
    same = all(other.missing == report.missing for other in reports if (other.method, other.backbone) == pair)
    return f"{report.method} on {report.backbone}" if same else _name(report)


_WORDS = ("method", "backbone", "size", "precision")


def _title(reports: Sequence[CostReport]) -> str:
    machines = {
        f"{report.machine.device_name}, {report.machine.threads} threads, torch {report.machine.packages.get('torch')}"
        for report in reports
        if report.machine
    }
    weights = ", random weights" if all(report.weights == "random" for report in reports) else ""
    where = " / ".join(sorted(machines)) or "nothing could be measured"
    return "; ".join([f"batch {reports[0].batch}{weights}", where, *_busy(reports)])


def _busy(reports: Sequence[CostReport]) -> list[str]:
    """How busy the machine was: the most of any row (`cost.csv` has each)."""
    loads = [report.load for report in reports if report.load is not None]
    others = [report.busy_elsewhere for report in reports if report.busy_elsewhere is not None]
    most = " at most" if len(reports) > 1 else ""
    cores = f" of {reports[0].cores}" if reports[0].cores else ""
    found = [f"load in the minute before {max(loads):.1f}{most}"] if loads else []
    return found + ([f"other processes took {max(others):.1f}{cores} cores{most}"] if others else [])


def _name(report: CostReport) -> str:
    size = f"{report.size[0]}x{report.size[1]}"
    return f"{report.method} on {report.backbone} at {size}, {report.precision}"


def _cells(report: CostReport) -> dict[str, str]:
    counts, best, training = report.parameters, report.best, report.training
    lack = partial(_gap, report)
    latency, step = report.latency, training.step if training else None
    return {
        "method": report.method,
        "backbone": report.backbone,
        "size": "x".join(map(str, report.size)),
        "precision": f"{report.precision}{', compiled' if report.compile else ''}",
        "trainable\nM": f"{counts.trainable / 1e6:.2f}" if counts else lack("parameters"),
        "total\nM": f"{counts.total / 1e6:.2f}" if counts else lack("parameters"),
        "GFLOPs": lack("gflops") if report.gflops is None else f"{report.gflops:.4g}",
        "latency\nms": f"{latency.median_ms:.4g}" if latency else lack("latency"),
        "quartiles": f"{latency.p25_ms:.4g}-{latency.p75_ms:.4g}" if latency else "-",
        "p95": f"{latency.p95_ms:.4g}" if latency else "-",
        "images/s\n(batch)": f"{best.images_per_s:.4g} ({best.batch})" if best else lack("throughput"),
        "memory\nMB": f"{report.memory.peak_mb:.0f}" if report.memory else lack("memory"),
        "step\nms": f"{step.median_ms:.4g}" if step else lack("training"),
        "step\nquartiles": f"{step.p25_ms:.4g}-{step.p75_ms:.4g}" if step else "-",
        "step\nMB": f"{training.memory.peak_mb:.0f}" if training else lack("training"),
        "J/image": lack("energy") if report.energy is None else f"{report.energy:.3g}",
    }


def _gap(report: CostReport, figure: Figure) -> str:
    """What stands in a cell without a figure; the reason is below the table."""
    return DOES_NOT_FIT if report.missing.get(figure, "").startswith(DOES_NOT_FIT) else "-"
