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

from bench.errors import PrerequisiteError, UserError

COLUMN = 3.3
"""Width in inches of a column of a two-column paper; every picture's but those of `TEXT`."""
TEXT = 6.9
"""Width in inches of both columns."""
TALLEST = 200.0
"""Height of a picture in inches: matplotlib draws no more than 2 ** 16 pixels."""
POINTS = 7.0
"""Size of the smallest letters."""
LINE = 1.22 * POINTS / 72
"""Height of a line of them in inches."""
DPI = 300
GREY, FAINT = "0.35", "0.8"
SEQUENTIAL = "Blues"
"""Of heat maps: darker is more, in grey as well."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#56B4E9", "#000000", "#E69F00", "#CC79A7")
"""Okabe and Ito's, Color Universal Design (2008), without their yellow, which is not seen on white. In an order that
keeps the first ones far apart for those who see no red or no green as well: tests/test_theme.py measures it."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
DASHES: tuple[LineStyleType, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))
FACES = ("full", "white", "tint", "left", "bottom", "right", "top")
"""How a marker or a bar is filled: with its colour, not at all, half as strongly, half of it."""
HATCHES = {"left": "//////", "bottom": "......", "right": "xxxxxx", "top": "-----"}
"""Of bars, for what is half of a marker."""
GLYPHS = len(COLOURS) * len(MARKERS) * len(FACES)
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
    "lines.markersize": 4.2,
    "lines.markeredgewidth": 0.7,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.6,
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


class NothingToDraw(UserError):
    """These results do not allow this picture; the message says what is missing."""


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
    def bar(self) -> dict[str, Any]:
        """As matplotlib's patches take it: full and hollow markers' bars in a stronger and a weaker shade, which are
        as far apart from other methods' as a fill can be, others pale or hatched."""
        hatch = HATCHES.get(self.fill, "")
        solid = {self.colour: self.colour, "white": tint(self.colour, 0.65)}.get(self.face, tint(self.colour, 0.3))
        return {"facecolor": "white" if hatch else solid, "edgecolor": self.colour, "hatch": hatch}

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
        "text.parse_math": False,  # a dollar in a name is no formula
        "svg.hashsalt": "dgss-bench",
        "pdf.fonttype": 42,  # fonts of type 3 are turned away by submission systems
    }


@contextlib.contextmanager
def themed() -> Iterator[None]:
    """Draw in the theme; the settings of whoever calls are put back."""
    with mpl.rc_context(_rc()):
        yield


def figure(height: float, width: float = COLUMN, note: str = "") -> Figure:
    """An empty picture, sizes in inches; the note above it says in small letters what it was measured on.

    Raises NothingToDraw for one that is too high to be drawn.
    """
    if height > TALLEST:
        raise NothingToDraw(f"it would be {height:.0f} inches high: choose fewer rows with --top, --method, --backbone")
    letters = int(width * 72 / (0.54 * POINTS))
    lines = textwrap.wrap(note, letters, break_on_hyphens=False)
    made = Figure(figsize=(width, height + (LINE * len(lines) + 0.06 if lines else 0)), layout="constrained")
    if lines:
        made.suptitle("\n".join(lines), x=0.01, ha="left", color=GREY, fontsize=POINTS)
    return made


def least(low: float, high: float, width: float = 2.0) -> tuple[float, float]:
    """Ends of an axis, in points of mIoU: at least so wide, else a hundredth looks like a world."""
    more = max(0.0, width - (high - low)) / 2
    return low - more, high + more


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

    A method has a colour and a marker, a backbone a filling and dashes; where there is one method, backbones have
    colours, and where there is one of these, too, variants do. No two are the same, up to `GLYPHS`: what has no filling
    left takes a marker that no method has, as long as there is one.
    """
    rows = list(dict.fromkeys(rows))
    values = [list(dict.fromkeys(row[place] for row in rows)) for place in range(3)]
    outer = next((place for place in range(3) if len(values[place]) > 1), 0)
    siblings: dict[tuple[str, str], int] = {}
    wishes = []
    for row in rows:
        j = values[1].index(row[1]) if outer == 0 else 0
        k = 0 if outer == 2 else siblings.setdefault(row[:2], 0)
        siblings[row[:2]] = k + 1
        wishes.append((values[outer].index(row[outer]), j, k))
    found: dict[tuple[str, str, str], Style] = {}
    taken: set[tuple[str, str, str]] = set()
    for (i, j, k), row in sorted(zip(wishes, rows, strict=True), key=lambda wish: wish[0][2] > 0):
        glyphs = _glyphs(i, j, k, len(values[outer]))
        colour, marker, face = glyph = next((one for one in glyphs if one not in taken), glyphs[0])
        taken.add(glyph)
        fill = face if face in HATCHES else "full"
        found[row] = Style(colour, marker, _filled(colour, face), fill, DASHES[(j + k) % len(DASHES)])
    return {row: found[row] for row in rows}


def _glyphs(i: int, j: int, k: int, outer: int) -> list[tuple[str, str, str]]:
    """(colour, marker, face) that a row may have, the fittest first: of method i, backbone j, its variant k."""
    first = FACES.index("left") + k - 1 if k else j
    shift, face = divmod(first, len(FACES))
    step = outer if outer < len(MARKERS) else 1
    markers = dict.fromkeys([(i + step * n) % len(MARKERS) for n in range(shift, shift + len(MARKERS))])
    markers |= dict.fromkeys(range(len(MARKERS)))
    faces = [(face + n) % len(FACES) for n in range(len(FACES))]
    return [(COLOURS[i % len(COLOURS)], MARKERS[marker], FACES[place]) for marker in markers for place in faces]


def _filled(colour: str, face: str) -> str:
    return {"white": "white", "tint": tint(colour)}.get(face, colour)


def readable_on(colour: Any) -> str:
    """Black or white, of which one has a contrast of 4.5 to 1 or more with any colour (WCAG 2.2, 1.4.3)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    luminance = sum(c * weight for c, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def tint(colour: str, share: float = 0.5) -> str:
    """A colour on its way to white: `share` is what is left of it."""
    red, green, blue = (1 - share * (1 - part) for part in mpl.colors.to_rgb(colour))
    return str(mpl.colors.to_hex((red, green, blue)))


def _in_few_colours(stream: BytesIO) -> bytes:
    """A PNG of 256 colours: nothing that is seen, and a third of the size."""
    with Image.open(stream) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        out = BytesIO()
        few.save(out, "PNG", optimize=True, dpi=(DPI, DPI))
    return out.getvalue()
