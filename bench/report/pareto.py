"""Accuracy against cost: measured results joined with cost reports, and what no other point beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.cost.records import CostReport
from bench.report.plots import save
from bench.report.scores import scores
from bench.result import RunResult
from bench.spec import RunSpec, series_hash

AXES = {
    "latency": "latency, ms",
    "memory": "peak memory, MB",
    "trainable": "trainable parameters, M",
}


class Point(NamedTuple):
    """One combination with the score of its runs."""

    report: CostReport
    unseen: float
    """Mean over seeds of the mean mIoU on unseen targets, percent."""
    spread: float
    """Standard deviation over seeds; 0 of one."""
    seeds: int
    windows: str
    """What images were predicted in when the score was measured."""


class Points(NamedTuple):
    """What can be drawn, and what cannot, with the reason."""

    points: list[Point]
    left_out: list[str]


def points(reports: Sequence[CostReport], results: Sequence[RunResult]) -> Points:
    """Join cost with the complete results of the same model on the same protocol and track.

    Of runs with random weights none count. Of several series (another recipe, say) the protocol's own counts, else the
    one with most seeds.
    """
    found, left_out = [], []
    for report in reports:
        name = f"{report.method} on {report.backbone} at {report.size[0]}x{report.size[1]}, {report.precision}"
        same = [result for result in results if result.state == "complete" and _is_same(result.spec, report)]
        scored = [(result, scores(result).summary["unseen_mean"]) for result in same]
        series: dict[str, list[tuple[RunResult, float]]] = {}
        for result, score in scored:
            if score is not None:
                series.setdefault(series_hash(result.spec), []).append((result, score))
        if report.latency is None and report.memory is None:
            left_out.append(f"{name}: its cost could not be measured")
        elif not series:
            left_out.append(f"{name}: no measured result of {report.protocol}/{report.track}")
        else:
            best = max(series.values(), key=lambda runs: (not runs[0][0].settings, len(runs)))
            unseen = [score for _, score in best]
            spread = stdev(unseen) if len(unseen) > 1 else 0.0
            found.append(Point(report, fmean(unseen), spread, len(best), _windows(best[0][0].spec)))
    return Points(found, left_out)


def draw_pareto(found: Sequence[Point], path: Path) -> list[Path]:
    """A picture for each size, batch, precision and device: unseen mIoU against latency, memory, trainable parameters.

    The line joins what nothing else beats in both; bars are the quartiles of the latency and the spread over seeds.
    At `path` or numbered beside it; returns the paths, none without points. Raises as `bench.report.plots.save` does.
    """
    places: dict[tuple[object, ...], list[Point]] = {}
    for point in found:
        report = point.report
        device = report.machine.device_name if report.machine else ""
        key = (report.size, report.batch, report.precision, report.compile, device, point.windows)
        places.setdefault(key, []).append(point)
    return save([_picture(mine) for mine in places.values()], path)


def front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices, cheapest first, of the points that no other beats: as cheap and better, or cheaper and as good."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i]))
    kept: list[int] = []
    for index in order:
        if not math.isnan(costs[index]) and (not kept or gains[index] > gains[kept[-1]]):
            kept.append(index)
    return kept


def _is_same(spec: RunSpec, report: CostReport) -> bool:
    """Whether a run's model is the one that was measured; precision and compilation change its cost, not what it is."""
    ours = (spec.method, spec.backbone, spec.protocol, spec.track.name, spec.head, spec.method_config)
    theirs = (report.method, report.backbone, report.protocol, report.track, report.head, report.method_config)
    random = spec.weights == "random" and report.backbone_config
    return ours == theirs and not random and report.backbone_config in ({}, spec.backbone_config)


def _windows(spec: RunSpec) -> str:
    laid = spec.windows()
    return "whole images" if laid is None else f"windows of {laid[0][0]}x{laid[0][1]}"


def _picture(found: Sequence[Point]) -> Figure:
    report = found[0].report
    table = pd.DataFrame(
        {
            "method": point.report.method,
            "backbone": point.report.backbone,
            "unseen": point.unseen,
            "spread": point.spread,
            "latency": point.report.latency.median_ms if point.report.latency else math.nan,
            "p25": point.report.latency.p25_ms if point.report.latency else math.nan,
            "p75": point.report.latency.p75_ms if point.report.latency else math.nan,
            "memory": point.report.memory.peak_mb if point.report.memory else math.nan,
            "trainable": point.report.parameters.trainable / 1e6 if point.report.parameters else math.nan,
        }
        for point in found
    )
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(13, 4.2), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
    for axes, (column, title) in zip(panels, AXES.items(), strict=True):
        _panel(axes, table, column)
        axes.set(xlabel=title, ylabel="mean mIoU on unseen, %")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    compiled = ", compiled" if report.compile else ""
    device = f"{report.machine.device_name}, {report.machine.threads} threads" if report.machine else "?"
    cost = f"cost: batch {report.batch} at {report.size[0]}x{report.size[1]}, {report.precision}{compiled}, {device}"
    seeds = sorted({point.seeds for point in found})
    how_many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    score = f"mIoU: {report.protocol}/{report.track}, {found[0].windows}, {how_many} seeds"
    figure.suptitle(f"{score}\n{cost}", fontsize=11)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, column: str) -> None:
    x, y = table[column], table["unseen"]
    best = front(list(x), list(y))
    axes.step(x.iloc[best], y.iloc[best], where="post", color="0.35", linewidth=1.8, zorder=2)
    across = [x - table["p25"], table["p75"] - x] if column == "latency" else None
    axes.errorbar(x, y, yerr=table["spread"], xerr=across, fmt="none", ecolor="0.8", linewidth=1.2, zorder=1)
    sns.scatterplot(
        data=table, x=column, y="unseen", hue="method", style="backbone", s=90, palette="colorblind", zorder=3, ax=axes
    )
    legend = axes.get_legend()
    assert legend is not None
    legend.remove()  # one for all panels stands beside them
    if 0 < 10 * x.min() < x.max():
        axes.set_xscale("log")
    else:
        most = max(x.max(), table["p75"].max()) if across else x.max()
        axes.set_xlim(0, 1.08 * most)  # from 0, else a hundredth looks like a world
