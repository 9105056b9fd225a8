"""mIoU against severity: a panel a kind of weather or corruption, a line a row."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.plots.data import Table
from bench.report.plots.labels import legend, legend_height
from bench.report.plots.ladders import ladders
from bench.report.theme import NothingToDraw, figure


def draw(table: Table) -> Figure:
    """Means over seeds, bands of a standard deviation. Raises NothingToDraw where nothing has several severities."""
    found = ladders(table)
    if found.empty:
        raise NothingToDraw("nothing was scored at several severities: see protocol streets-weather, run --corruptions")
    kinds = list(dict.fromkeys(found["what"]))
    across = min(len(kinds), 2 if len(kinds) <= 4 else 3)
    down = -(-len(kinds) // across)
    clean = "; severity 0: the same images clean" if (found["severity"] == 0).any() else ""
    drawn = figure(0.3 + legend_height(table.styles) + 1.15 * down, note=table.note(table.seeds() + clean))
    panels = drawn.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axes, kind in zip(panels.flat, kinds, strict=False):
        _panel(axes, table, found[found["what"] == kind])
        axes.set_title(kind.replace("_", " "), loc="left")
    for number, axes in enumerate(panels.flat):
        if number >= len(kinds):
            axes.set_axis_off()
        elif number + across >= len(kinds):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("severity")
    drawn.supylabel("mIoU, %")
    legend(drawn, table.styles)
    return drawn


def _panel(axes: Axes, table: Table, found: pd.DataFrame) -> None:
    for label in reversed(table.labels):  # the best lies on top
        mine, style = found[found["label"] == label], table.styles[label]
        if mine.empty:
            continue
        sns.lineplot(
            mine, x="severity", y="score", errorbar="sd", markeredgecolor=style.colour,
            **style.marks | {"linestyle": style.dash, "markersize": 3.5},
            err_kws={"alpha": 0.15, "linewidth": 0}, ax=axes,
        )  # fmt: skip
    axes.set(xlabel="", ylabel="", xticks=sorted(found["severity"].unique()))
