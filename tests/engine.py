"""A tiny segmenter and data set for the tests of the engine; no part of the suite is replaced by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Backbone, Head, Refine, Segmenter
from bench.data.labels import CLASSES, PALETTE
from bench.data.reader import Sample, SegmentationDataset
from bench.spec import Recipe


class TinyBackbone(Backbone):
    """Colours averaged over 4 x 4 pixels through one frozen layer; the other three maps are its reductions."""

    channels = (8, 8, 8, 8)
    widths = (8,)

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.norm = nn.LayerNorm(8)

    def forward(self, images: Tensor, refine: Refine | None = None) -> list[Tensor]:
        x = self.norm(self.patch(images).movedim(1, -1)).movedim(-1, 1)
        return [x, F.avg_pool2d(x, 2), F.avg_pool2d(x, 4), F.avg_pool2d(x, 8)]


class TinyHead(Head):
    """One 1 x 1 layer, trained on random points: its loss draws from torch's generator as Mask2Former's does."""

    no_decay = ("query",)

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Conv2d(8, len(CLASSES), 1)
        self.query = nn.Parameter(torch.zeros(len(CLASSES)))

    def loss(self, features: list[Tensor], labels: Tensor, queries: Tensor | None = None) -> dict[str, Tensor]:
        size = (int(labels.shape[1]), int(labels.shape[2]))
        logits = self.logits(features, size).flatten(2)
        points = torch.randint(0, logits.shape[2], (64,), device=logits.device)
        picked = labels.flatten(1)[:, points]
        return {"class": F.cross_entropy(logits[..., points], picked, ignore_index=255)}

    def logits(self, features: list[Tensor], size: tuple[int, int], queries: Tensor | None = None) -> Tensor:
        scores = self.score(features[0]) + self.query[:, None, None]
        return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)


def tiny_segmenter(**options: Any) -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(TinyBackbone(), TinyHead(), **options)


def striped(index: int) -> Sample:
    """Three vertical stripes of three classes in their own colours."""
    rng = np.random.default_rng(index)
    label = np.repeat(rng.integers(0, len(CLASSES), 3), 16)[None].repeat(32, axis=0).astype(np.uint8)
    return Sample(np.array(PALETTE, np.uint8)[label], label, str(index))


def striped_dataset(size: int = 12) -> SegmentationDataset:
    return SegmentationDataset("stripes", [str(i) for i in range(size)], striped, "r1")


def tiny_recipe(**fields: Any) -> Recipe:
    plain: dict[str, Any] = {
        "iterations": 6,
        "batch_size": 2,
        "crop": (32, 48),
        "short_edges": (32, 40),
        "lr": 0.05,
        "photometric": False,
    }
    return Recipe.model_validate(plain | fields)
