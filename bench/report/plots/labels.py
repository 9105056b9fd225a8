"""Names written beside what they name, where they cover nothing; legends where there is no room for that."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, BboxBase

from bench.metrics import FloatArray
from bench.report.theme import COLUMN, LINE, POINTS, Style

WIDEST = 26
"""Letters of a name in one line."""
IN_LEGEND = 44
# Right of it, left, above, below, then between these; (x, y) of the way from the point to the name's near edge.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


class Named(NamedTuple):
    """A point with a name; in the units of the axes."""

    x: float
    y: float
    text: str


def wrapped(text: str, width: int = WIDEST) -> str:
    """A row's name on several lines, if it must be."""
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) or text


def height(text: str, width: int = WIDEST) -> float:
    """Inches that a name takes when it is wrapped."""
    return LINE * len(wrapped(text, width).split("\n"))


def columns(names: Iterable[str], width: float) -> int:
    """How many columns a legend of these names has in a picture of that width in inches."""
    lines = [line for name in names for line in wrapped(name, IN_LEGEND).split("\n")]
    return max(1, int(width * 72 / ((max(map(len, lines)) * 0.58 + 4) * POINTS)))


def legend_height(looks: Mapping[str, Style], width: float = COLUMN) -> float:
    """Inches that the legend takes."""
    rows = -(-len(looks) // columns(looks, width))
    return 0.1 + 1.22 * rows * max(height(name, IN_LEGEND) for name in looks)


def legend(drawn: Figure, looks: Mapping[str, Style], lines: bool = True) -> None:
    """The names below the picture, in the order of `looks`; `lines`: with their dashes."""
    handles = [style.line(wrapped(name, IN_LEGEND)) for name, style in looks.items()]
    if not lines:
        for handle in handles:
            handle.set_linestyle("none")
    across = min(columns(looks, drawn.get_figwidth()), len(handles))
    drawn.legend(handles=handles, loc="outside lower left", ncols=across)


def name_points(axes: Axes, points: Sequence[Named], avoid: Iterable[Bbox] = ()) -> None:
    """Write each name beside its point, where it covers no point, no other name and none of `avoid`.

    Boxes to avoid are in the units of the axes. Call it last: places are found in the picture as it is laid out.
    """
    drawn = axes.get_figure(root=True)
    assert drawn is not None
    drawn.draw_without_rendering()
    unit = drawn.dpi / 72
    taken = [box.transformed(axes.transData).padded(1.5 * unit) for box in avoid]
    centres = [axes.transData.transform((point.x, point.y)) for point in points]
    taken += [Bbox([centre, centre]).padded(3 * unit) for centre in centres]
    for point, centre in zip(points, centres, strict=True):
        text = axes.annotate(
            wrapped(point.text), (point.x, point.y), xytext=(0, 0), textcoords="offset points", annotation_clip=False
        )
        text.set_in_layout(False)
        size = text.get_window_extent()
        others = [other for other in centres if other is not centre]
        cost = partial(_cost, taken=taken, room=axes.bbox, centre=centre, others=others)
        best = min(_places(centre, size.width, size.height, unit), key=cost)
        text.set_position(((best.x0 - centre[0]) / unit, (best.y0 - centre[1]) / unit))
        text.set_verticalalignment("bottom")
        taken.append(best)


def _places(centre: FloatArray, width: float, height: float, unit: float) -> list[Bbox]:
    """Boxes of that size around a point, the nearest first."""
    found = []
    for distance in (4, 8, 13, 20, 30, 42):
        for x, y in DIRECTIONS:
            reach = distance * unit * (0.75 if x and y else 1)
            left = centre[0] + x * reach - (width if x < 0 else width / 2 if x == 0 else 0)
            below = centre[1] + y * reach - (height if y < 0 else height / 2 if y == 0 else 0)
            found.append(Bbox.from_bounds(left, below, width, height))
    return found


def _cost(
    box: Bbox, taken: Sequence[Bbox], room: BboxBase, centre: FloatArray, others: Sequence[FloatArray]
) -> tuple[float, float]:
    """What a place covers, in square pixels, then how far off it is.

    What lies outside the axes counts as covered, and so does all of a name that another point is nearer to.
    """
    inside = Bbox.intersection(box, room)
    area = box.width * box.height
    out = area - (inside.width * inside.height if inside else 0)
    covered = sum(common.width * common.height for other in taken if (common := Bbox.intersection(box, other)))
    off = _apart(box, centre)
    mistaken = area if any(_apart(box, other) < 1.5 * off for other in others) else 0
    return round(out + covered + mistaken, 3), round(off, 3)


def _apart(box: Bbox, point: FloatArray) -> float:
    return float(np.hypot(*(np.clip(point, box.min, box.max) - point)))
