"""Training curves: the loss by iteration, the mean of each row and a band of a standard deviation over seeds."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

from bench.report.plots.data import Table
from bench.report.plots.labels import legend, legend_height
from bench.report.theme import NothingToDraw, figure

WINDOW = 50
"""A curve is averaged over this part of its logged steps, before and after together: 1/50 of training."""


def draw(table: Table) -> Figure:
    """A line a row. Raises NothingToDraw where no run has a curve, as imported ones."""
    found = pd.DataFrame(
        [
            {"label": label, "seed": run.spec.seed, "iteration": point.iteration, "loss": point.loss}
            for label in table.labels
            for run in table.results(label)
            for point in run.curve
        ]
    )
    if found.empty:
        raise NothingToDraw("no run has a training curve")
    lengths = found.groupby("label")["iteration"].max()
    as_long = lengths.nunique() == 1
    shown = [label for label in table.labels if label in lengths.index]
    told = shown if as_long else [f"{label} ({lengths[label]:,} iterations)" for label in shown]
    looks = {name: table.styles[label] for name, label in zip(told, shown, strict=True)}
    drawn = figure(2.1 + legend_height(looks), note=table.note(table.seeds()))
    axes = drawn.subplots()
    for number, label in reversed(list(enumerate(shown))):  # the best lies on top
        wide = found[found["label"] == label].pivot(index="iteration", columns="seed", values="loss").sort_index()
        smooth = wide.rolling(max(1, len(wide) // WINDOW), center=True, min_periods=1).mean()
        smooth.index = smooth.index if as_long else 100 * smooth.index / lengths[label]
        style, mean = table.styles[label], smooth.mean(axis=1)
        step = max(1, len(mean) // 8)
        every = (number * step // len(shown), step)  # else the markers of all rows lie on each other
        axes.plot(
            mean, markevery=every, **style.marks | {"linestyle": style.dash, "markersize": 3.5}
        )  # fmt: skip
        if wide.shape[1] > 1:
            spread = smooth.std(axis=1)
            axes.fill_between(mean.index, mean - spread, mean + spread, color=style.colour, alpha=0.15, linewidth=0)
    along = "iteration" if as_long else "part of each row's training, %"
    axes.set(xlabel=along, ylabel="loss (log scale)", yscale="log", xlim=(0, None if as_long else 100))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    legend(drawn, looks)
    return drawn
