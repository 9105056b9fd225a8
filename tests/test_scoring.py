"""What a run counts, against an independent loop over the files: views, halving, windows, sizes, calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import fake_data
import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from bench.data import cards
from bench.data.for_run import open_for
from bench.data.layouts import require_usable
from bench.evaluate import evaluate
from bench.inference import layout
from bench.resolve import resolve
from bench.spec import RunSpec, Target

pytestmark = pytest.mark.usefixtures("one_thread", "small_protocols")
MIX = torch.randn(19, 3, generator=torch.Generator().manual_seed(0)) * 8


def logits(images: Tensor) -> Tensor:
    """Scores that depend on a pixel's neighbours and on where in its window it lies."""
    near = torch.einsum("kc,bchw->bkhw", MIX, F.avg_pool2d(images, 3, 1, 1))
    slope = torch.linspace(0, 1, images.shape[-1]) * torch.arange(19)[:, None, None]
    return near + slope


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for family in ("gta5", "cityscapes", "bdd100k", "mapillary", "acdc"):
        fake_data.FAMILIES[family].make(root)
    return root


def read(path: Path) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def by_windows(image: Tensor, spec: RunSpec) -> Tensor:
    found = spec.windows()
    if found is None:
        return logits(image)
    (height, width), (down, right) = found
    rows, columns = image.shape[-2:]
    total, cover = torch.zeros(1, 19, rows, columns), torch.zeros(rows, columns)
    for i in range(max(rows - height + down - 1, 0) // down + 1):
        for j in range(max(columns - width + right - 1, 0) // right + 1):
            bottom, end = min(i * down + height, rows), min(j * right + width, columns)
            place = np.s_[max(bottom - height, 0) : bottom, max(end - width, 0) : end]
            total[(..., *place)] += logits(image[(..., *place)])
            cover[place] += 1
    return total / cover


def expected(spec: RunSpec, target: Target, data: Path) -> tuple[npt.NDArray[np.int64], float, float]:
    """Confusion matrix, sum of -log p, expected calibration error."""
    card = cards.load_files_card(target.dataset)
    found = require_usable(card, data)
    matrix = np.zeros((19, 19), np.int64)
    losses, bins = 0.0, np.zeros((15, 3))
    for item in found.items:
        image, label = read(item.image), fake_data.train_ids(card.name, str(item.image.relative_to(found.folder)))
        if target.view.halve:
            half = (label.shape[1] // 2, label.shape[0] // 2)
            image = np.asarray(Image.fromarray(image).resize(half, Image.Resampling.BICUBIC))
            label = np.asarray(Image.fromarray(label).resize(half, Image.Resampling.NEAREST))
        height, width = image.shape[:2]
        scale = 1.0
        if target.view.fit:
            scale = min(max(target.view.fit) / max(height, width), min(target.view.fit) / min(height, width))
        if target.view.short_edge:
            scale = target.view.short_edge / min(height, width)
        size = (int(width * scale + 0.5), int(height * scale + 0.5))
        shown = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        if target.view.scored == "shown":
            label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
        scores = by_windows(torch.from_numpy(shown.copy()).permute(2, 0, 1)[None].float() / 255, spec)
        scores = F.interpolate(scores, size=label.shape, mode="bilinear", align_corners=False)
        chances, kept = scores.softmax(1)[0].double().numpy(), label != 255
        predicted = scores[0].argmax(0).numpy()
        np.add.at(matrix, (label[kept], predicted[kept]), 1)
        sure = chances.max(0)[kept]
        for column, values in enumerate((np.ones_like(sure), sure, (predicted == label)[kept])):
            np.add.at(bins[:, column], np.clip(np.ceil(sure * 15).astype(int) - 1, 0, 14), values)
        own = np.take_along_axis(chances, np.where(kept, label, 0)[None].astype(int), 0)[0][kept]
        losses -= float(np.log(own.clip(1e-12)).sum())
    return matrix, losses, float(np.abs(bins[:, 2] - bins[:, 1]).sum() / bins[:, 0].sum())


@pytest.mark.parametrize(
    ("protocol", "track"),
    [("gta2cbm", "native"), ("gta2cbm", "rein-512"), ("gta2cbm", "clouds"), ("city2acdc", "rein-512")],
)
def test_counts_are_those_of_an_independent_loop(protocol: str, track: str, data: Path) -> None:
    from bench.metrics import ece

    sets = ["weights=random", "recipe.crop=32,32"]
    spec = resolve("linear", "eva02-mini", protocol, track, sets=sets)
    opened = open_for(spec, data, sources=False)
    for target in spec.targets:
        found = evaluate(logits, target, opened.targets[target.name], layout(spec), kind="logits").result
        matrix, losses, error = expected(spec, target, data)
        moved = np.abs(matrix - found.confusion).sum()
        assert moved <= 2e-4 * matrix.sum(), (target.name, moved)  # ties and roundings of sums in another order
        assert found.reliability.nll_sum == pytest.approx(losses, rel=1e-4)
        assert ece(found.reliability.bins) == pytest.approx(error, abs=1e-4)


def test_the_probabilities_of_mask2former_are_shares_of_its_evidence(tmp_path: Path, monkeypatch: Any) -> None:
    from killed_run import small_spec

    from bench import run as running
    from bench.reliability import calibration, probabilities

    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    count = running.evaluate.__globals__["_count"]

    def watched(scores: Tensor, kind: str, samples: list[Any], classes: int) -> Any:
        labels = torch.from_numpy(np.stack([sample.label for sample in samples]))
        kept.append((scores, labels, scores.argmax(1).to(torch.uint8)))
        return count(scores, kind, samples, classes)

    monkeypatch.setitem(running.evaluate.__globals__, "_count", watched)
    result = running.run(small_spec(), results=tmp_path, device="cpu")
    total = sum(target.reliability.nll_sum for target in result.targets.values())
    sums = dict.fromkeys(("evidence", "logits"), 0.0)
    for kind in sums:
        for scores, labels, predicted in kept:
            sums[kind] += calibration(probabilities(scores, kind), labels, predicted).nll_sum()
    assert total == pytest.approx(sums["evidence"], rel=1e-6)
    assert abs(total - sums["logits"]) > 0.01 * total
