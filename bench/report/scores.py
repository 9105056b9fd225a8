"""Scores of one run, in percent, from its counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench import metrics
from bench.byproducts import Byproducts, stacked_bins
from bench.data.labels import CLASSES
from bench.matrices import stacked
from bench.metrics import FloatArray, IntArray
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

    @property
    def mious(self) -> Mapping[str, float | None]:
        """Target -> mIoU."""
        return {name: target.miou for name, target in self.targets.items()}


class Measures(NamedTuple):
    """The same as arrays and without what tables of many runs do not show; percent, nan where there is nothing."""

    names: tuple[str, ...]
    """Targets scored so far, in the protocol's order."""
    iou: FloatArray
    """(targets, classes)."""
    miou: FloatArray
    """(targets,)."""
    ece: FloatArray
    """(targets,)."""
    anomaly: dict[str, Anomaly]
    """Of the targets where anomalies are marked."""
    summary: dict[str, float | None]
    """As in `Scores`."""

    @property
    def mious(self) -> Mapping[str, float | None]:
        """Target -> mIoU."""
        return dict(zip(self.names, map(_number, self.miou.tolist()), strict=True))


def scores(result: RunResult, byproducts: Byproducts | None = None) -> Scores:
    """Scores of each target evaluated so far, and the means over groups; `byproducts` as of `measures`."""
    given = byproducts.matrices if byproducts is not None else None
    matrices = stacked(result.targets) if given is None else given
    found = measures(result, byproducts or Byproducts(matrices))
    counts = dict(zip(result.targets, matrices, strict=True))
    targets = {
        name: _target(result.targets[name], counts[name], found, place) for place, name in enumerate(found.names)
    }
    return Scores(targets, found.summary)


def measures(result: RunResult, byproducts: Byproducts | None = None) -> Measures:
    """mIoU, IoU and ECE of each target evaluated so far, and the means over groups, all targets at once.

    `byproducts` are of the result's reading, if at hand.
    """
    spec = result.spec
    names = tuple(target.name for target in spec.targets if target.name in result.targets)
    found = [result.targets[name] for name in names]
    number = {name: number for number, name in enumerate(result.targets)}
    order = [number[name] for name in names]
    made = Byproducts() if byproducts is None else byproducts
    bins = stacked_bins(result.targets) if made.bins is None else made.bins
    ece = metrics.eces(bins["pixels"], bins["confidence"], bins["right"])[order]
    iou = metrics.iou(stacked(result.targets) if made.matrices is None else made.matrices)[order]
    miou = metrics.mean_present(iou, SCORED[spec.classes])
    anomaly = {
        name: _anomaly(*target.reliability.anomaly)
        for name, target in zip(names, found, strict=True)
        if target.reliability.anomaly
    }
    missing = {target.group for target in spec.targets if target.name not in result.targets}
    whole = [place for place, target in enumerate(found) if target.group not in missing]
    mious = miou.tolist()
    means = metrics.summarise({names[place]: (found[place].group, mious[place]) for place in whole})
    unseen = [place for place in whole if found[place].group == "unseen"]
    if SCORED[spec.classes] is not None:
        means["unseen_mean_13"] = _mean(metrics.mean_present(iou[unseen], metrics.SYNTHIA_13))
    for group in ("unseen", "reliability"):
        means[f"{group}_ece"] = _mean(ece[[place for place in whole if found[place].group == group]])
    summary = {key: _percent(means.get(key)) for key in SUMMARY}
    marked = [anomaly[names[place]] for place in whole if names[place] in anomaly]
    for key in Anomaly._fields:
        figures = [getattr(each, key) for each in marked]
        summary[f"anomaly_{key}"] = None if None in figures else _mean(figures)
    return Measures(names, 100 * iou, 100 * miou, 100 * ece, anomaly, summary)


def miou_percent(result: RunResult, confusion: npt.ArrayLike) -> float | None:
    """mIoU of counts over the classes that the run is scored on; None where none of them occurs."""
    return _percent(metrics.miou(confusion, SCORED[result.spec.classes]))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.add.reduce(found) / len(found)) if found else None


def _target(target: TargetResult, counts: IntArray, found: Measures, place: int) -> TargetScore:
    nll = metrics.nll(target.reliability.nll_sum, int(counts.sum()))
    return TargetScore(
        group=target.group,
        miou=_number(found.miou[place]),
        images=target.images,
        iou={name: _number(value) for name, value in zip(CLASSES, found.iou[place], strict=False)},
        pixel_accuracy=_percent(metrics.pixel_accuracy(counts)),
        mean_accuracy=_percent(metrics.mean_accuracy(counts)),
        ece=_number(found.ece[place]),
        nll=None if np.isnan(nll) else nll,
        anomaly=found.anomaly.get(found.names[place]),
    )


def _anomaly(normal: tuple[int, ...], anomaly: tuple[int, ...]) -> Anomaly:
    figures = (measure(normal, anomaly) for measure in (metrics.auroc, metrics.aupr, metrics.fpr95))
    return Anomaly(*map(_percent, figures))


def _number(percent: float) -> float | None:
    return None if math.isnan(percent) else float(percent)


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None or math.isnan(fraction) else 100 * float(fraction)
