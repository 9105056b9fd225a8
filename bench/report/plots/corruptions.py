"""Heat map of corruptions: a line a corruption, a column a row of the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.protocols.corruptions import GROUPS, ICE, OTHERS
from bench.report.corruptions import Sweep, pairs, sweep
from bench.report.plots.data import NothingToDraw, Table
from bench.report.plots.labels import wrapped
from bench.report.scores import scores
from bench.report.theme import COLUMN, SEQUENTIAL, figure
from bench.result import result_path

CLEAN, MEAN = "clean", "mean of these"
BLOCKS = {name: (*members, *((ICE,) if name == "weather" else ())) for name, members in GROUPS.items()}
ORDER = [*(name for members in BLOCKS.values() for name in members), *OTHERS]


def draw(table: Table) -> Figure:
    """Means over severities and seeds, of what all rows have. Raises NothingToDraw where no row has corruptions."""
    found = {label: sweeps for label in table.labels if (sweeps := _sweeps(table, label))}
    if not found:
        raise NothingToDraw("no complete run has corruptions: see run --corruptions")
    common = set.intersection(*(set(pairs(one.grid)) for sweeps in found.values() for one in sweeps))
    if not common:
        raise NothingToDraw("the rows have no corruption and severity in common: choose some with --method")
    means = pd.DataFrame({label: _column(sweeps, common) for label, sweeps in found.items()}).dropna()
    steps = sorted({step for _, step in common})
    severities = f"severity {steps[0]}" if len(steps) == 1 else f"mean of severities {steps[0]} to {steps[-1]}"
    note = table.note(severities, table.seeds().replace("± std ", ""))
    drawn = figure(0.5 + 0.145 * len(means), max(COLUMN, 1.3 + 0.5 * len(found)), note)
    axes = drawn.subplots()
    sns.heatmap(means, annot=True, fmt=".1f", cmap=SEQUENTIAL, cbar=False, annot_kws={"size": "medium"}, ax=axes)
    _separate(axes, list(means.index))
    axes.set(xlabel="mIoU, %", ylabel="")
    axes.set_yticks(np.arange(len(means)) + 0.5, [name.replace("_", " ") for name in means.index])
    upright = max(map(len, found)) * len(found) > 60  # side by side they would run into each other
    axes.set_xticks(np.arange(len(found)) + 0.5, [wrapped(label, 20) for label in found], rotation=90 if upright else 0)
    axes.tick_params(length=0)
    return drawn


def _sweeps(table: Table, label: str) -> list[Sweep]:
    """Of every run of a row, or none."""
    found = [sweep(run, scores(run), result_path(run.spec, table.root)) for run in table.results[label]]
    there = [one for one in found if one is not None]
    return there if len(there) == len(found) else []


def _column(sweeps: Sequence[Sweep], common: set[tuple[str, int]]) -> dict[str, float]:
    """Line -> mIoU in percent; NaN for the clean images where a run does not have them."""
    column = {CLEAN: float(np.mean([one.clean if one.clean is not None else np.nan for one in sweeps]))}
    for name in ORDER:
        values = [one.grid[name][step] for one in sweeps for other, step in common if other == name]
        if values:
            column[name] = float(np.mean(values))
    return column | {MEAN: float(np.mean([one.grid[name][step] for one in sweeps for name, step in common]))}


def _separate(axes: Axes, names: list[str]) -> None:
    """A white line between the groups of corruptions, and round what is none."""
    group = {name: title for title, members in BLOCKS.items() for name in members} | dict.fromkeys(OTHERS, "others")
    for place in range(1, len(names)):
        mine, previous = (group.get(name, name) for name in (names[place], names[place - 1]))
        if mine != previous:
            axes.axhline(place, color="white", linewidth=2.5)
