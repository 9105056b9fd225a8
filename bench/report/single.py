"""One run for the eyes (a rich table) and for machines (the document of ``run --json``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table

from bench.report.scores import SUMMARY, scores
from bench.result import RunResult

RANDOM = "random weights"
COST = {
    "trainable_params": "trainable parameters",
    "total_params": "total parameters",
    "gflops": "GFLOPs",
    "latency_ms": "latency, ms",
    "images_per_s": "images/s",
    "peak_memory_mb": "peak memory, MB",
}
SUMMARY_TITLES = {
    "source": "source",
    "unseen_mean": "mean of unseen",
    "unseen_worst": "worst unseen",
    "weather_mean": "mean of weather",
    "corruption_mean": "mean of corruptions",
}


def backbone_title(name: str, weights: str) -> str:
    """The backbone's name, marked where its weights are random."""
    return f"{name} ({RANDOM})" if weights == "random" else name


def document(result: RunResult, path: Path) -> dict[str, Any]:
    """The JSON document of ``run --json``; mIoU in percent, None where there is nothing to measure."""
    found = scores(result)
    return {
        "spec": result.spec.model_dump(mode="json"),
        "spec_hash": result.spec_hash,
        "path": str(path),
        "targets": {name: target._asdict() for name, target in found.targets.items()},
        "summary": found.summary,
        "cost": result.cost.model_dump(mode="json") if result.cost else None,
        "seconds": result.seconds.model_dump(mode="json"),
    }


def render(result: RunResult) -> RenderableType:
    """Targets, summary and cost of one run."""
    spec, found = result.spec, scores(result)
    what = f"{spec.method} on {backbone_title(spec.backbone, spec.weights)}"
    title = f"{what}, {spec.protocol}/{spec.track.name}, seed {spec.seed}"
    targets = Table()
    for column in ("target", "group"):
        targets.add_column(column, overflow="fold")
    for column in ("images", "mIoU"):
        targets.add_column(column, justify="right")
    previous = None
    for name, target in found.targets.items():
        if previous not in (None, target.group):
            targets.add_section()
        previous = target.group
        targets.add_row(name, target.group, str(target.images), _number(target.miou))
    targets.add_section()
    for key in SUMMARY:
        targets.add_row(SUMMARY_TITLES[key], "", "", _number(found.summary[key]), style="bold")
    return Stack(f"{title} (mIoU in percent)", targets, "", *_cost(result))


def _cost(result: RunResult) -> tuple[str, Table]:
    """A line that says what was measured on what, and the table."""
    where, spec = result.provenance, result.spec
    size = spec.recipe.crop
    device = f"one image of {size[0]} x {size[1]} px, {spec.precision}, {where.device_name}, {where.threads} threads"
    title = f"cost of {spec.method} on {backbone_title(spec.backbone, spec.weights)}: {device}"
    table = Table(show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for key, name in COST.items():
        table.add_row(name, _amount(getattr(result.cost, key, None)))
    table.add_section()
    for key, value in result.seconds.model_dump().items():
        table.add_row(f"seconds, {key}", f"{value:.1f}")
    return title, table


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"


def _amount(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
