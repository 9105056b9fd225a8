"""Critical-difference plot: mean ranks over targets on a scale, bars below join what is not told apart."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report.frame import TARGET
from bench.report.plots.data import GROUPS, Table
from bench.report.plots.labels import wrapped
from bench.report.ranks import ALPHA, Ranks, ranks
from bench.report.theme import GREY, LINE, NothingToDraw, figure


def draw(table: Table) -> Figure:
    """Ranks of the means over seeds. Raises NothingToDraw for one row, or fewer than two targets that all have."""
    if len(table.labels) < 2:
        raise NothingToDraw("it ranks rows, and there is only one")
    names = table.targets or [name for name, group in table.spec_targets if group in GROUPS]
    columns = [TARGET + name for name in names if TARGET + name in table.frame]
    scores = table.frame.groupby("label")[columns].mean().T.astype(float).dropna()[table.labels]
    if len(scores) < 2:
        raise NothingToDraw("the rows have fewer than two targets in common")
    found = ranks(scores)
    p_value = "" if math.isnan(found.p_value) else f"; Friedman: p\u00a0=\u00a0{found.p_value:.1g}"
    told = f"mean ranks over {found.targets} targets, Nemenyi's critical difference at {ALPHA:g}{p_value}"
    written = _names(found)
    steps = 2.95 + 0.5 * len(found.alike) + _step(written) * math.ceil(len(written) / 2)
    drawn = figure(0.1 + 1.15 * LINE * steps, note=table.note(told))
    _scale(drawn.subplots(), found, table)
    return drawn


def _scale(axes: Axes, found: Ranks, table: Table) -> None:
    """The scale on top, names at both sides: the better half at the left. Heights are in lines of text."""
    rows, half = len(found.mean), math.ceil(len(found.mean) / 2)
    names, step = _names(found), _step(_names(found))
    bars = 0.5 * len(found.alike)
    edge = 0.55 * max(1, rows - 1)
    axes.set(xlim=(1 - edge, rows + edge), ylim=(bars + step * half + 0.6, -2.35))
    axes.set_axis_off()
    axes.plot([1, rows], [0, 0], color=GREY, linewidth=0.8, clip_on=False)
    for tick in [
        1,
        *(
            int(tick)
            for tick in MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]).tick_values(1, rows)
            if 2 <= tick <= rows
        ),
    ]:
        axes.plot([tick, tick], [-0.15, 0], color=GREY, linewidth=0.8)
        axes.annotate(str(tick), (tick, -0.2), xytext=(0, 1), textcoords="offset points", ha="center", va="bottom")
    for number, (name, rank) in enumerate(found.mean.items()):
        style, better = table.styles[name], number < half
        depth = bars + 0.6 + step * (0.5 + (number if better else rows - 1 - number))
        end = 1.0 - 0.04 * edge if better else rows + 0.04 * edge
        axes.plot([rank, rank, end], [0, depth, depth], color=style.colour, linewidth=0.8)
        axes.plot([rank], [0], zorder=3, **style.marks)
        axes.annotate(
            names[name], (end, depth), xytext=(-2 if better else 2, 0),
            textcoords="offset points", ha="right" if better else "left", va="center",
        )  # fmt: skip
    for number, alike in enumerate(found.alike):
        ends = [found.mean[alike[0]] - 0.02 * edge, found.mean[alike[-1]] + 0.02 * edge]
        axes.plot(ends, [0.55 + 0.5 * number] * 2, color="black", linewidth=2.2, solid_capstyle="butt")
    _ruler(axes, found)


def _names(found: Ranks) -> dict[str, str]:
    """Row -> what is written beside its line."""
    return {name: wrapped(f"{name} ({rank:.2f})", 16) for name, rank in found.mean.items()}


def _step(names: dict[str, str]) -> int:
    """Lines of text that the longest name takes."""
    return max(len(name.split("\n")) for name in names.values())


def _ruler(axes: Axes, found: Ranks) -> None:
    """The critical difference at the scale's own size."""
    start = axes.get_xlim()[0]
    axes.errorbar(start + found.critical / 2, -1.8, xerr=found.critical / 2, fmt="none", ecolor="black", capsize=2)
    axes.annotate(
        f"critical difference {found.critical:.2f}", (start + found.critical, -1.8), xytext=(4, 0),
        textcoords="offset points", va="center",
    )  # fmt: skip
