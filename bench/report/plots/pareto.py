"""mIoU against what a run's model costs, a panel each kind of cost, as the runs themselves measured it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from bench.cost.figures import OF_A_DEVICE
from bench.report.pareto import move_apart, panel
from bench.report.plots.data import Table
from bench.report.plots.labels import legend, legend_height
from bench.report.theme import NothingToDraw, figure

COSTS = {
    "trainable_params": ("trainable parameters, M", 1e-6),
    "gflops": ("GFLOPs", 1.0),
    "latency_ms": ("latency, ms", 1.0),
    "peak_mb": ("peak memory, MB", 1.0),
    "peak_memory_mb": ("peak memory of tensors, MB", 1.0),
}
"""Column -> title and factor."""


def draw(table: Table) -> Figure:
    """The step joins what nothing else beats in both. Raises NothingToDraw where no run has a score and a cost."""
    column, frame = f"{table.group()}_mean", table.frame
    device = str(frame["device"].mode().iloc[0])
    panels = {}
    for cost, (title, factor) in COSTS.items():
        mine = frame[frame["device"] == device] if cost in OF_A_DEVICE else frame  # of the one that measured most runs
        found = pd.DataFrame({"label": mine["label"], "x": mine[cost].astype(float) * factor, "y": mine[column]})
        found = found.dropna().astype({"y": float})
        if not found.empty:
            panels[title] = found.groupby("label", sort=False).agg(
                x=("x", "mean"), y=("y", "mean"), x_spread=("x", "std"), y_spread=("y", "std")
            )
    if not panels:
        raise NothingToDraw("no run has a score and a cost")
    down = -(-len(panels) // 2)
    crops = {"{} x {}".format(*run.spec.recipe.crop) for runs in table.runs.values() for run in runs}
    size = f"one image of {crops.pop()} px" if len(crops) == 1 else "one image of the training crop's size"
    front = "step and rings: the front, where a tie with what is cheaper is no gain; dots: places of symbols set aside"
    lacking = {title: sum(label not in found.index for label in table.labels) for title, found in panels.items()}
    absent = [f"{number} of {len(table.labels)} rows have no {title}" for title, number in lacking.items() if number]
    note = table.note(f"{size}, {device}", table.seeds(), front, *absent)
    drawn = figure(0.3 + legend_height(table.styles) + 1.6 * down, note=note)
    grid = drawn.subplots(down, 2, sharey=True, squeeze=False)
    points = []
    for axes, (title, found) in zip(grid.flat, panels.items(), strict=False):
        points.append((axes, panel(axes, found, table.styles, table.ties)))
        axes.set_xlabel(title)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    drawn.supylabel(f"mIoU on {table.group()}, mean, %")
    legend(drawn, table.styles, lines=False)
    move_apart(drawn, points)
    return drawn
