"""Pictures of results. A kind is one line below and one function, which takes `data.Table` and gives a Figure."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.report.plots.data import Table


FORMATS = ("png", "svg", "pdf")


class Kind(NamedTuple):
    """A kind of picture."""

    what: str
    """One line for `plot --help`."""
    most: int
    """Rows that it holds readably and on a page: the best, unless the user says how many."""
    each: bool = False
    """Whether every row has a picture of its own."""
    targets: bool = False
    """Whether the user may choose the targets that it is drawn of."""
    exactly: bool = False
    """Whether it is of `most` rows, never of more."""


KINDS = {
    "dots": Kind("source, unseen, weather and corruption means of each row, with the spread over seeds", 12),
    "bars": Kind("every target's mIoU, with the spread over seeds", 8),
    "transfer": Kind("mIoU on the source against mIoU on what was never seen, with the diagonal", 12),
    "pareto": Kind("mIoU against trainable parameters, GFLOPs, latency and memory, with the front", 12),
    "severity": Kind("mIoU by severity of weather and corruptions", 8),
    "corruptions": Kind("heat map of mIoU by corruption", 20),
    "ranks": Kind("critical-difference plot: mean ranks over targets, and which are not told apart", 16, targets=True),
    "dumbbells": Kind("IoU of every class, the two best rows against each other", 2, targets=True, exactly=True),
    "confusion": Kind("confusion matrix, a picture a row", 8, each=True, targets=True),
    "training": Kind("loss by iteration", 8),
}
"""Kind -> what it shows; its function is `draw` of the module of that name in this folder."""


def draw_of(kind: str) -> Callable[[Table], Figure]:
    """The function that draws a kind of KINDS; imports matplotlib."""
    draw: Callable[[Table], Figure] = import_module(f"{__name__}.{kind}").draw
    return draw
