"""Every target's mIoU as bars from 0, a group a target; corruptions and ladders have pictures of their own."""

from __future__ import annotations

import seaborn as sns
from matplotlib.figure import Figure

from bench.report.frame import TARGET
from bench.report.plots.data import Table
from bench.report.plots.labels import legend, legend_height
from bench.report.theme import NothingToDraw, figure

LEFT_OUT = ("corruption", "anomaly")
"""Groups whose targets are not shown here."""


def draw(table: Table) -> Figure:
    """Bars with standard deviations over seeds. Raises NothingToDraw where only corruptions were scored."""
    names = dict.fromkeys(
        target.name for runs in table.runs.values() for target in runs[0].spec.targets if target.group not in LEFT_OUT
    )
    tidy = table.frame.melt("label", [TARGET + name for name in names], "target", "mIoU").dropna()
    if tidy.empty:
        raise NothingToDraw("only corruptions were scored: see the kind `corruptions`")
    tidy["target"] = tidy["target"].str.removeprefix(TARGET)
    order = [name for name in names if name in set(tidy["target"])]
    rows = len(table.labels)
    drawn = figure(
        0.35 + legend_height(table.styles) + len(order) * (0.09 + 0.085 * rows), note=table.note(table.seeds())
    )
    axes = drawn.subplots()
    sns.barplot(
        tidy, x="mIoU", y="target", hue="label", order=order, hue_order=table.labels, errorbar=None, legend=False,
        palette={label: table.styles[label].colour for label in table.labels}, saturation=1, gap=0.15, ax=axes,
    )  # fmt: skip
    for label, bars in zip(table.labels, axes.containers, strict=True):
        for bar in bars:
            bar.set(**table.styles[label].bar)
    step = 0.8 / rows
    for number, label in enumerate(table.labels):
        found = tidy[tidy["label"] == label].groupby("target")["mIoU"].agg(["mean", "std"]).reindex(order)
        style = table.styles[label]
        axes.errorbar(
            found["mean"], [place - 0.4 + step * (number + 0.5) for place in range(len(order))],
            xerr=found["std"].fillna(0), markersize=3, ecolor="black", elinewidth=0.7, **style.marks,
        )  # fmt: skip
    axes.set(xlabel="mIoU, %", ylabel="", xlim=(0, None), ylim=(len(order) - 0.45, -0.55))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    legend(drawn, table.styles, lines=False)
    return drawn
