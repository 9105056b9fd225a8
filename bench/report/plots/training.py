"""Training curves: the loss by iteration, the mean of each row and a band of a standard deviation over seeds."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

from bench.report.plots.data import NothingToDraw, Table
from bench.report.plots.labels import legend, legend_height
from bench.report.theme import figure

WINDOW = 50
"""A curve is averaged over this part of its logged steps, before and after together: 1/50 of training."""


def draw(table: Table) -> Figure:
    """A line a row. Raises NothingToDraw where no run has a curve, as imported ones."""
    found = pd.DataFrame(
        [
            {"label": label, "seed": run.spec.seed, "iteration": point.iteration, "loss": point.loss}
            for label, runs in table.results.items()
            for run in runs
            for point in run.curve
        ]
    )
    if found.empty:
        raise NothingToDraw("no run has a training curve")
    drawn = figure(1.75 + legend_height(table.styles), note=table.note(table.seeds()))
    axes = drawn.subplots()
    shown = [label for label in table.labels if label in set(found["label"])]
    for label in shown:
        wide = found[found["label"] == label].pivot(index="iteration", columns="seed", values="loss").sort_index()
        smooth = wide.rolling(max(1, len(wide) // WINDOW), center=True, min_periods=1).mean()
        style, mean = table.styles[label], smooth.mean(axis=1)
        axes.plot(
            mean, markevery=max(1, len(mean) // 8), **style.marks | {"linestyle": style.dash}
        )  # fmt: skip
        if wide.shape[1] > 1:
            spread = smooth.std(axis=1)
            axes.fill_between(mean.index, mean - spread, mean + spread, color=style.colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="iteration", ylabel="loss (log scale)", yscale="log", xlim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    legend(drawn, table.styles)
    return drawn
