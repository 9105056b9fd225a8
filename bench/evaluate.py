"""The one evaluator: a model and a target in, confusion matrices out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.api import ScoreKind
from bench.data.ahead import ahead
from bench.data.corruptions import corrupt
from bench.data.reader import Sample, SegmentationDataset
from bench.data.stream import default_workers
from bench.data.views import show
from bench.inference import Layout, predict_logits
from bench.metrics import confusion
from bench.observer import Observer, Silent
from bench.reliability import Anomalies, Calibration, anomalies, calibration, predictions, probabilities
from bench.result import Reliability, TargetResult
from bench.spec import Target

_BATCH = 4
_BATCH_PIXELS = 2**21  # large images go one at a time


class Evaluation(NamedTuple):
    """Scores of one target."""

    result: TargetResult
    per_image: npt.NDArray[np.int32]
    """(images, classes, classes); rows are the truth."""


def evaluate(
    logits: Callable[[Tensor], Tensor],
    target: Target,
    dataset: SegmentationDataset,
    layout: Layout,
    device: torch.device | str = "cpu",
    observer: Observer | None = None,
    readers: int | None = None,
    kind: ScoreKind = "logits",
) -> Evaluation:
    """Score `logits` (images to class scores of that `kind`, see `predict_logits`) on the target's images.

    Images are shown at the size of the target's view and scored at that of their label map, to which the scores (not
    the classes) are resized. Samples are read, corrupted and resized in threads ahead of the model, those in files by
    `readers` of them. On a CPU `logits` may be called from two threads at once, each of them for whole batches.
    """
    observer = observer or Silent()
    images = len(dataset) if target.images is None else target.images
    began = time.monotonic()
    observer.start(target.name, images)

    def score(samples: list[Sample]) -> _Counts:
        stacked = torch.from_numpy(np.stack([sample.image for sample in samples]))
        batch = stacked.to(device).permute(0, 3, 1, 2).float().div_(255)
        scores = predict_logits(logits, batch, layout.crop, layout.stride)
        return _count(scores, kind, samples, len(dataset.classes))

    total = _Counts([], Calibration(), None)
    with _workers(torch.device(device)) as workers:
        batches = _batches(dataset, target, images, readers or default_workers())
        for found in ahead(score, batches, threads=workers):
            total = total.plus(found)
            observer.advance(target.name, len(found.matrices))
    observer.finish(target.name)
    per_image, anomaly = np.stack(total.matrices), total.anomalies
    result = TargetResult(
        group=target.group,
        images=images,
        confusion=per_image.sum(axis=0),
        reliability=Reliability(
            bins=total.calibration.bins(),
            nll_sum=total.calibration.nll_sum(),
            anomaly=(anomaly.normal, anomaly.anomaly) if anomaly is not None else None,
        ),
        file_list_hash=dataset.file_list_hash(images),
        left_out=dataset.left_out,
        seconds=time.monotonic() - began,
    )
    return Evaluation(result, per_image.astype(np.int32))


def prefetch(targets: Sequence[Target], datasets: Mapping[str, SegmentationDataset]) -> None:
    """Start making the images of `targets`, in order, in the background; `datasets` are by target."""
    for target in targets:
        dataset = datasets[target.name]
        dataset.prefetch(range(len(dataset) if target.images is None else target.images))


class _Counts(NamedTuple):
    matrices: list[npt.NDArray[np.int64]]
    """One an image."""
    calibration: Calibration
    anomalies: Anomalies | None

    def plus(self, other: _Counts) -> _Counts:
        both = [each for each in (self.anomalies, other.anomalies) if each is not None]
        anomalies = sum(both[1:], both[0]) if both else None
        return _Counts(self.matrices + other.matrices, self.calibration + other.calibration, anomalies)


@torch.inference_mode()
def _count(scores: Tensor, kind: ScoreKind, samples: list[Sample], classes: int) -> _Counts:
    size = samples[0].label.shape
    if tuple(scores.shape[-2:]) != size:
        scores = F.interpolate(scores.float(), size=size, mode="bilinear", align_corners=False)
    found = predictions(scores)
    chances = probabilities(scores, kind)
    labels = torch.from_numpy(np.stack([sample.label for sample in samples]))
    masks = [sample.anomaly for sample in samples if sample.anomaly is not None]
    marked = anomalies(chances, torch.from_numpy(np.stack(masks))) if len(masks) == len(samples) else None
    predicted = found.cpu().numpy()
    matrices = [confusion(one, sample.label, classes) for one, sample in zip(predicted, samples, strict=True)]
    return _Counts(matrices, calibration(chances, labels, found), marked)


@contextmanager
def _workers(device: torch.device) -> Iterator[int]:
    """How many batches to predict at once: on a CPU two, each with half of torch's threads.

    Layers of a small model, and all that stands between layers, leave threads idle, which the other batch then uses.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield 1
        return
    torch.set_num_threads(threads // 2)
    try:
        yield 2
    finally:
        torch.set_num_threads(threads)


def _batches(dataset: SegmentationDataset, target: Target, images: int, readers: int) -> Iterator[list[Sample]]:
    """The target's samples, batched while they are of one size, made by threads running ahead."""
    if dataset.keep and target.corruption is None:  # made by `prefetch`, in threads of its own
        chunks = [range(first, min(first + _BATCH, images)) for first in range(0, images, _BATCH)]
        for samples in ahead(partial(_samples, dataset, target), chunks, threads=1, depth=2):
            yield from _same_size(samples)
        return
    held: list[Sample] = []
    for sample in ahead(partial(_sample, dataset, target), range(images), threads=readers, depth=readers + 1):
        held.append(sample)
        if len(held) == _BATCH:
            yield from _same_size(held)
            held = []
    yield from _same_size(held)


def _samples(dataset: SegmentationDataset, target: Target, indices: range) -> list[Sample]:
    return [_sample(dataset, target, index) for index in indices]


def _sample(dataset: SegmentationDataset, target: Target, index: int) -> Sample:
    sample = dataset[index]
    if target.corruption is not None and target.severity is not None:
        sample = sample._replace(image=corrupt(sample.image, target.corruption, target.severity, seed=sample.name))
    return show(sample, target.view)


def _same_size(samples: list[Sample]) -> Iterator[list[Sample]]:
    for _, group in groupby(samples, key=lambda sample: (sample.image.shape, sample.label.shape)):
        same = list(group)
        pixels = max(same[0].label.size, same[0].image.size // 3)
        size = max(1, _BATCH_PIXELS // pixels)
        yield from (same[first : first + size] for first in range(0, len(same), size))
