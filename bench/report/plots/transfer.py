"""Source against unseen: a small dot a seed, the mean of each row with standard deviations both ways."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from bench.report.plots.data import Table
from bench.report.plots.labels import Named, legend, legend_height, name_points
from bench.report.theme import FAINT, GREY, NothingToDraw, figure, least

NAMED, LETTERS = 8, 40
"""Up to so many rows, with names of so many letters, are named in the picture, more in a legend."""


def draw(table: Table) -> Figure:
    """A scatter with diagonals of equal loss. Raises NothingToDraw where a row has not both."""
    column = f"{table.group()}_mean"
    found = table.frame.dropna(subset=["source", column]) if "source" in table.frame else table.frame[:0]
    if found.empty:
        raise NothingToDraw("no run was scored on its source and elsewhere")
    several = any(len(runs) > 1 for runs in table.runs.values())
    seeds = f"{table.seeds()}, dots: single seeds" if several else table.seeds()
    named = len(table.labels) <= NAMED and max(map(len, table.labels)) <= LETTERS
    drawn = figure(2.3 + (0 if named else legend_height(table.styles)), note=table.note(seeds, "dashed: points lost"))
    axes = drawn.subplots()
    points, bars = [], []
    for label in [name for name in table.labels if name in set(found["label"])]:
        mine, style = found[found["label"] == label], table.styles[label]
        x, y = mine["source"].astype(float), mine[column].astype(float)
        across, up = (x.std(), y.std()) if len(mine) > 1 else (0.0, 0.0)
        if len(mine) > 1:
            axes.plot(x, y, ".", color=style.colour, markersize=3, markeredgewidth=0)
        axes.errorbar(
            x.mean(), y.mean(), xerr=across, yerr=up, zorder=3, elinewidth=0.7, **style.marks
        )  # fmt: skip
        points.append(Named(x.mean(), y.mean(), label))
        bars += [Bbox.from_extents(x.mean() - across, y.mean(), x.mean() + across, y.mean())]
        bars += [Bbox.from_extents(x.mean(), y.mean() - up, x.mean(), y.mean() + up)]
        bars += [Bbox.from_extents(a, b, a, b) for a, b in zip(x, y, strict=True)]
    trained = " (trained on)" if found["trained_on"].any() else ""
    axes.set(xlabel=f"mIoU on the source{trained}, %", ylabel=f"mIoU on {table.group()}, mean, %")
    axes.margins(0.15)
    axes.set(xlim=least(*axes.get_xlim()), ylim=least(*axes.get_ylim()))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(visible=False)
    _diagonals(axes)
    if named:
        name_points(axes, points, bars)
    else:
        legend(drawn, table.styles, lines=False)
    return drawn


def _diagonals(axes: Axes) -> None:
    """Lines of equal loss, as many as are read with ease; that of no loss, where it is in view, is a full one."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    axes.set(xlim=(left, right), ylim=(low, high))  # as the points have them
    for loss in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(left - high, right - low):
        start, end = max(left, low + loss), min(right, high + loss)
        if end - start < 0.15 * (right - left):  # no more than a corner
            continue
        solid = "-" if loss == 0 else (0, (4, 2))
        axes.plot([start, end], [start - loss, end - loss], color=FAINT, linewidth=0.7, linestyle=solid, zorder=1)
        text, beside = f"{0 - loss:g}".replace("-", "−"), end == right
        axes.annotate(
            text, (end, end - loss), xytext=(1, 1), textcoords="offset points", color=GREY,
            ha="left" if beside else "center", va="center" if beside else "bottom",
        )  # fmt: skip
