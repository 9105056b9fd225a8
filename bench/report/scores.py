"""Scores of one run, in percent, from its counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench import metrics
from bench.data.labels import CLASSES
from bench.metrics import FloatArray
from bench.result import RunResult, TargetResult, stacked
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
        return dict(zip(self.names, map(_number, self.miou), strict=True))


def scores(result: RunResult) -> Scores:
    """Scores of each target evaluated so far, and the means over groups."""
    found = measures(result)
    targets = {name: _target(result.targets[name], found, place) for place, name in enumerate(found.names)}
    return Scores(targets, found.summary)


def measures(result: RunResult, matrices: npt.NDArray[np.int64] | None = None) -> Measures:
    """mIoU, IoU and ECE of each target evaluated so far, and the means over groups, all targets at once.

    `matrices` are the result's, if they are at hand: see `bench.result.Matrices`.
    """
    spec = result.spec
    names = tuple(target.name for target in spec.targets if target.name in result.targets)
    found = [result.targets[name] for name in names]
    place = {name: number for number, name in enumerate(result.targets)}
    iou = metrics.iou(stacked(result.targets) if matrices is None else matrices)[[place[name] for name in names]]
    miou, ece = metrics.mean_present(iou, SCORED[spec.classes]), metrics.eces(_bins(found))
    anomaly = {
        name: _anomaly(*target.reliability.anomaly)
        for name, target in zip(names, found, strict=True)
        if target.reliability.anomaly
    }
    missing = {target.group for target in spec.targets if target.name not in result.targets}
    whole = [place for place, target in enumerate(found) if target.group not in missing]
    means = metrics.summarise({names[place]: (found[place].group, float(miou[place])) for place in whole})
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


def _bins(targets: Sequence[TargetResult]) -> FloatArray:
    """Their bins of confidence, (targets, bins, 3), empty ones added where one has fewer than another."""
    most = max((len(target.reliability.bins) for target in targets), default=0)
    empty = [(0, 0.0, 0)]
    bins = [target.reliability.bins + empty * (most - len(target.reliability.bins)) for target in targets]
    return np.array(bins, dtype=np.float64).reshape(len(targets), most, 3)


def miou_percent(result: RunResult, confusion: npt.ArrayLike) -> float | None:
    """mIoU of counts over the classes that the run is scored on; None where none of them occurs."""
    return _percent(metrics.miou(confusion, SCORED[result.spec.classes]))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def _target(target: TargetResult, found: Measures, place: int) -> TargetScore:
    nll = metrics.nll(target.reliability.nll_sum, sum(map(sum, target.confusion)))
    return TargetScore(
        group=target.group,
        miou=_number(found.miou[place]),
        images=target.images,
        iou={name: _number(value) for name, value in zip(CLASSES, found.iou[place], strict=False)},
        pixel_accuracy=_percent(metrics.pixel_accuracy(target.confusion)),
        mean_accuracy=_percent(metrics.mean_accuracy(target.confusion)),
        ece=_number(found.ece[place]),
        nll=None if np.isnan(nll) else nll,
        anomaly=found.anomaly.get(found.names[place]),
    )


def _anomaly(normal: tuple[int, ...], anomaly: tuple[int, ...]) -> Anomaly:
    figures = (measure(normal, anomaly) for measure in (metrics.auroc, metrics.aupr, metrics.fpr95))
    return Anomaly(*map(_percent, figures))


def _number(percent: float) -> float | None:
    return None if np.isnan(percent) else float(percent)


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None or np.isnan(fraction) else 100 * float(fraction)
