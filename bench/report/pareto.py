"""Accuracy against cost: measured results joined with cost reports, and what no other point beats in both."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import ScaledTranslation

from bench.cost.records import CostReport
from bench.report.frame import chosen
from bench.report.plots.labels import legend, legend_height
from bench.report.scores import scores
from bench.report.theme import GREY, TEXT, Style, figure, least, save, styles, themed
from bench.result import RunResult
from bench.spec import RunSpec, series_hash

AXES = {
    "latency": "latency, ms",
    "memory": "peak memory, MB",
    "trainable": "trainable parameters, M",
}

WIDE = 4
"""An axis is logarithmic where the dearest costs so many times what the cheapest does."""
APART = 6.0
"""Points (1/72 inch) between the middles of two markers that do not cover each other."""


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
    settings: str = ""
    """What its runs chose in place of the protocol's, empty where nothing."""

    @property
    def name(self) -> str:
        """As the legend has it."""
        return ", ".join(filter(None, (self.report.method, self.report.backbone, self.settings)))


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
            run = best[0][0]
            settings = ", ".join(f"{key}={value}" for key, value in chosen(run.settings).items())
            found.append(Point(report, fmean(unseen), spread, len(best), _windows(run.spec), settings))
    return Points(found, left_out)


def draw_pareto(found: Sequence[Point], stem: Path) -> list[Path]:
    """A picture for each size, batch, precision and device: unseen mIoU against latency, memory, trainable parameters.

    The line joins what nothing else beats in both; bars are the quartiles of the latency and the spread over seeds.
    As PNG and SVG at `stem`.png, ..., or numbered beside it; returns the paths, none without points. Raises as
    `bench.report.theme.save` does.
    """
    places: dict[tuple[object, ...], list[Point]] = {}
    for point in found:
        report = point.report
        device = report.machine.device_name if report.machine else ""
        key = (report.size, report.batch, report.precision, report.compile, device, point.windows)
        places.setdefault(key, []).append(point)
    written = []
    for number, mine in enumerate(places.values(), 1):
        written += save(_picture(mine), stem.with_name(f"{stem.name}-{number}" if number > 1 else stem.name))
    return written


