"""Counting pixels: the suite's confusion matrix against mmsegmentation's counts, and what calibration costs.

`python -m benchmarks.metrics` takes half a minute on two cores and needs the extra `mmseg`. All is timed in one process
with the same number of threads, the alternatives taking turns; figures are medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.metrics import IGNORE, confusion
from bench.reliability import anomalies, calibration, predictions, probabilities
from benchmarks import timing
from methods.mmseg.library import load_library

CLASSES = 19


class Maps(NamedTuple):
    """One image's prediction and label, uint8 (height, width)."""

    pred: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]


class Counts(NamedTuple):
    """Pixels per class, int64 (CLASSES,)."""

    hits: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    labelled: npt.NDArray[np.int64]


def street(height: int, width: int) -> Maps:
    """Labels in squares of 16 pixels with a margin that is ignored; 4 of 5 predictions are right."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, CLASSES, (-(-height // 16), -(-width // 16)), dtype=np.uint8)
    label = small.repeat(16, 0).repeat(16, 1)[:height, :width].copy()
    wrong = rng.random(label.shape) < 0.2
    pred = np.where(wrong, rng.integers(0, CLASSES, label.shape), label).astype(np.uint8)
    label[: height // 16] = IGNORE
    return Maps(pred, label)


def ours(maps: Maps) -> Counts:
    """The counts that mIoU needs, from the confusion matrix."""
    matrix = confusion(maps.pred, maps.label, CLASSES)
    return Counts(np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1))


def theirs(pred: Tensor, label: Tensor) -> Counts:
    """The same counts by mmsegmentation's IoUMetric."""
    from mmseg.evaluation.metrics import IoUMetric

    hits, _, predicted, labelled = IoUMetric.intersect_and_union(pred, label, CLASSES, IGNORE)
    return Counts(*(counts.long().numpy() for counts in (hits, predicted, labelled)))


def milliseconds(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median time of each, the first round left out; they take turns, so that a busy machine slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            times[name].append(1e3 * (time.perf_counter() - began))
    return {name: median(taken[1:]) for name, taken in times.items()}


def counting(height: int, width: int, repeats: int) -> dict[str, float]:
    """Times of counting one image, by library and type of the ids. Raises AssertionError if the counts differ."""
    load_library()
    maps = street(height, width)
    wide = Maps(*(ids.astype(np.int64) for ids in maps))  # type: ignore[arg-type]  # as mmsegmentation has them
    expected = ours(maps)
    works: dict[str, Callable[[], Counts]] = {}
    for name, given in (("uint8", maps), ("int64", wide)):
        works[f"dgss-bench {name}"] = partial(ours, given)
        works[f"mmsegmentation {name}"] = partial(theirs, *(torch.from_numpy(ids) for ids in given))
    for name, work in works.items():
        assert all(map(np.array_equal, work(), expected)), f"{name} counts otherwise"
    return milliseconds(works, repeats)


def reliability(height: int, width: int, repeats: int) -> dict[str, float]:
    """Times of what stands between a model's scores at half the size and its counts, for one image."""
    generator = torch.Generator().manual_seed(0)
    small = 4 * torch.randn(1, CLASSES, height // 2, width // 2, generator=generator)
    resize = partial(F.interpolate, small, size=(height, width), mode="bilinear", align_corners=False)
    scores = resize()
    chances, predicted = probabilities(scores, "logits"), predictions(scores)
    labels = torch.from_numpy(street(height, width).label)[None]
    assert torch.equal(predicted, scores.argmax(1)), "predictions are not the argmax"
    works: dict[str, Callable[[], object]] = {
        "resize": resize,
        "softmax": partial(probabilities, scores, "logits"),
        "argmax (torch)": partial(scores.argmax, 1),
        "predictions": partial(predictions, scores),
        "calibration, predictions given": partial(calibration, chances, labels, predicted),
        "anomalies": partial(anomalies, chances, (labels == 0).to(torch.uint8)),
    }
    return milliseconds(works, repeats)


def report(given: argparse.Namespace) -> None:
    """Print all times. Raises AssertionError where counts or predictions differ."""
    height, width = given.size
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    print(f"one image of {height} x {width}, {CLASSES} classes, CPU, {given.threads} threads")
    times = counting(height, width, given.repeats)
    for kind in ("uint8", "int64"):
        own, other = times[f"dgss-bench {kind}"], times[f"mmsegmentation {kind}"]
        print(f"confusion, {kind} ids: {own:.2f} ms, mmsegmentation {other:.2f} ms: {other / own:.1f} times as fast")
    for name, taken in reliability(height, width, given.repeats).items():
        print(f"{name}: {taken:.1f} ms")


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line without mmsegmentation."""
    parser = timing.plain_parser("metrics", __doc__)
    parser.add_argument("--size", type=timing.count, nargs=2, default=(1024, 2048), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--repeats", type=timing.count, default=21)
    parser.add_argument("--threads", type=timing.count, default=torch.get_num_threads())
    timing.run(report, parser, arguments)


if __name__ == "__main__":
    main()
