"""What a picture is drawn of: the complete runs of one protocol and track, with the rows' names, order and looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.errors import UnknownName
from bench.report.board import Board
from bench.report.frame import to_frame
from bench.report.scored import Scored
from bench.report.series import RANKED_BY, Place, Series, place_of
from bench.report.single import backbone_title
from bench.report.standings import Standing
from bench.report.theme import NothingToDraw, Style, styles
from bench.result import RunResult, read_result

GROUPS = tuple(key.removesuffix("_mean") for key in RANKED_BY)
"""The groups of targets that a score can be of, the most telling first."""
LONGEST = 40
"""Letters of a variant in a row's name."""


class Wanted(NamedTuple):
    """What the user chose; empty is everything."""

    protocols: Sequence[str] = ()
    tracks: Sequence[str] = ()
    methods: Sequence[str] = ()
    """By name, or by name and variant as the leaderboard or a picture writes them: `rein (linked=True)`."""
    backbones: Sequence[str] = ()
    targets: Sequence[str] = ()
    random: bool = False
    """With runs of random weights."""


class Table(NamedTuple):
    """Rows to draw; percent everywhere."""

    protocol: str
    track: str
    labels: list[str]
    """One a row, in the leaderboard's order."""
    styles: dict[str, Style]
    frame: pd.DataFrame
    """A line a run, with the columns of `report.frame.to_frame` and `label`."""
    runs: dict[str, list[Scored]]
    """Label -> the row's runs, by seed."""
    targets: tuple[str, ...]
    """The targets that the user chose."""
    common: str
    """What all rows share, in words."""
    fitting: int
    """How many rows there are of what was chosen; those of `labels` are the best of them."""
    ties: frozenset[frozenset[str]]
    """Pairs of rows that the leaderboard calls a tie, of their means over the targets that rows are ranked by."""
    given: Mapping[Path, RunResult]
    """Whole results by their paths, if they are at hand."""

    @property
    def name(self) -> str:
        """For file names and messages."""
        return f"{self.protocol}, track {self.track}"

    def note(self, *more: str) -> str:
        """What stands above a picture: what it was measured on."""
        best = f"the best {len(self.labels)} of {self.fitting} rows" if len(self.labels) < self.fitting else ""
        return "; ".join(filter(None, [self.name, self.common, best, *more]))

    def only(self, label: str) -> Table:
        """One row of these."""
        return self._of([label])._replace(fitting=1)

    def best(self, count: int) -> Table:
        """The first so many of these."""
        return self if count >= len(self.labels) else self._of(self.labels[:count])

    def _of(self, labels: list[str]) -> Table:
        return self._replace(
            labels=labels,
            styles={label: self.styles[label] for label in labels},
            frame=self.frame[self.frame["label"].isin(labels)],
            runs={label: self.runs[label] for label in labels},
        )

    @property
    def spec_targets(self) -> Sequence[tuple[str, str]]:
        """(name, group) of the targets of the first row."""
        return [(target.name, target.group) for target in next(iter(self.runs.values()))[0].spec.targets]

    def results(self, label: str) -> list[RunResult]:
        """The runs of a row with what `runs` lacks: matrices and curves. Reads their files; raises DamagedFile."""
        paths = [run.path for run in self.runs[label] if run.path is not None]
        return [self.given[path] if path in self.given else read_result(path) for path in paths]

    def group(self) -> str:
        """The group whose mean rows are ranked by. Raises NothingToDraw where there is none."""
        for name in GROUPS:
            if _has(self.frame, f"{name}_mean"):
                return name
        raise NothingToDraw("no run has a score but the source's")

    def chosen(self) -> tuple[str, list[str]]:
        """The targets that classes are looked at on, in words and by name: the user's, else the ranking group's."""
        if self.targets:
            return ", ".join(self.targets), list(self.targets)
        wanted = self.group()
        return f"{wanted} targets", [name for name, group in self.spec_targets if group == wanted]

    def seeds(self) -> str:
        """What an interval means here."""
        counts = sorted({len(runs) for runs in self.runs.values()})
        if counts == [1]:
            return "one seed"
        span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"mean ± std over {span} seeds"


class Selected(NamedTuple):
    """What is to be drawn."""

    tables: list[Table]
    left_out: list[str]
    """A line for each protocol and track that lacks a target which was chosen."""


def select(board: Board, wanted: Wanted, given: Mapping[Path, RunResult] | None = None) -> Selected:
    """The tables that were asked for, of each protocol and track one. `given` are results that need not be read.

    Raises UnknownName for names that no complete run has, NothingToDraw where no run has all of them.
    """
    complete = [run for run in board.scored if run.complete]
    _check(complete, wanted)
    looks = _looks(board.rows)
    frame = to_frame(complete)
    places: dict[Place, list[Series]] = {}
    for row in board.rows:
        places.setdefault(place_of(row), []).append(row)
    kept = {place: [row for row in rows if _fits(row, wanted)] for place, rows in sorted(places.items())}
    kept = {place: rows for place, rows in kept.items() if rows}
    if not kept:
        raise NothingToDraw("no complete run fits what was chosen" + _hint(board.rows))
    tables, left_out = [], []
    for place, rows in kept.items():
        labels = _labels(rows)
        ties = _ties(places[place], board.standings.get(place), labels)
        table = _table(rows, labels, frame, complete, looks)
        table = table._replace(targets=tuple(wanted.targets), ties=ties, given=given or {})
        there = {name for name, _ in table.spec_targets}
        if missing := [name for name in wanted.targets if name not in there]:
            left_out.append(f"{table.name}, has no target {missing[0]} and is left out")
        else:
            tables.append(table)
    if not tables:
        raise NothingToDraw("; ".join(left_out))
    return Selected(tables, left_out)