def front(costs: Sequence[float], gains: Sequence[float], ties: Collection[frozenset[int]] = ()) -> list[int]:
    """Indices, cheapest first, of the points that no other beats: as cheap and better, or cheaper and as good.

    Of the pairs in `ties` neither is better.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i]))
    kept: list[int] = []
    for index in order:
        better = not kept or gains[index] > gains[kept[-1]]
        if better and not math.isnan(costs[index]) and not any(frozenset((index, other)) in ties for other in kept):
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


def panel(
    axes: Axes, found: pd.DataFrame, looks: Mapping[str, Style], ties: Collection[frozenset[str]] = ()
) -> list[ErrorbarContainer]:
    """One kind of cost: a point a line of `found`, whose index are the keys of `looks`, and the front as a step.

    Columns x and y, and what their bars reach: y_spread both ways, x_spread both ways or x_low and x_high. Those of
    the front have a ring. Returns the points, for `move_apart`.
    """
    x, y, names = found["x"], found["y"], list(found.index)
    places = {frozenset(map(names.index, pair)) for pair in ties if pair <= set(names)}
    best = front(list(x), list(y), places)
    points = []
    for place, name in enumerate(names):
        style, row = looks[name], found.iloc[place]
        across = [[row["x_low"]], [row["x_high"]]] if "x_low" in found else row["x_spread"]
        points.append(axes.errorbar(
            row["x"], row["y"], xerr=across, yerr=row["y_spread"], elinewidth=0.7, zorder=3, **style.marks
        ))  # fmt: skip
    if 0 < WIDE * x.min() < x.max():
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.12)
    else:
        reach = found["x_high"] if "x_high" in found else found["x_spread"]
        axes.set_xlim(0, 1.12 * (x + reach.fillna(0)).max())  # from 0, else a hundredth looks like a world
    axes.set_ylim(least(*axes.get_ylim()))
    right = axes.get_xlim()[1]
    axes.set_xlim(axes.get_xlim())
    axes.step([*x.iloc[best], right], [*y.iloc[best], y.iloc[best[-1]]], where="post", color=GREY, lw=0.9, zorder=2)
    axes.plot(x.iloc[best], y.iloc[best], "o", markersize=8.5, markerfacecolor="none", color=GREY, zorder=2)
    return points


def move_apart(drawn: Figure, panels: Iterable[tuple[Axes, Sequence[ErrorbarContainer]]]) -> None:
    """Symbols of a panel that would cover each other stand side by side, each at the end of a line from its place.

    At the place itself is a dot, with the error bars: these never move. Call it last: whether symbols cover each other
    is seen in the picture as it is laid out.
    """
    drawn.draw_without_rendering()
    unit = drawn.dpi / 72
    for axes, points in panels:
        taken: list[tuple[float, float]] = []
        for point in points:
            at = np.asarray(point.lines[0].get_xydata())[0]
            x, y = axes.transData.transform(at) / unit
            steps = (0, *(sign * APART * step for step in range(1, 9) for sign in (1, -1)))
            left, right = axes.bbox.x0 / unit, axes.bbox.x1 / unit
            free = (step for step in steps if left < x + step < right and not _covers(x + step, y, taken))
            aside = next(free, 0)
            taken.append((x + aside, y))
            if aside:
                moved = axes.transData + ScaledTranslation(aside / 72, 0, drawn.dpi_scale_trans)
                symbol = point.lines[0]
                symbol.set_transform(moved)
                axes.plot(at[0], at[1], "o", markersize=2.4, color=symbol.get_color(), zorder=4)
                line = {"arrowstyle": "-", "linewidth": 0.8, "color": symbol.get_color(), "shrinkA": 0, "shrinkB": 0}
                axes.annotate("", (at[0], at[1]), (aside, 0), textcoords="offset points", arrowprops=line, zorder=2)


def _covers(x: float, y: float, taken: Sequence[tuple[float, float]]) -> bool:
    return any(math.hypot(x - a, y - b) < APART for a, b in taken)


def _picture(found: Sequence[Point]) -> Figure:
    first = found[0].report
    names = [point.name for point in found]
    by_both = styles(sorted({(point.report.method, point.report.backbone, "") for point in found}))
    looks = {
        name: by_both[point.report.method, point.report.backbone, ""] for name, point in zip(names, found, strict=True)
    }
    compiled = ", compiled" if first.compile else ""
    device = f"{first.machine.device_name}, {first.machine.threads} threads" if first.machine else "?"
    cost = f"cost: batch {first.batch} at {first.size[0]}x{first.size[1]}, {first.precision}{compiled}, {device}"
    seeds = sorted({point.seeds for point in found})
    how_many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    score = f"mIoU: {first.protocol}, track {first.track}, {found[0].windows}, {how_many} seeds"
    with themed():
        drawn = figure(2.1 + legend_height(looks, TEXT), TEXT, f"{score}; {cost}; rings: the front of the means")
        panels = drawn.subplots(1, len(AXES), sharey=True)
        points = []
        for axes, (column, title) in zip(panels, AXES.items(), strict=True):
            table = _costs(found, column).set_axis(names).dropna(subset="x")
            if not table.empty:
                points.append((axes, panel(axes, table, looks)))
            axes.set_xlabel(title)
        panels[0].set_ylabel("mean mIoU on unseen, %")
        legend(drawn, looks, lines=False)
        move_apart(drawn, points)
    return drawn


def _costs(found: Sequence[Point], column: str) -> pd.DataFrame:
    """Of each point one kind of cost, NaN where it was not measured, and the score; see `panel`."""
    lines = []
    for point in found:
        times, memory, parameters = point.report.latency, point.report.memory, point.report.parameters
        cost = {
            "latency": times.median_ms if times else math.nan,
            "memory": memory.peak_mb if memory else math.nan,
            "trainable": parameters.trainable / 1e6 if parameters else math.nan,
        }[column]
        quartiles = (times.median_ms - times.p25_ms, times.p75_ms - times.median_ms) if times else (0.0, 0.0)
        low, high = quartiles if column == "latency" else (0.0, 0.0)
        lines.append({"x": cost, "y": point.unseen, "y_spread": point.spread, "x_low": low, "x_high": high})
    return pd.DataFrame(lines)
