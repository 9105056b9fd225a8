"""A picture of which corruptions hurt which method: a row a series, a column a corruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bench.errors import PrerequisiteError, UserError
from bench.protocols.corruptions import KNOWN
from bench.report.single import backbone_title
from bench.report.tables import Series

SUFFIXES = (".png", ".svg", ".pdf")


def draw(rows: Sequence[Series], path: Path) -> list[Path]:
    """One picture for each protocol and track that has corruptions, at `path` or numbered beside it; the paths.

    A cell is the mean mIoU over the severities that the series has. Raises UserError for a file of another kind and
    where no series has corruptions, PrerequisiteError where the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"--heatmap {path}: write one of {', '.join(SUFFIXES)}")
    places = sorted({(row.keys["protocol"], row.keys["track"]) for row in rows if row.grid})
    if not places:
        raise UserError("no complete result has corruptions: see `run --corruptions`")
    mpl.rcParams["svg.hashsalt"] = "dgss-bench"  # the same bytes each time
    written = []
    for number, place in enumerate(places):
        mine = [row for row in rows if row.grid and (row.keys["protocol"], row.keys["track"]) == place]
        target = path if not number else path.with_stem(f"{path.stem}-{number + 1}")
        try:
            _figure(mine, place).savefig(target, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise PrerequisiteError(f"cannot write {target}: {error.strerror or error}") from error
        written.append(target)
    return written


def _figure(rows: Sequence[Series], place: tuple[str, str]) -> Figure:
    names = [name for name in KNOWN if any(name in row.grid for row in rows)]
    table = pd.DataFrame(
        [[_mean(row.grid.get(name, {})) for name in names] for row in rows],
        index=[_title(row) for row in rows],
        columns=[name.replace("_", " ") for name in names],
    )
    figure = Figure(figsize=(2.5 + 0.5 * len(names), 1.8 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    sns.heatmap(table, annot=True, fmt=".0f", cmap="viridis", vmin=0, cbar_kws={"label": "mIoU, %"}, ax=axes)
    axes.set_title(f"corruptions, {place[0]}, track {place[1]}")
    axes.tick_params(axis="y", rotation=0)
    return figure


def _title(row: Series) -> str:
    backbone = backbone_title(row.keys["backbone"], row.keys["weights"])
    variant = f" ({row.keys['variant']})" if row.keys["variant"] else ""
    return f"{row.keys['method']}{variant}, {backbone}"


def _mean(row: dict[int, float]) -> float:
    return sum(row.values()) / len(row) if row else float("nan")
