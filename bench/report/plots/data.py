"""What a picture is drawn of: the complete runs of one protocol and track, with the rows' names, order and looks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.errors import UnknownName, UserError
from bench.report.corruptions import sweep
from bench.report.frame import to_frame
from bench.report.scores import scores
from bench.report.series import RANKED_BY, Series, series
from bench.report.single import backbone_title
from bench.report.theme import Style, styles
from bench.result import RunResult, result_path

GROUPS = tuple(key.removesuffix("_mean") for key in RANKED_BY)
"""The groups of targets that a score can be of, the most telling first."""
LONGEST = 40
"""Letters of a variant in a row's name."""


class NothingToDraw(UserError):
    """These results do not allow this picture; the message says what is missing."""


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
    results: dict[str, list[RunResult]]
    """Label -> the row's runs, by seed."""
    root: Path
    targets: tuple[str, ...]
    """The targets that the user chose."""
    common: str
    """What all rows share, in words."""

    @property
    def name(self) -> str:
        """For file names and messages."""
        return f"{self.protocol}, track {self.track}"

    def note(self, *more: str) -> str:
        """What stands above a picture: what it was measured on."""
        return "; ".join(filter(None, [self.name, self.common, *more]))

    def only(self, label: str) -> Table:
        """One row of these."""
        return self._replace(
            labels=[label],
            frame=self.frame[self.frame["label"] == label],
            results={label: self.results[label]},
        )

    def group(self) -> str:
        """The group whose mean rows are ranked by. Raises NothingToDraw where there is none."""
        for name in GROUPS:
            if _has(self.frame, f"{name}_mean"):
                return name
        raise NothingToDraw("no run has a score but the source's")

    def chosen(self) -> tuple[str, list[str]]:
        """The targets that classes are looked at on, in words and by name: the user's, else the ranking group's."""
        first = next(iter(self.results.values()))[0]
        if self.targets:
            return ", ".join(self.targets), list(self.targets)
        group = self.group()
        return f"{group} targets", [target.name for target in first.spec.targets if target.group == group]

    def seeds(self) -> str:
        """What an interval means here."""
        counts = sorted({len(runs) for runs in self.results.values()})
        if counts == [1]:
            return "one seed"
        span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"mean ± std over {span} seeds"


def select(results: Sequence[RunResult], root: Path, wanted: Wanted) -> list[Table]:
    """The tables that were asked for, of each protocol and track one.

    `root` is the folder that the results were read from. Raises UnknownName for names that no complete run has,
    NothingToDraw where no run has all of them.
    """
    complete = [result for result in results if result.state == "complete"]
    _check(complete, wanted)
    rows = series(complete, root)
    looks = _looks(rows)
    frame = to_frame(complete, root)
    kept = [row for row in rows if _fits(row, wanted)]
    if not kept:
        raise NothingToDraw("no complete run fits what was chosen" + _hint(rows))
    return [
        _table([row for row in kept if _place(row) == place], frame, complete, looks, root, wanted)
        for place in sorted({_place(row) for row in kept})
    ]


def ladders(table: Table) -> pd.DataFrame:
    """What has several severities: a line a run, kind and severity, with columns label, seed, what, severity, score.

    Kinds are corruptions, and targets named after a kind and a number (`fog-3`). Severity 0 is the same images clean,
    where all runs have them.
    """
    lines = [line for label, runs in table.results.items() for run in runs for line in _steps(label, run, table.root)]
    found = pd.DataFrame(lines, columns=["label", "seed", "what", "severity", "score"])
    several = found[found["severity"] > 0].groupby("what")["severity"].nunique()
    found = found[found["what"].isin(several[several > 1].index)]
    clean = found[found["severity"] == 0].groupby("what").size()
    whole = found.drop_duplicates(["label", "seed", "what"]).groupby("what").size()
    without = [what for what in whole.index if clean.get(what, 0) < whole[what]]
    return found[~(found["what"].isin(without) & (found["severity"] == 0))]


def _steps(label: str, run: RunResult, root: Path) -> Iterable[tuple[str, int, str, int, float]]:
    """(label, seed, what, severity, score) of one run."""
    found = scores(run)
    seed = run.spec.seed
    swept = sweep(run, found, result_path(run.spec, root))
    for name, row in swept.grid.items() if swept else ():
        yield from ((label, seed, name, severity, score) for severity, score in row.items())
        if swept is not None and swept.clean is not None:
            yield label, seed, name, 0, swept.clean
    fair = [found.targets[target.name].miou for target in run.spec.targets if target.group == "reference"]
    kinds = set()
    for target in run.spec.targets:
        match = re.fullmatch(r"([a-z]+)-([1-5])", target.name)
        score = found.targets[target.name].miou
        if match and target.corruption is None and score is not None:
            kinds.add(match[1])
            yield label, seed, match[1], int(match[2]), score
    if len(fair) == 1 and fair[0] is not None:
        yield from ((label, seed, kind, 0, fair[0]) for kind in sorted(kinds))


def _check(results: Sequence[RunResult], wanted: Wanted) -> None:
    """Raise UnknownName for names that no complete run has."""
    specs = [result.spec for result in results]
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


def _place(row: Series) -> tuple[str, str]:
    return row.keys["protocol"], row.keys["track"]


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


def _table(
    rows: Sequence[Series],
    frame: pd.DataFrame,
    complete: Sequence[RunResult],
    looks: dict[tuple[str, str, str], Style],
    root: Path,
    wanted: Wanted,
) -> Table:
    """One protocol and track. A line of the frame is the result of the same place in `complete`."""
    lone = len({(row.keys["backbone"], row.keys["weights"]) for row in rows}) == 1
    backbones = [backbone_title(row.keys["backbone"], row.keys["weights"]) for row in rows]
    labels: list[str] = []
    for row, backbone in zip(rows, backbones, strict=True):
        label = _short(row) if lone else f"{_short(row)}, {backbone}"
        alike = sum(other.partition(" #")[0] == label for other in labels)
        labels.append(f"{label} #{alike + 1}" if alike else label)
    keys = ["protocol", "track", "backbone", "method", "variant", "weights"]
    parts = []
    for row, label in zip(rows, labels, strict=True):
        same = (frame[keys] == [row.keys[key] for key in keys]).all(axis=1)
        parts.append(frame[same].sort_values("seed").assign(label=label))
    mine = pd.concat(parts)
    runs = {label: [complete[line] for line in mine.index[mine["label"] == label]] for label in labels}
    return Table(
        protocol=rows[0].keys["protocol"],
        track=rows[0].keys["track"],
        labels=labels,
        styles={label: looks[_look(row)] for row, label in zip(rows, labels, strict=True)},
        frame=mine,
        results=runs,
        root=root,
        targets=tuple(wanted.targets),
        common=backbones[0] if lone else "",
    )


def _has(frame: pd.DataFrame, column: str) -> bool:
    return column in frame.columns and bool(frame[column].notna().any())