def _check(runs: Sequence[Scored], wanted: Wanted) -> None:
    """Raise UnknownName for names that no complete run has."""
    specs = [run.spec for run in runs]
    known = {
        "protocol": (wanted.protocols, {spec.protocol for spec in specs}),
        "track": (wanted.tracks, {spec.track.name for spec in specs}),
        "method": ([name.partition(" (")[0] for name in wanted.methods], {spec.method for spec in specs}),
        "backbone": (wanted.backbones, {spec.backbone for spec in specs}),
        "target": (wanted.targets, {target.name for spec in specs for target in spec.targets}),
    }
    for kind, (names, there) in known.items():
        for name in names:
            if name not in there:
                raise UnknownName(f"{kind} among the complete results:", name, there)


def _fits(row: Series, wanted: Wanted) -> bool:
    keys = row.keys
    named = {keys["method"], f"{keys['method']} ({keys['variant']})", _short(row)}
    return (
        (not wanted.protocols or keys["protocol"] in wanted.protocols)
        and (not wanted.tracks or keys["track"] in wanted.tracks)
        and (not wanted.methods or bool(named & set(wanted.methods)))
        and (not wanted.backbones or keys["backbone"] in wanted.backbones)
        and (wanted.random or keys["weights"] != "random")
    )


def _hint(rows: Sequence[Series]) -> str:
    random = any(row.keys["weights"] == "random" for row in rows)
    return " (runs of random weights are drawn with --random)" if random else ""


def _short(row: Series) -> str:
    """The method and its variant, of which no more than fits a picture."""
    variant = row.keys["variant"].replace("method_config.", "")
    variant = variant if len(variant) <= LONGEST else variant[: LONGEST - 1] + "…"
    return row.keys["method"] + (f" ({variant})" if variant else "")


def _look(row: Series) -> tuple[str, str, str]:
    """What a row's style is of."""
    return row.keys["method"], f"{row.keys['backbone']} {row.keys['weights']}", row.keys["variant"]


def _looks(rows: Sequence[Series]) -> dict[tuple[str, str, str], Style]:
    """By all rows there are, so that a choice of them looks as all do; random weights after pre-trained ones."""
    return styles(sorted({_look(row) for row in rows}, key=lambda look: (" random" in look[1], *look)))


def _of_these(
    rows: Sequence[Series], labels: Sequence[str], looks: Mapping[tuple[str, str, str], Style]
) -> dict[str, Style]:
    """Label -> style: of all rows there are, unless these are so many that some of the rows here look alike."""
    mine = [looks[_look(row)] for row in rows]
    if len(set(mine)) < len(mine):
        names = [(*_look(row)[:2], label) for row, label in zip(rows, labels, strict=True)]
        mine = list(styles(names).values())
    return dict(zip(labels, mine, strict=True))


def _labels(rows: Sequence[Series]) -> dict[str, str]:
    """Series -> the row's name in a picture, with its backbone where there are several."""
    lone = len({(row.keys["backbone"], row.keys["weights"]) for row in rows}) == 1
    found: dict[str, str] = {}
    for row in rows:
        label = _short(row) if lone else f"{_short(row)}, {backbone_title(row.keys['backbone'], row.keys['weights'])}"
        alike = sum(other.partition(" #")[0] == label for other in found.values())
        found[row.series] = f"{label} #{alike + 1}" if alike else label
    return found


def _ties(rows: Sequence[Series], standing: Standing | None, labels: Mapping[str, str]) -> frozenset[frozenset[str]]:
    """Those of the leaderboard's ties, of all `rows`, that are between two that have a label."""
    pairs = [(rows[tie.ahead].series, rows[tie.behind].series) for tie in standing.ties] if standing else []
    return frozenset(frozenset(labels[one] for one in pair) for pair in pairs if all(one in labels for one in pair))


def _table(
    rows: Sequence[Series],
    labels: Mapping[str, str],
    frame: pd.DataFrame,
    complete: Sequence[Scored],
    looks: Mapping[tuple[str, str, str], Style],
) -> Table:
    """One protocol and track. A line of the frame is the run of the same place in `complete`."""
    backbones = {backbone_title(row.keys["backbone"], row.keys["weights"]) for row in rows}
    order = {series: place for place, series in enumerate(labels)}
    mine = frame[frame["series"].isin(list(labels))]
    mine = mine.assign(label=mine["series"].map(labels), place=mine["series"].map(order))
    mine = mine.sort_values(["place", "seed"])
    names = list(labels.values())
    return Table(
        protocol=rows[0].keys["protocol"],
        track=rows[0].keys["track"],
        labels=names,
        styles=_of_these(rows, names, looks),
        frame=mine,
        runs={label: [complete[line] for line in mine.index[mine["label"] == label]] for label in names},
        targets=(),
        common=backbones.pop() if len(backbones) == 1 else "",
        fitting=len(names),
        ties=frozenset(),
        given={},
    )


def _has(frame: pd.DataFrame, column: str) -> bool:
    return column in frame.columns and bool(frame[column].notna().any())
