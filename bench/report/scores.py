"""Scores of one run, in percent, from its confusion matrices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench import metrics
from bench.result import RunResult
from bench.spec import Group

SUMMARY = ("source", "unseen_mean", "unseen_worst", "weather_mean", "corruption_mean")
"""The summary's keys, in the order of every table."""


class TargetScore(NamedTuple):
    """One evaluation set."""

    group: Group
    miou: float | None
    """Percent; None when nothing is labelled."""
    images: int


class Scores(NamedTuple):
    """What a run reached."""

    targets: dict[str, TargetScore]
    """In the protocol's order."""
    summary: dict[str, float | None]
    """Percent, by the keys of SUMMARY; None where the protocol (or a partial run) has no such target."""


def scores(result: RunResult) -> Scores:
    """mIoU of each target evaluated so far, and the means over groups."""
    order = [target.name for target in result.spec.targets if target.name in result.targets]
    found = {name: result.targets[name] for name in order}
    fractions = {name: metrics.miou(np.array(target.confusion)) for name, target in found.items()}
    targets = {
        name: TargetScore(target.group, _percent(fractions[name]), target.images) for name, target in found.items()
    }
    means = metrics.summarise({name: (target.group, fractions[name]) for name, target in found.items()})
    return Scores(targets, {key: _percent(means[key]) for key in SUMMARY})


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None or np.isnan(fraction) else 100 * float(fraction)
