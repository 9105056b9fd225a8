"""What tables of any format show in a cell. Imports no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from bench.report.series import Series, Stat
from bench.report.single import backbone_title

NOTHING = "n/a"
MISSING = "missing"
"""What a pair of method and backbone without a result has for scores."""


class Table(NamedTuple):
    """What any format shows of one table."""

    title: str
    header: list[str]
    align: str
    """`l` or `r` for each column."""
    rows: list[list[str]]


def titles(row: Series) -> tuple[str, str]:
    """Method and backbone, as tables name them."""
    variant = f" ({row.keys['variant']})" if row.keys["variant"] else ""
    return row.keys["method"] + variant, backbone_title(row.keys["backbone"], row.keys["weights"])


def escaped(text: str) -> str:
    """A name as Markdown shows it: what would be markup, as letters."""
    return re.sub(r"([\\`*\[<])", r"\\\1", text)


def score(stat: Stat | None) -> str:
    """Mean and deviation with one decimal."""
    if stat is None or math.isnan(stat.mean):
        return NOTHING
    return f"{stat.mean:.1f}" if math.isnan(stat.std) else f"{stat.mean:.1f} ± {stat.std:.1f}"


def millions(stat: Stat | None) -> str:
    """A number of parameters."""
    return NOTHING if stat is None or math.isnan(stat.mean) else f"{stat.mean / 1e6:.2f} M"


def plain(value: float) -> str:
    """A number with one decimal."""
    return NOTHING if math.isnan(value) else f"{value:.1f}"


def points(value: float) -> str:
    """A difference of scores."""
    return f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
