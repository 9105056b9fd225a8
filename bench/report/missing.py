"""Runs that a table lacks: of its grid of methods, backbones and seeds, what has no complete result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from bench.report.scored import Scored
from bench.report.series import Place, Series
from bench.spec import NO_BACKBONE


class Missing(NamedTuple):
    """Of one protocol and track."""

    seeds: dict[str, tuple[int, ...]]
    """Series -> the seeds that others have, and it has not."""
    pairs: tuple[tuple[str, str], ...]
    """Methods and backbones that have results, but none together."""
    every_seed: tuple[int, ...]
    """All seeds of the grid."""


def missing(rows: Sequence[Series], results: Iterable[Scored], place: Place) -> Missing:
    """What the table of these rows lacks; `results` are all of the folder, unfinished ones included.

    The grid is that of what is there: every method, backbone and seed that has any result of this protocol and track.
    Random weights are a control, and a method with a model of its own has no backbone: neither asks for a partner.
    """
    specs = [result.spec for result in results if (result.spec.protocol, result.spec.track.name) == place]
    every = tuple(sorted({spec.seed for spec in specs}))
    seeds = {row.series: tuple(seed for seed in every if seed not in row.members) for row in rows}
    grid = [spec for spec in specs if spec.weights != "random" and spec.backbone != NO_BACKBONE]
    there = {(row.keys["method"], row.keys["backbone"]) for row in rows if row.keys["weights"] != "random"}
    wanted = product(sorted({spec.method for spec in grid}), sorted({spec.backbone for spec in grid}))
    return Missing(seeds, tuple(pair for pair in wanted if pair not in there), every)
