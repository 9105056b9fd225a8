"""Pictures of what hurts which method: a heat map of corruptions, curves of mIoU against severity."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bench.errors import PrerequisiteError, UserError
from bench.protocols.corruptions import KNOWN
from bench.report.frame import TARGET
from bench.report.series import Series
from bench.report.single import backbone_title

SUFFIXES = (".png", ".svg", ".pdf")


Place = tuple[str, str]
"""Protocol and track."""


def draw_heatmap(rows: Sequence[Series], path: Path) -> list[Path]:
    """A row a series, a column a corruption: the mean mIoU over the severities that the series has.

    One picture for each protocol and track with corruptions, at `path` or numbered beside it; returns the paths. Raises
    UserError for a file of another kind and where no series has corruptions, PrerequisiteError where it cannot write.
    """
    places = _by_place([row for row in rows if row.grid])
    if not places:
        raise UserError("no complete result has corruptions: see `run --corruptions`")
    return save([_heatmap(mine, place) for place, mine in places.items()], path)


def draw_curves(rows: Sequence[Series], path: Path) -> list[Path]:
    """mIoU against severity, a panel each kind of weather or corruption that has several, a line a series.

    Pictures, paths and errors as of `draw_heatmap`.
    """
    places = _by_place([row for row in rows if _ladders(row)])
    if not places:
        raise UserError("no complete result has several severities of anything: see protocol streets-weather")
    return save([_curves(mine, place) for place, mine in places.items()], path)


def _by_place(rows: Sequence[Series]) -> dict[Place, list[Series]]:
    places = sorted({(row.keys["protocol"], row.keys["track"]) for row in rows})
    return {place: [row for row in rows if (row.keys["protocol"], row.keys["track"]) == place] for place in places}


def save(figures: Sequence[Figure], path: Path) -> list[Path]:
    """Write figures to `path` or numbered beside it; returns the paths.

    Raises UserError for a file of another kind, PrerequisiteError where it cannot write.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: pictures are {', '.join(SUFFIXES)}")
    mpl.rcParams["svg.hashsalt"] = "dgss-bench"  # the same bytes each time
    written = []
    for number, figure in enumerate(figures):
        target = path if not number else path.with_stem(f"{path.stem}-{number + 1}")
        try:
            figure.savefig(
                target, dpi=150, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None
            )
        except OSError as error:
            raise PrerequisiteError(f"cannot write {target}: {error.strerror or error}") from error
        written.append(target)
    return written


def _heatmap(rows: Sequence[Series], place: Place) -> Figure:
    names = [name for name in KNOWN if any(name in row.grid for row in rows)]
    table = pd.DataFrame(
        [[_mean(row.grid.get(name, {})) for name in names] for row in rows],
        index=[_title(row) for row in rows],
        columns=[name.replace("_", " ") for name in names],
    )
    figure = Figure(figsize=(max(6.0, 2.5 + 0.5 * len(names)), 1.8 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    sns.heatmap(table, annot=True, fmt=".0f", cmap="viridis", vmin=0, cbar_kws={"label": "mIoU, %"}, ax=axes)
    axes.set_title(f"corruptions, {place[0]}, track {place[1]}")
    axes.tick_params(axis="y", rotation=0)
    return figure


def _ladders(row: Series) -> dict[str, dict[int, float]]:
    """What the series has at several severities: corruptions, and targets named after a kind and a number (`fog-3`)."""
    found: dict[str, dict[int, float]] = {name: dict(scores) for name, scores in row.grid.items()}
    for column, stat in row.stats.items():
        match = re.fullmatch(rf"{TARGET}([a-z]+)-([1-5])", column)
        if match and not math.isnan(stat.mean):
            found.setdefault(match[1], {})[int(match[2])] = stat.mean
    return {name: scores for name, scores in found.items() if len(scores) > 1}


def _curves(rows: Sequence[Series], place: Place) -> Figure:
    points = [
        {"what": name.replace("_", " "), "severity": severity, "mIoU, %": score, "run": _title(row)}
        for row in rows
        for name, scores in _ladders(row).items()
        for severity, score in scores.items()
    ]
    table = pd.DataFrame(points)
    grid = sns.relplot(
        data=table, x="severity", y="mIoU, %", hue="run", style="run", col="what", col_wrap=4, kind="line",
        markers=True, dashes=False, palette="colorblind", height=2.6, facet_kws={"sharey": True},
    )  # fmt: skip
    grid.set_titles("{col_name}").set(xticks=sorted(table["severity"].unique()), ylim=(0, None))
    grid.figure.suptitle(f"{place[0]}, track {place[1]}", y=1.03)
    figure: Figure = grid.figure
    return figure


def _title(row: Series) -> str:
    backbone = backbone_title(row.keys["backbone"], row.keys["weights"])
    variant = f" ({row.keys['variant']})" if row.keys["variant"] else ""
    return f"{row.keys['method']}{variant}, {backbone}"


def _mean(row: dict[int, float]) -> float:
    return sum(row.values()) / len(row) if row else float("nan")
