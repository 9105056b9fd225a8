"""One look for every picture: a paper's column wide, no letter below 7 points, colour-blind safe, readable in grey.

Pictures are drawn within `themed`, made by `figure`, written by `save`; rows are told apart by the `Style` of `styles`.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType
from PIL import Image

from bench.errors import PrerequisiteError

COLUMN = 3.3
"""Width in inches of a column of a two-column paper; every picture's but those of `TEXT`."""
TEXT = 6.9
"""Width in inches of both columns."""
POINTS = 7.0
"""Size of the smallest letters."""
LINE = 1.22 * POINTS / 72
"""Height of a line of them in inches."""
DPI = 300
GREY, FAINT = "0.35", "0.8"
SEQUENTIAL = "Blues"
"""Of heat maps: darker is more, in grey as well."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
DASHES: tuple[LineStyleType, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))
FILLS = ("full", "left", "bottom", "right", "top")
SHOWN = ("png", "svg")
"""What is written unless other formats of `bench.report.plots.FORMATS` are asked for."""
# Nothing of the day, the machine or the version of a library: the same results give the same bytes.
METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "dgss-bench"},
    "pdf": {"CreationDate": None, "Creator": "dgss-bench", "Producer": None},
}
_LINES = {
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.8,
    "patch.linewidth": 0.5,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.labelpad": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "axes.titlepad": 3.0,
}
_LETTERS = ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")


class Style(NamedTuple):
    """How one row is drawn everywhere: colour and marker are the method's, filling and dashes its setting's."""

    colour: str
    marker: str
    face: str
    """Of the marker: the colour, white, or between."""
    fill: str
    """How much of the marker that is: full, left, ...; the rest is white."""
    dash: LineStyleType

    @property
    def marks(self) -> dict[str, Any]:
        """As matplotlib's plot and errorbar take it; without the line."""
        found = {"marker": self.marker, "markerfacecolor": self.face, "fillstyle": self.fill, "color": self.colour}
        return found | {"markerfacecoloralt": "white", "linestyle": "none"}

    def line(self, label: str) -> Line2D:
        """An entry of a legend."""
        return Line2D([], [], label=label, **self.marks | {"linestyle": self.dash})


def _rc() -> dict[Any, Any]:
    """The theme as matplotlib's settings."""
    return {
        **sns.axes_style("ticks"),
        **sns.plotting_context("paper"),
        **_LINES,
        **dict.fromkeys(_LETTERS, POINTS),
        "figure.titlesize": POINTS,
        "figure.labelsize": POINTS,
        "legend.title_fontsize": POINTS,
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
        "axes.grid": True,
        "grid.color": "0.9",
        "axes.axisbelow": True,
        "axes.edgecolor": GREY,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": "black",
        "ytick.labelcolor": "black",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "legend.columnspacing": 1.2,
        "legend.handletextpad": 0.5,
        "legend.borderaxespad": 0.2,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "figure.constrained_layout.h_pad": 0.03,
        "figure.constrained_layout.w_pad": 0.03,
        "svg.hashsalt": "dgss-bench",
        "pdf.fonttype": 42,  # fonts of type 3 are turned away by submission systems
    }


@contextlib.contextmanager
def themed() -> Iterator[None]:
    """Draw in the theme; the settings of whoever calls are put back."""
    with mpl.rc_context(_rc()):
        yield


def figure(height: float, width: float = COLUMN, note: str = "") -> Figure:
    """An empty picture, sizes in inches; the note above it says in small letters what it was measured on."""
    letters = int(width * 72 / (0.54 * POINTS))
    lines = textwrap.wrap(note, letters, break_on_hyphens=False)
    made = Figure(figsize=(width, height + (LINE * len(lines) + 0.06 if lines else 0)), layout="constrained")
    if lines:
        made.suptitle("\n".join(lines), x=0.01, ha="left", color=GREY, fontsize=POINTS)
    return made


def save(drawn: Figure, stem: Path, formats: Sequence[str] = SHOWN) -> list[Path]:
    """Write `stem`.png, .svg, ..., making the folder; returns the paths. The same picture gives the same bytes.

    Raises PrerequisiteError where it cannot write.
    """
    written = []
    for suffix in formats:
        path = stem.with_name(f"{stem.name}.{suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with themed():
                stream = BytesIO()
                drawn.savefig(stream, format=suffix, metadata=METADATA[suffix])
            path.write_bytes(_in_few_colours(stream) if suffix == "png" else stream.getvalue())
        except OSError as error:
            raise PrerequisiteError(f"cannot write {path}: {error.strerror or error}") from error
        written.append(path)
    return written


def styles(rows: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], Style]:
    """A style for every (method, backbone, variant), which it has whatever else is drawn beside it.

    Where there is one method on several backbones, these have colours and markers of their own.
    """
    rows = list(rows)
    methods, backbones = ({row[place]: None for row in rows} for place in (0, 1))
    swapped = len(methods) == 1 < len(backbones)
    outer, inner = (list(backbones), list(methods)) if swapped else (list(methods), list(backbones))
    palette = sns.color_palette("colorblind").as_hex()
    colours = [palette[index] for index in (0, 1, 2, 3, 4, 5, 9, 7, 6, 8)]  # the palest last
    found: dict[tuple[str, str, str], Style] = {}
    for row in rows:
        i, j = outer.index(row[swapped]), inner.index(row[not swapped])
        k = sum(other[:2] == row[:2] for other in found)
        colour = colours[i % len(colours)]
        face = (colour, "white", tint(colour))[j % 3] if not k else colour
        look = (face, FILLS[k % len(FILLS)], DASHES[(j + k) % len(DASHES)])
        found[row] = Style(colour, MARKERS[i % len(MARKERS)], *look)
    return found


def tint(colour: str) -> str:
    """A colour half way to white."""
    return str(mpl.colors.to_hex(sns.light_palette(colour, 3)[1]))


def _in_few_colours(stream: BytesIO) -> bytes:
    """A PNG of 256 colours: nothing that is seen, and a third of the size."""
    with Image.open(stream) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        out = BytesIO()
        few.save(out, "PNG", optimize=True, dpi=(DPI, DPI))
    return out.getvalue()
