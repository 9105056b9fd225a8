"""One run for the eyes (a rich table) and for machines (the document of ``run --json``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table

from bench.cost.figures import COLUMNS, DOES_NOT_FIT, Cost, EarlierCost, Figure, Times
from bench.errors import DamagedFile
from bench.report import corruptions
from bench.report.scores import SUMMARY, Scores, TargetScore, scores
from bench.report.seen import seen
from bench.report.tracks import describe
from bench.result import RunResult

RANDOM = "random weights"
SUMMARY_TITLES = {
    "source": "source",
    "unseen_mean": "mean of unseen",
    "unseen_worst": "worst unseen",
    "weather_mean": "mean of weather",
    "corruption_mean": "mean of corruptions",
    "reliability_mean": "mean of reliability",
    "unseen_mean_13": "mean of unseen, 13 classes",
    "unseen_ece": "mean ECE of unseen",
    "reliability_ece": "mean ECE of reliability",
    "anomaly_auroc": "mean AUROC of anomalies",
    "anomaly_aupr": "mean AUPR of anomalies",
    "anomaly_fpr95": "mean FPR95 of anomalies",
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
        "state": result.state,
        "missing": [target.name for target in result.spec.targets if target.name not in result.targets],
        "path": str(path),
        "targets": {name: _plain(target) for name, target in found.targets.items()},
        "seen_in_pretraining": seen(result.spec),
        "track": describe(result.spec),
        "corruptions": swept._asdict() if (swept := _sweep(result, found, path)) else None,
        "summary": found.summary,
        "cost": result.cost.row() | result.cost.model_dump(mode="json") if result.cost else None,
        "seconds": result.seconds.model_dump(mode="json"),
    }


def render(result: RunResult, path: Path | None = None) -> RenderableType:
    """Targets, summary and cost of one run; `path` is its file, if it has one."""
    spec, found = result.spec, scores(result)
    what = f"{spec.method} on {backbone_title(spec.backbone, spec.weights)}"
    missing = [target.name for target in spec.targets if target.name not in found.targets]
    title = f"{what}, {spec.protocol}/{spec.track.name}, seed {spec.seed}"
    title += f", PARTIAL: without {', '.join(missing)}" if missing else ""
    classes = "" if spec.classes == "cityscapes-19" else f" over the classes of {spec.classes}"
    answers = set(seen(spec).values())
    before = f" In pre-training: {answers.pop()}." if len(answers) == 1 else ""
    swept = _sweep(result, found, path)
    several = swept is not None and len({s for row in swept.grid.values() for s in row}) > 1
    parts: list[RenderableType] = [f"{title} (mIoU in percent{classes})", f"{describe(spec)}{before}"]
    parts.append(_targets(result, found, several))
    if swept is not None:
        if several:
            parts.append(corruptions.render(swept))
        parts += [f"{what}: {_number(value)}" for what, value in corruptions.summary(swept).items()]
    return Stack(*parts, "", *_cost(result))


def _targets(result: RunResult, found: Scores, swept: bool) -> Table:
    """A row for each target (but a sweep's), then the summary; what is not there in any row has no column."""
    marked = any(target.anomaly is not None for target in found.targets.values())
    trained = {target.name for target in result.spec.targets if target.trained_on}
    answers = seen(result.spec)
    table = Table()
    for column in ("target", "group"):
        table.add_column(column, overflow="fold")
    for column in ("images", "mIoU", "ECE", *(("AUROC", "AUPR", "FPR95") if marked else ())):
        table.add_column(column, justify="right")
    told = len(set(answers.values())) > 1
    if told:
        table.add_column("seen before", overflow="fold")
    previous = None
    for name, target in found.targets.items():
        if swept and target.group == "corruption":
            continue
        if previous not in (None, target.group):
            table.add_section()
        previous = target.group
        group = target.group + (", trained on" if name in trained else "")
        figures = [target.miou, target.ece, *((target.anomaly or (None,) * 3) if marked else ())]
        left_out = result.targets[name].left_out
        images = f"{target.images} ({left_out} left out)" if left_out else str(target.images)
        table.add_row(name, group, images, *map(_number, figures), *([answers[name]] if told else []))
    table.add_section()
    for key in SUMMARY:
        if found.summary[key] is not None:
            table.add_row(SUMMARY_TITLES[key], "", "", _number(found.summary[key]), style="bold")
    return table


def _sweep(result: RunResult, found: Scores, path: Path | None) -> corruptions.Sweep | None:
    """A run is shown also where the counts beside it are damaged: without what follows from them."""
    try:
        return corruptions.sweep(result, found, path)
    except DamagedFile:
        return corruptions.sweep(result, found)


def _plain(target: TargetScore) -> dict[str, Any]:
    return target._asdict() | {"anomaly": target.anomaly._asdict() if target.anomaly else None}


def _cost(result: RunResult) -> tuple[str, Table]:
    """A line that says what was measured on what, and the table."""
    where, spec = result.provenance, result.spec
    size = spec.recipe.crop
    device = f"one image of {size[0]} x {size[1]} px, {spec.precision}, {where.device_name}, {where.threads} threads"
    heading = f"cost of {spec.method} on {backbone_title(spec.backbone, spec.weights)}: {device}"
    table = Table(show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for title, value in _figures(result.cost) if result.cost else ():
        table.add_row(title, value)
    table.add_section()
    for key, value in result.seconds.model_dump().items():
        table.add_row(f"seconds, {key}", f"{value:.1f}")
    return heading, table


_OF: dict[str, Figure] = {
    "gflops": "gflops",
    "latency_ms": "latency",
    "latency_p95_ms": "latency",
    "best_images_per_s": "throughput",
    "best_batch": "throughput",
    "peak_mb": "memory",
    "train_step_ms": "training",
    "train_peak_mb": "training",
    "energy_j_per_image": "energy",
}


def _figures(cost: Cost) -> Iterator[tuple[str, str]]:
    """Title and value of each figure; the energy only where there is a counter."""
    if isinstance(cost, EarlierCost):
        yield from ((COLUMNS[key], _amount(value)) for key, value in cost.row().items())
        return
    spreads = {"latency_ms": cost.latency, "train_step_ms": cost.training.step if cost.training else None}
    for key, value in cost.row().items():
        title = COLUMNS[key] + (f", {cost.train_batch} images" if key == "train_step_ms" else "")
        if value is not None:
            yield title, _amount(value) + _quartiles(spreads.get(key))
        elif key != "energy_j_per_image":
            lacks = cost.missing.get(_OF[key], "").startswith(DOES_NOT_FIT)
            yield title, DOES_NOT_FIT if lacks else "n/a"


def _quartiles(times: Times | None) -> str:
    return f" ({times.p25_ms:,.2f} to {times.p75_ms:,.2f})" if times else ""


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"


def _amount(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
