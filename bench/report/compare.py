"""Two runs, or two methods over their seeds, compared on the very same images: `python -m bench compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table

from bench.errors import UserError
from bench.per_image import per_image_path
from bench.report.bootstrap import ALPHA, DRAWS, Difference, Run, difference, draw, holm, same_labels
from bench.report.frame import RANKED_GROUPS
from bench.report.scored import Scored, read_scored, score
from bench.report.scores import SCORED
from bench.report.single import backbone_title
from bench.report.standings import load_runs
from bench.result import read_result
from bench.spec import Target

WIDTH = 110
"""Columns of text that the tables take."""


_ONE_SEED = "nothing of what another seed would give (--seeds takes all there are)"
_SEEDS = "with what other trainings would change"


class Line(NamedTuple):
    """One figure of both: a target's mIoU, or the mean over a group of targets; percent, averaged over seeds."""

    what: str
    images: int
    """Different scenes: one that several targets show counts once."""
    first: float
    second: float
    difference: Difference
    """The first minus the second, in points."""
    adjusted: float
    """p-value, adjusted for the comparisons beside it."""

    @property
    def verdict(self) -> str:
        """Who is ahead."""
        if self.adjusted >= ALPHA:
            return "tie"
        return "first" if self.difference.value > 0 else "second"


class Comparison(NamedTuple):
    """What the bootstrap says of two sides."""

    first: str
    second: str
    seeds: tuple[int, int]
    """How many each has."""
    means: list[Line]
    """Of the groups of targets."""
    targets: list[Line]
    draws: int


def compare(first: Sequence[Scored], second: Sequence[Scored], draws: int = DRAWS) -> Comparison:
    """The runs of each side, one a seed, on all targets that both were scored on; of two protocols, on what they share.

    p-values are adjusted by Holm's method: those of the means for their number, those of single targets for theirs.
    Raises UserError where the sides have no images in common or are scored on other classes, or lack counts of single
    images, DamagedFile for counts that are not those of their result.
    """
    for run in (*first, *second):
        if run.path is None or not per_image_path(run.path).exists():
            where = per_image_path(run.path) if run.path else _named(first)
            raise UserError(f"{where} is not there: a comparison resamples the counts of single images")
    classes = SCORED[first[0].spec.classes]
    if classes != SCORED[second[0].spec.classes]:
        told = " and ".join(side[0].spec.classes for side in (first, second))
        raise UserError(f"the runs are scored on other classes: {told}")
    names = _shared(first, second)
    sides = (load_runs(first, names), load_runs(second, names))
    if not all(same_labels(sides[0][0], run) for side in sides for run in side):
        raise UserError("the runs have other labels on the same images; `results validate` says which")
    targets = _lines({name: [name] for name in names}, sides, classes, draws)
    means = _lines(_groups(first[0], second[0], names), sides, classes, draws)
    return Comparison(_named(first), _named(second), (len(first), len(second)), means, targets, draws)


def _shared(first: Sequence[Scored], second: Sequence[Scored]) -> list[str]:
    """The targets that all runs were scored on. Raises UserError where there are none, or one is of other images."""
    runs = (*first, *second)
    names = [t.name for t in first[0].spec.targets if all(t.name in run.images for run in runs)]
    seen = [{target.name: _what_is_seen(target) for target in run.spec.targets} for run in runs]
    same = {
        name: len({(run.images[name], of[name]) for run, of in zip(runs, seen, strict=True)}) == 1 for name in names
    }
    other = [name for name in names if not same[name]]
    one, two = (f"{side[0].spec.protocol}, track {side[0].spec.track.name}" for side in (first, second))
    if one == two and other:
        raise UserError(f"target {other[0]!r} was not scored on the same images in all of these runs")
    if found := [name for name in names if name not in other]:
        return found
    where = "" if one == two else f" ({one}; {two})"
    raise UserError(f"the runs have no target in common that both were scored on, image by image{where}")


def _what_is_seen(target: Target) -> tuple[object, ...]:
    """Of two targets the same where their images are, given the same list of files."""
    return target.dataset, target.view, target.corruption, target.severity


