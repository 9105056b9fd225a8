"""Ranks with ties: rows of a leaderboard that the bootstrap cannot tell apart share one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from bench.per_image import per_image_path, read_per_image
from bench.report.bootstrap import ALPHA, Difference, Run, difference, draw, holm, image_counts, same_labels
from bench.report.scored import Scored
from bench.report.scores import SCORED
from bench.report.series import GROUPS, Place, Series, place_of, ranked_by, unlike
from bench.report.single import backbone_title
from bench.result import read_result

TESTED = 20
"""Rows of a protocol and track, from the top, that are compared: of more, Holm's 190 comparisons leave nothing."""


class Tie(NamedTuple):
    """Two rows that are not told apart."""

    ahead: int
    behind: int
    """Places in the table, from 0."""
    difference: Difference
    adjusted: float
    """p-value, adjusted for all comparisons in the table."""


class Standing(NamedTuple):
    """The ranks of one table."""

    ranks: dict[int, int]
    """Place in the table, from 0 -> 1 + the number of rows ahead: of those tested, the ones significantly ahead; of
    others, the ones above."""
    tested: tuple[int, ...]
    """The places that were compared."""
    ties: tuple[Tie, ...]
    comparisons: int


def standings(rows: Sequence[Series], scored: Sequence[Scored]) -> dict[Place, Standing]:
    """The ranks of each protocol and track; `rows` in their order, `scored` their runs.

    Rows are compared where every run of theirs has its counts of single images. Raises DamagedFile for counts that are
    not those of their result.
    """
    runs: dict[str, list[Scored]] = {}
    for run in scored:
        if run.complete:
            runs.setdefault(run.series, []).append(run)
    tables: dict[Place, list[Series]] = {}
    for row in rows:
        tables.setdefault(place_of(row), []).append(row)
    keys, others = ranked_by(rows), unlike(rows)
    return {
        place: _standing(table, [runs.get(row.series, []) for row in table], keys[place], others)
        for place, table in tables.items()
    }


def load_runs(runs: Sequence[Scored], targets: Sequence[str]) -> list[Run]:
    """The counts of single images of these runs, of these targets. Raises DamagedFile where they are not to be had."""
    found = []
    for run in runs:
        if run.path is None:
            raise ValueError("a result without a file has no counts of single images")
        arrays = read_per_image(run.path, read_result(run.path), targets)
        counts = {target: image_counts(array) for target, array in arrays.items()}
        found.append(Run(run.spec.seed, counts, {target: run.images[target][1] for target in targets}))
    return found


def _standing(table: Sequence[Series], runs: Sequence[Sequence[Scored]], key: str, others: Collection[str]) -> Standing:
    """`others` are the series of rows whose mean is not of what the rest's is of.

    Whether images have the same labels is seen when their counts are read.
    """
    places = [
        place
        for place, (row, mine) in enumerate(zip(table[:TESTED], runs, strict=False))
        if key in row.stats and row.series not in others and mine and all(map(_has_counts, mine))
    ]
    found: list[Tie] = []
    ahead: dict[int, int] = dict.fromkeys(range(len(table)), 0)
    loaded: dict[int, list[Run]] = {}
    if len(places) > 1:
        spec = runs[places[0]][0].spec
        targets = [target.name for target in spec.targets if target.group == GROUPS[key]]
        loaded = {place: load_runs(runs[place], targets) for place in places}
        first = loaded[places[0]][0]
        places = [place for place in places if all(same_labels(first, run) for run in loaded[place])]
    pairs = list(combinations(places, 2))
    if pairs:
        draws = draw([loaded[place] for place in places], targets, SCORED[spec.classes])
        of = dict(zip(places, draws, strict=True))
        differences = [difference(of[one], of[two]) for one, two in pairs]
        adjusted = holm([each.p for each in differences])
        for (one, two), each, p in zip(pairs, differences, adjusted, strict=True):
            if p < ALPHA:
                ahead[two] += 1
            else:
                found.append(Tie(one, two, each, p))
    tested = tuple(places) if pairs else ()
    untested = [place for place in range(len(table)) if place not in tested]
    above = {place: sum(other < place for other in untested) for place in range(len(table))}
    ranks = {place: 1 + (ahead[place] + above[place] if place in tested else place) for place in range(len(table))}
    return Standing(ranks, tested, tuple(found), len(pairs))


def _has_counts(run: Scored) -> bool:
    return run.path is not None and per_image_path(run.path).exists()


def rank_cells(rows: Sequence[Series], standing: Standing | None) -> list[str]:
    """The ranks of a table's rows as they are shown: `2`, `1=` where several share it, `(3)` where not compared."""
    if standing is None:
        return [f"({place + 1})" for place in range(len(rows))]
    tied = {place for tie in standing.ties for place in (tie.ahead, tie.behind)}
    marks = {place: "=" if place in tied else "" for place in standing.tested}
    return [
        f"{rank}{marks[place]}" if place in marks else f"({rank})" for place, rank in sorted(standing.ranks.items())
    ]


def ranks_and_ties(rows: Sequence[Series], found: Mapping[Place, Standing]) -> list[tuple[str, str]]:
    """Of each row its rank, in brackets where it was not compared, and the names of the rows that it ties with."""
    tables: dict[Place, list[Series]] = {}
    for row in rows:
        tables.setdefault(place_of(row), []).append(row)
    cells: dict[Place, list[tuple[str, str]]] = {}
    for place, table in tables.items():
        standing = found.get(place)
        with_: dict[int, list[str]] = {}
        for tie in standing.ties if standing else ():
            with_.setdefault(tie.ahead, []).append(named(table[tie.behind]))
            with_.setdefault(tie.behind, []).append(named(table[tie.ahead]))
        ranks = [cell.rstrip("=") for cell in rank_cells(table, standing)]
        cells[place] = [(rank, "; ".join(with_.get(number, []))) for number, rank in enumerate(ranks)]
    following = {place: iter(each) for place, each in cells.items()}
    return [next(following[place_of(row)]) for row in rows]


def named(row: Series) -> str:
    """A row in a sentence."""
    variant = f" ({row.keys['variant']})" if row.keys["variant"] else ""
    return f"{row.keys['method']}{variant} on {backbone_title(row.keys['backbone'], row.keys['weights'])}"
