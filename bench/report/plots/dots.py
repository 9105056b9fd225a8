"""Means of each row, a panel each group of targets: a small dot a seed, the mean with its standard deviation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.plots.data import Table
from bench.report.plots.labels import height, wrapped
from bench.report.theme import NothingToDraw, figure, least

MEANS = {
    "source": "source",
    "unseen_mean": "unseen, mean",
    "weather_mean": "weather, mean",
    "corruption_mean": "corruptions, mean",
    "reliability_mean": "reliability, mean",
}


def draw(table: Table) -> Figure:
    """Means over the groups of targets. Raises NothingToDraw where there is none."""
    columns = [name for name in MEANS if name in table.frame and table.frame[name].notna().any()]
    if not columns:
        raise NothingToDraw("no run has a mean over a group of targets")
    several = any(len(runs) > 1 for runs in table.runs.values())
    seeds = f"{table.seeds()}, ticks below: single seeds" if several else table.seeds()
    across = min(2, len(columns))
    down = -(-len(columns) // across)
    rows = len(table.labels) * (0.07 + max(map(height, table.labels)))
    drawn = figure(0.2 + down * (0.42 + rows), note=table.note(seeds))
    panels = drawn.subplots(down, across, sharey=True, squeeze=False)
    for axes, column in zip(panels.flat, columns, strict=False):
        panel(axes, table, table.frame[["label", column]].rename(columns={column: "value"}))
        axes.set_title(MEANS[column], loc="left")
    for axes in list(panels.flat)[len(columns) :]:
        axes.set_axis_off()
    for number in range(across):
        last = max(index for index in range(number, len(columns), across))
        panels.flat[last].set_xlabel("mIoU, %")
    return drawn


def panel(axes: Axes, table: Table, values: pd.DataFrame) -> None:
    """A line a row, the first on top; columns label and value, a line a seed."""
    for place, label in enumerate(table.labels):
        style = table.styles[label]
        mine = values.loc[values["label"] == label, "value"].dropna().astype(float)
        if mine.empty:
            continue
        if len(mine) > 1:
            axes.plot(mine, np.full(len(mine), place + 0.3), "|", color=style.colour, markersize=3)
        spread = mine.std() if len(mine) > 1 else None
        axes.errorbar(mine.mean(), place, xerr=spread, zorder=3, **style.marks)
    axes.set_yticks(range(len(table.labels)), [wrapped(label) for label in table.labels])
    axes.set_ylim(len(table.labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.margins(x=0.12)
    axes.set_xlim(least(*axes.get_xlim()))
