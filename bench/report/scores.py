"""Scores of one run, in percent, from its counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench import metrics
from bench.data.labels import CLASSES
from bench.result import RunResult, TargetResult
from bench.spec import Classes, Group

SUMMARY = (
    *("source", "unseen_mean", "unseen_worst", "weather_mean", "corruption_mean"),
    *("reliability_mean", "unseen_mean_13", "unseen_ece", "reliability_ece"),
    *("anomaly_auroc", "anomaly_aupr", "anomaly_fpr95"),
)
"""The summary's keys, in the order of every table."""
SCORED: dict[Classes, tuple[int, ...] | None] = {"cityscapes-19": None, "synthia-16": metrics.SYNTHIA_16}


class Anomaly(NamedTuple):
    """How well 1 - confidence finds what no class covers; percent."""

    auroc: float | None
    aupr: float | None
    fpr95: float | None


class TargetScore(NamedTuple):
    """One evaluation set; scores in percent, None where there is nothing to measure."""

    group: Group
    miou: float | None
    images: int
    iou: dict[str, float | None]
    """Of each class; None where it does not occur."""
    pixel_accuracy: float | None
    mean_accuracy: float | None
    ece: float | None
    nll: float | None
    """In nats."""
    anomaly: Anomaly | None
    """None where no anomalies are marked."""


class Scores(NamedTuple):
    """What a run reached."""

    targets: dict[str, TargetScore]
    """In the protocol's order."""
    summary: dict[str, float | None]
    """Percent, by the keys of SUMMARY; None where the protocol has no such target, or one of them is not scored yet."""


def scores(result: RunResult) -> Scores:
    """Scores of each target evaluated so far, and the means over groups."""
    spec = result.spec
    order = [target.name for target in spec.targets if target.name in result.targets]
    found = {name: result.targets[name] for name in order}
    classes = SCORED[spec.classes]
    fractions = {name: metrics.miou(target.confusion, classes) for name, target in found.items()}
    targets = {name: _target(target, fractions[name]) for name, target in found.items()}
    missing = {target.group for target in spec.targets if target.name not in result.targets}
    whole = {name: target for name, target in found.items() if target.group not in missing}
    means = metrics.summarise({name: (target.group, fractions[name]) for name, target in whole.items()})
    unseen = [target for target in whole.values() if target.group == "unseen"]
    if classes is not None:
        means["unseen_mean_13"] = _mean(metrics.miou(target.confusion, metrics.SYNTHIA_13) for target in unseen)
    for group in ("unseen", "reliability"):
        mine = [target for target in whole.values() if target.group == group]
        means[f"{group}_ece"] = _mean(metrics.ece(target.reliability.bins) for target in mine)
    summary = {key: _percent(means.get(key)) for key in SUMMARY}
    marked = [targets[name].anomaly for name in whole if targets[name].anomaly is not None]
    for key in Anomaly._fields:
        figures = [getattr(anomaly, key) for anomaly in marked]
        summary[f"anomaly_{key}"] = None if None in figures else _mean(figures)
    return Scores(targets, summary)


def miou_percent(result: RunResult, confusion: npt.ArrayLike) -> float | None:
    """mIoU of counts over the classes that the run is scored on; None where none of them occurs."""
    return _percent(metrics.miou(confusion, SCORED[result.spec.classes]))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def _target(target: TargetResult, miou: float) -> TargetScore:
    reliability, pixels = target.reliability, sum(map(sum, target.confusion))
    found = zip(CLASSES, metrics.iou(target.confusion), strict=False)
    nll = metrics.nll(reliability.nll_sum, pixels)
    return TargetScore(
        group=target.group,
        miou=_percent(miou),
        images=target.images,
        iou={name: _percent(float(value)) for name, value in found},
        pixel_accuracy=_percent(metrics.pixel_accuracy(target.confusion)),
        mean_accuracy=_percent(metrics.mean_accuracy(target.confusion)),
        ece=_percent(metrics.ece(reliability.bins)),
        nll=None if np.isnan(nll) else nll,
        anomaly=_anomaly(*reliability.anomaly) if reliability.anomaly else None,
    )


def _anomaly(normal: tuple[int, ...], anomaly: tuple[int, ...]) -> Anomaly:
    figures = (measure(normal, anomaly) for measure in (metrics.auroc, metrics.aupr, metrics.fpr95))
    return Anomaly(*map(_percent, figures))


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None or np.isnan(fraction) else 100 * float(fraction)
