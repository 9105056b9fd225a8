"""Confusion matrix of one row: what each class is taken for, in percent of its pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bench.data.labels import CLASSES
from bench.report.plots.data import Table
from bench.report.theme import SEQUENTIAL, NothingToDraw, figure


def draw(table: Table) -> Figure:
    """Pixels of all seeds and targets together; of the table's first row. Raises NothingToDraw for missing targets."""
    label = table.labels[0]
    where, names = table.chosen()
    runs = table.results(label)
    if missing := [name for name in names if any(name not in run.targets for run in runs)]:
        raise NothingToDraw(f"{label} has no target {missing[0]}")
    counts = sum(np.array(run.targets[name].confusion, dtype=np.int64) for run in runs for name in names)
    matrix = np.asarray(counts)
    there = matrix.sum(axis=1) > 0
    classes = np.array(CLASSES[: len(matrix)])
    shares = 100 * matrix[there] / matrix[there].sum(axis=1, keepdims=True)
    seeds = f"{len(runs)} seeds" if len(runs) > 1 else "one seed"
    side = 0.145 * len(matrix)
    drawn = figure(max(1.2, side) + 0.8, note=table.note(label, where, f"pixels of {seeds}"))
    axes = drawn.subplots()
    sns.heatmap(
        pd.DataFrame(shares, index=classes[there], columns=classes), vmin=0, vmax=100, cmap=SEQUENTIAL, ax=axes,
        xticklabels=False, yticklabels=False, linewidths=0.25, linecolor="0.9",  # set below: see corruptions
        cbar_kws={"label": "share of the true class, %", "shrink": 0.6, "pad": 0.02},
    )  # fmt: skip
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(np.arange(len(classes)) + 0.5, list(classes), rotation=90)
    axes.set_yticks(np.arange(there.sum()) + 0.5, list(classes[there]), rotation=0)
    axes.tick_params(length=0)
    return drawn
