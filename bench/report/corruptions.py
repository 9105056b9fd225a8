"""What a sweep of corruptions says: by type and severity, by group, against clean images. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from bench.protocols.corruptions import COMMON, GROUPS, ICE, SEVERITIES
from bench.report.same_images import first_counts, images_of, is_beginning
from bench.report.scores import Measures, Scores, miou_percent
from bench.result import RunResult

Grid = dict[str, dict[int, float]]
"""Corruption -> severity -> mIoU in percent."""
WORST = 5


class Sweep(NamedTuple):
    """The corruptions of one run; percent, None where what it is a mean of is not complete."""

    grid: Grid
    clean: float | None
    """mIoU on the very same images as they are; None where it is not known, or the sweep is not complete."""
    at_5: float | None
    """Mean over the sixteen at severity 5 ("L5")."""
    over_all: float | None
    """Mean over the sixteen and all five severities."""
    groups: dict[str, float | None]
    """Mean of each group of four at severity 5."""
    drop: float | None
    """How much of the clean mIoU is lost on average, over all that was scored."""


class Clean(NamedTuple):
    """The target that shows the images of all corrupted ones as they are."""

    name: str
    corrupted: str | None
    """One of those, where they are only the first images of the clean target."""


def sweep(
    result: RunResult, found: Scores | Measures, path: Path | None = None, clean: Clean | None = None
) -> Sweep | None:
    """The corruptions that a run has scores of; None where there are none.

    `path` is the result's file, if it has one: where only the first images of a set were corrupted, what they score
    clean is read from the counts beside it. Raises DamagedFile where these are there and are not the result's.
    """
    grid: Grid = {}
    mious = found.mious
    for target in result.spec.targets:
        score = mious.get(target.name)
        if target.corruption and target.severity and score is not None:
            grid.setdefault(target.corruption, {})[target.severity] = score
    if not grid:
        return None
    whole = _clean_miou(result, mious, clean or clean_target(result), path)
    flat = [score for row in grid.values() for score in row.values()]
    return Sweep(
        grid=grid,
        clean=whole,
        at_5=_mean(grid, COMMON, (WORST,)),
        over_all=_mean(grid, COMMON, SEVERITIES),
        groups={name: _mean(grid, members, (WORST,)) for name, members in GROUPS.items()},
        drop=100 * (1 - sum(flat) / len(flat) / whole) if whole else None,
    )


def clean_target(result: RunResult) -> Clean | None:
    """Which target shows all corrupted images as they are; None where none does, or the sweep is not complete.

    It depends on the spec's targets and on what images the results are of, and is the same for all runs of a protocol.
    """
    corrupted = [target for target in result.spec.targets if target.corruption]
    if not corrupted or any(target.name not in result.targets for target in corrupted):
        return None
    mine, *others = (images_of(result, target) for target in corrupted)
    if any(other != mine for other in others):
        return None
    scored = [t for t in result.spec.targets if t.corruption is None and t.name in result.targets]
    same = [t.name for t in scored if images_of(result, t)[:2] == mine[:2]]
    if len(same) == 1:
        return Clean(same[0], None)
    more = [t.name for t in scored if is_beginning(mine, images_of(result, t))]
    return Clean(more[0], corrupted[0].name) if len(more) == 1 and not same else None


def _clean_miou(
    result: RunResult, mious: Mapping[str, float | None], clean: Clean | None, path: Path | None
) -> float | None:
    """mIoU in percent on the images of all corrupted targets as they are; None where that is not known."""
    if clean is None or clean.corrupted is None:
        return mious[clean.name] if clean else None
    counts = first_counts(result, clean.name, clean.corrupted, path) if path else None
    return None if counts is None else miou_percent(result, counts)


def relative(mine: Grid, reference: Grid) -> float | None:
    """Mean corruption error against a reference: error over the reference's error, of each corruption, in percent.

    Below 100 is better than the reference. Hendrycks and Dietterich (ICLR 2019), equation 1, with 1 - mIoU for the
    error; over the corruptions and severities that both have, None if there are none.
    """
    ratios = []
    for name in mine.keys() & reference.keys():
        common = mine[name].keys() & reference[name].keys()
        errors = [sum(100 - grid[name][severity] for severity in common) for grid in (mine, reference)]
        if common and errors[1] > 0:
            ratios.append(100 * errors[0] / errors[1])
    return sum(ratios) / len(ratios) if ratios else None


def mean_grid(grids: Sequence[Grid]) -> Grid:
    """The mean of repetitions, of what all of them have."""
    first, *others = grids
    return {
        name: {
            severity: sum(grid[name][severity] for grid in grids) / len(grids)
            for severity in row
            if all(severity in grid.get(name, {}) for grid in others)
        }
        for name, row in first.items()
    }


def pairs(grid: Grid) -> frozenset[tuple[str, int]]:
    """The corruptions and severities of a grid: means are comparable between grids of the same ones alone."""
    return frozenset((name, severity) for name, scores in grid.items() for severity in scores)


def render(found: Sweep) -> Table:
    """A heat map: a row a corruption, a column a severity, green to red with the mIoU."""
    severities = sorted({severity for row in found.grid.values() for severity in row})
    values = [score for row in found.grid.values() for score in row.values()]
    low, high = min(values), max([*values, found.clean or 0])
    table = Table(title="corruptions, mIoU by severity")
    table.add_column("corruption")
    for severity in severities:
        table.add_column(str(severity), justify="right")
    groups = {name: group for group, names in GROUPS.items() for name in names} | {ICE: "weather"}
    previous = None
    for name, row in found.grid.items():
        group = groups.get(name, "others")
        if previous not in (None, group):
            table.add_section()
        previous = group
        table.add_row(name, *(_cell(row.get(severity), low, high) for severity in severities))
    return table


def summary(found: Sweep) -> dict[str, float | None]:
    """The sweep's figures, by their titles."""
    titles: Mapping[str, float | None] = {
        "clean, the same images": found.clean,
        "16 corruptions, severity 5 (L5)": found.at_5,
        "16 corruptions, severities 1 to 5": found.over_all,
        **{f"{name}, severity 5": value for name, value in found.groups.items()},
        "lost of clean, percent": found.drop,
    }
    return {title: value for title, value in titles.items() if value is not None}


FIGURES = (
    *("corruption_l5", "corruption_1_to_5"),
    *(f"corruption_{group}_l5" for group in GROUPS),
    "corruption_drop",
)
"""The columns that leaderboards have of a sweep, where a row has them."""


def figures(found: Sweep | None) -> dict[str, float | None]:
    """The sweep's figures by the keys of FIGURES."""
    if found is None:
        return dict.fromkeys(FIGURES)
    values = (found.at_5, found.over_all, *(found.groups[group] for group in GROUPS), found.drop)
    return dict(zip(FIGURES, values, strict=True))


def _mean(grid: Grid, names: tuple[str, ...], severities: tuple[int, ...]) -> float | None:
    """Over all of these, or nothing: a mean of other corruptions is another number."""
    try:
        scores = [grid[name][severity] for name in names for severity in severities]
    except KeyError:
        return None
    return sum(scores) / len(scores)


def _cell(score: float | None, low: float, high: float) -> Text:
    if score is None:
        return Text("-")
    share = (score - low) / (high - low) if high > low else 1.0
    return Text(f"{score:.1f}", style=f"black on rgb({int(255 - 100 * share)},{int(130 + 110 * share)},130)")
