"""Two rows class by class: a line joins the two IoUs of a class, the widest gap on top."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.data.labels import CLASSES
from bench.metrics import mean_present
from bench.report.plots.data import Table
from bench.report.plots.labels import legend, legend_height
from bench.report.theme import FAINT, GREY, NothingToDraw, figure


def draw(table: Table) -> Figure:
    """Means over targets, then over seeds, with standard deviations. Raises NothingToDraw where there is one row."""
    if len(table.labels) != 2:
        raise NothingToDraw(f"it compares two rows: {table.labels[0]} is the only one")
    where, targets = table.chosen()
    found = pd.DataFrame([line for label in table.labels for line in _ious(table, label, targets)])
    if found.empty:
        raise NothingToDraw(f"no class occurs in the {where} of both rows")
    means = found.groupby(["class", "label"])["iou"].mean().unstack()[table.labels].dropna()
    spreads = found.groupby(["class", "label"])["iou"].std().unstack()[table.labels]
    order = (means[table.labels[0]] - means[table.labels[1]]).sort_values(ascending=False).index
    means, spreads = means.loc[order], spreads.loc[order].fillna(0)
    drawn = figure(0.6 + legend_height(table.styles) + 0.145 * len(means), note=table.note(where, table.seeds()))
    axes = drawn.subplots()
    axes.hlines(range(len(means)), means.min(axis=1), means.max(axis=1), color=FAINT, linewidth=2.5, zorder=1)
    for label, above in zip(table.labels, (-0.14, 0.14), strict=True):  # apart, else one covers the other
        style, places = table.styles[label], [place + above for place in range(len(means))]
        axes.errorbar(
            means[label], places, xerr=spreads[label], markersize=3, elinewidth=0.7, **style.marks
        )  # fmt: skip
    for place, gap in enumerate(means[table.labels[0]] - means[table.labels[1]]):
        axes.text(1.12, place, _signed(gap), transform=axes.get_yaxis_transform(), ha="right", va="center")
    axes.text(1.12, -1, "difference", transform=axes.get_yaxis_transform(), ha="right", va="center", color=GREY)
    axes.set(xlabel="IoU, %", xlim=(0, None))
    axes.set_yticks(range(len(means)), list(means.index))
    axes.set_ylim(len(means) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    legend(drawn, table.styles, lines=False)
    return drawn


def _signed(gap: float) -> str:
    """With a sign, unless it rounds to none."""
    return "0.0" if abs(gap) < 0.05 else f"{gap:+.1f}".replace("-", "−")


def _ious(table: Table, label: str, targets: list[str]) -> list[dict[str, Any]]:
    """A line a seed and class that occurs: the mean of its IoU over targets, percent."""
    lines: list[dict[str, Any]] = []
    for run in table.runs[label]:
        if missing := [name for name in targets if name not in run.found.names]:
            raise NothingToDraw(f"{label} has no target {missing[0]}")
        iou = run.found.iou[[run.found.names.index(name) for name in targets]]
        means = mean_present(iou.T)  # over targets
        found = zip(CLASSES, means.tolist(), strict=False)
        lines += [{"label": label, "seed": run.spec.seed, "class": name, "iou": iou} for name, iou in found]
    return [line for line in lines if not math.isnan(line["iou"])]