def sides(names: tuple[str, str], results: Path, seeds: bool = False) -> tuple[list[Scored], list[Scored]]:
    """The runs of these names: paths of result files, or beginnings of hashes below `results`.

    With `seeds`, all of the folder that differ from the named in nothing but the seed. Raises UserError for a name of
    no run or of several, where both are the same, and where the folder has no such runs.
    """
    first, second = (_one(name, results) for name in names)
    if not seeds:
        if first.spec == second.spec:
            raise UserError(f"{names[0]} and {names[1]} are the same run")
        return [first], [second]
    if first.series == second.series:
        raise UserError(f"{names[0]} and {names[1]} are seeds of the same")
    found: list[list[Scored]] = [[], []]
    for one in read_scored(results).scored:
        for mine, named in zip(found, (first, second), strict=True):
            if one.series == named.series and one.complete:
                mine.append(one)
    for name, mine in zip(names, found, strict=True):
        if not mine:
            raise UserError(f"no complete run like {name} below {results}, where --seeds looks: name it with --results")
    return found[0], found[1]


def document(found: Comparison) -> dict[str, Any]:
    """The JSON document of `compare --json`."""
    lines = {kind: [_plain(line) for line in of] for kind, of in (("means", found.means), ("targets", found.targets))}
    return {
        "first": found.first,
        "second": found.second,
        "seeds": found.seeds,
        "draws": found.draws,
        "alpha": ALPHA,
        **lines,
    }


def _plain(line: Line) -> dict[str, Any]:
    return line._asdict() | {"difference": line.difference._asdict(), "ahead": line.verdict}


def render(found: Comparison) -> RenderableType:
    """Both tables for the eyes."""
    head = f"first:  {found.first}\nsecond: {found.second}"
    foot = (
        f"{found.draws:,} paired draws of images, a scene that several targets show counted once; 95% intervals;\n"
        f"p by Holm for the lines of a table; {_ONE_SEED if max(found.seeds) == 1 else _SEEDS}"
    )
    return Stack(head, *(_table(lines) for lines in (found.means, found.targets) if lines), foot)


def _table(lines: Sequence[Line]) -> Table:
    table = Table()
    table.add_column("mIoU, %", no_wrap=True)
    for column in ("images", "first", "second", "difference", "95% interval", "p", "p adjusted"):
        table.add_column(column, justify="right")
    table.add_column("ahead")
    for line in lines:
        value, low, high, p = line.difference
        interval = f"{low:+.2f} to {high:+.2f}"
        numbers = (f"{line.first:.1f}", f"{line.second:.1f}", f"{value:+.2f}", interval)
        style = "bold" if line.verdict != "tie" else ""
        chances = (f"{p:.4f}", f"{line.adjusted:.4f}")
        table.add_row(line.what, str(line.images), *numbers, *chances, line.verdict, style=style)
    return table


def _lines(
    members: Mapping[str, Sequence[str]],
    sides: Sequence[Sequence[Run]],
    classes: Sequence[int] | None,
    draws: int,
) -> list[Line]:
    """One line for the mean over each set of targets; p-values adjusted for their number."""
    found = []
    for what, names in members.items():
        first, second = draw(sides, names, classes, draws)
        found.append(Line(what, first.images, first.mean, second.mean, difference(first, second), 1.0))
    adjusted = holm([line.difference.p for line in found])
    return [line._replace(adjusted=p) for line, p in zip(found, adjusted, strict=True)]


def _groups(first: Scored, second: Scored, names: Sequence[str]) -> dict[str, list[str]]:
    """Title -> the targets of each group that both have completely, and the same."""
    groups: dict[str, list[str]] = {}
    for group in ("source", *RANKED_GROUPS):
        members, others = ([t.name for t in run.spec.targets if t.group == group] for run in (first, second))
        if members and set(members) == set(others) <= set(names):
            groups["source" if group == "source" else f"{group} mean"] = members
    return groups


def _one(name: str, results: Path) -> Scored:
    path = find_result(name, results)
    return score(read_result(path))._replace(path=path)


def find_result(name: str, root: Path) -> Path:
    """The result file of that path, or the one below ``root`` whose name begins so. Raises UserError."""
    if Path(name).is_file():
        return Path(name)
    found = sorted(path for path in root.glob("*/*/*/*.json") if path.name.startswith(name)) if name else []
    if len(found) == 1:
        return found[0]
    what = "several results begin" if found else "no result file begins"
    raise UserError(f"{what} with {name!r} below {root}; see `python -m bench ls runs`")


def _named(side: Sequence[Scored]) -> str:
    spec, seeds = side[0].spec, sorted(run.spec.seed for run in side)
    backbone = backbone_title(spec.backbone, spec.weights)
    settings = "".join(f", {key}={value}" for key, value in sorted(side[0].settings.items()))
    number = "seed" if len(seeds) == 1 else "seeds"
    where = f"{spec.protocol}, track {spec.track.name}"
    return f"{spec.method} on {backbone}{settings}, {where}, {number} {', '.join(map(str, seeds))}"
