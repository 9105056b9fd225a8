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
from bench.spec import Target

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


def sweep(result: RunResult, found: Scores | Measures, path: Path | None = None) -> Sweep | None:
    """The corruptions that a run has scores of; None where there are none.

    `path` is the result's file, if it has one: where only the first images of a set were corrupted, what they score
    clean is read from the counts beside it. Raises DamagedFile where these are there and are not the result's.
    """
    grid: Grid = {}
    swept, mious = [], found.mious
    for target in result.spec.targets:
        score = mious.get(target.name)
        if target.corruption and target.severity and score is not None:
            grid.setdefault(target.corruption, {})[target.severity] = score
            swept.append(target)
    if not grid:
        return None
    complete = all(target.name in result.targets for target in result.spec.targets if target.corruption)
    whole = _clean(result, mious, swept, path) if complete else None
    flat = [score for row in grid.values() for score in row.values()]
    return Sweep(
        grid=grid,
        clean=whole,
        at_5=_mean(grid, COMMON, (WORST,)),
        over_all=_mean(grid, COMMON, SEVERITIES),
        groups={name: _mean(grid, members, (WORST,)) for name, members in GROUPS.items()},
        drop=100 * (1 - sum(flat) / len(flat) / whole) if whole else None,
    )


def _clean(
    result: RunResult, mious: Mapping[str, float | None], swept: Sequence[Target], path: Path | None
) -> float | None:
    """mIoU in percent on the images of all these corrupted targets as they are; None where that is not known."""
    corrupted = {images_of(result, target) for target in swept}
    if len(corrupted) != 1:
        return None
    (mine,) = corrupted
    scored = [t for t in result.spec.targets if t.corruption is None and t.name in mious]
    same = [t.name for t in scored if images_of(result, t)[:2] == mine[:2]]
    if len(same) == 1:
        return mious[same[0]]
    more = [t.name for t in scored if is_beginning(mine, images_of(result, t))]
    if same or len(more) != 1 or path is None:
        return None
    counts = first_counts(result, more[0], swept[0].name, path)
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
