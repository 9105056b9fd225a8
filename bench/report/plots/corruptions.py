"""Heat map of corruptions: a column a row of the leaderboard; of many rows a line each, and whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.protocols.corruptions import GROUPS, ICE, OTHERS
from bench.report.corruptions import Sweep, pairs
from bench.report.plots.data import LONGEST, Table
from bench.report.plots.labels import height, wrapped
from bench.report.theme import COLUMN, SEQUENTIAL, NothingToDraw, figure, readable_on

CLEAN, MEAN = "clean", "mean of these"
BLOCKS = {name: (*members, *((ICE,) if name == "weather" else ())) for name, members in GROUPS.items()}
BESIDE = 8
"""Rows whose figures fit side by side."""
MOST = 19
"""Corruptions whose whole numbers fit side by side, beside names of some length."""
LABELS, TALL, NARROW, WIDE = 0.95, 0.14, 0.13, 0.056
"""Inches: of the longest corruption's name, a line's height, a whole number's width, a letter's width."""
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
    return _beside(means, note) if len(found) <= BESIDE else _below(means.T, note)


def _beside(means: pd.DataFrame, note: str) -> Figure:
    """A column each, while their figures fit side by side into a column of a paper."""
    names = list(means.columns)
    room = (COLUMN - LABELS) / len(names)
    upright = max(map(len, names)) * len(names) > 60  # side by side they would run into each other
    widths = range(20, 2 * LONGEST) if upright else (20,)
    width = next((n for n in widths if max(height(name, n) for name in names) <= room), widths[-1])
    below = WIDE * min(width, max(map(len, names))) if upright else max(height(name, width) for name in names)
    drawn = figure(0.3 + TALL * len(means) + below, note=note)
    axes = drawn.subplots()
    _heat(means, axes, means, ".1f")
    for place in _between(list(means.index)):
        axes.axhline(place, color="white", linewidth=1.5)
    axes.set(xlabel="mIoU, %", ylabel="")
    axes.set_xticks(np.arange(len(names)) + 0.5, [wrapped(name, width) for name in names], rotation=90 * upright)
    axes.set_yticks(np.arange(len(means)) + 0.5, [name.replace("_", " ") for name in means.index])
    return drawn


def _below(means: pd.DataFrame, note: str) -> Figure:
    """A line each, whose height grows with its name; in several parts where there are too many corruptions."""
    parts = -(-len(means.columns) // MOST)
    across = -(-len(means.columns) // parts)
    letters = int((COLUMN - NARROW * across - 0.1) / WIDE)
    names = [wrapped(str(name), letters) for name in means.index]
    line = max(TALL, 0.03 + max(height(str(name), letters) for name in means.index))
    top = WIDE * max(len(str(name)) for name in means.columns)
    drawn = figure(0.2 + parts * (0.1 + line * len(means) + top), note=note)
    for number, axes in enumerate(drawn.subplots(parts, squeeze=False)[:, 0]):
        part = means.iloc[:, number * across : (number + 1) * across]
        _heat(part, axes, means, ".0f")
        for place in _between(list(part.columns)):
            axes.axvline(place, color="white", linewidth=1.5)
        axes.set(xlabel="", ylabel="")
        titles = [str(name).replace("_", " ") for name in part.columns]
        axes.set_xticks(np.arange(len(titles)) + 0.5, titles, rotation=90)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
    drawn.supxlabel("mIoU, %")
    return drawn


def _heat(means: pd.DataFrame, axes: Axes, whole: pd.DataFrame, form: str) -> None:
    """Colours by all figures of the picture, whatever part of them is drawn here."""
    ends = {"vmin": whole.min(axis=None), "vmax": whole.max(axis=None)}
    sns.heatmap(
        means, annot=True, fmt=form, cmap=SEQUENTIAL, cbar=False, annot_kws={"size": "medium"}, ax=axes, **ends,
        # Names follow: to see whether they overlap, seaborn would draw the whole picture once for each and keep it.
        xticklabels=False, yticklabels=False,
    )  # fmt: skip
    for text, colour in zip(axes.texts, axes.collections[0].get_facecolor(), strict=True):
        text.set_color(readable_on(colour))  # seaborn's own choice is of dark grey and white, down to 2.3 to 1
    axes.tick_params(length=0)


def _sweeps(table: Table, label: str) -> list[Sweep]:
    """Of every run of a row, or none."""
    found = [run.swept for run in table.runs[label]]
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


def _between(names: list[str]) -> list[int]:
    """The places where one group of corruptions ends and another begins, or what is none."""
    group = {name: title for title, members in BLOCKS.items() for name in members} | dict.fromkeys(OTHERS, "others")
    mine = [group.get(name, name) for name in names]
    return [place for place in range(1, len(mine)) if mine[place] != mine[place - 1]]
