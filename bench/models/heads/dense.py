"""Heads that score every position: a linear classifier, and SegFormer's MLP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Head
from bench.data.labels import IGNORE

DROPOUT = 0.1


class DenseHead(Head):
    """Class scores at the finest map's size, resized to the image; trained by cross-entropy."""

    def scores(self, features: list[Tensor]) -> Tensor:
        """Four maps (B, C_i, h_i, w_i), finest first -> (B, classes, h_0, w_0)."""
        raise NotImplementedError  # each of the heads below fills it in

    def logits(self, features: list[Tensor], size: tuple[int, int], queries: Tensor | None = None) -> Tensor:
        """Class scores (B, classes, *size)."""
        return F.interpolate(self.scores(features).float(), size=size, mode="bilinear", align_corners=False)

    def loss(self, features: list[Tensor], labels: Tensor, queries: Tensor | None = None) -> dict[str, Tensor]:
        """Mean cross-entropy over the labelled pixels of (B, H, W); zero where there are none."""
        size = (int(labels.shape[1]), int(labels.shape[2]))
        total = F.cross_entropy(self.logits(features, size), labels, ignore_index=IGNORE, reduction="sum")
        return {"ce": total / (labels != IGNORE).sum().clamp(min=1)}


class LinearHead(DenseHead):
    """Batch norm and a linear map of all four maps together, as DINOv2 is evaluated (arXiv 2304.07193, section 7.4).

    A linear map of resized maps side by side is the sum of resized linear maps: each is taken at its own size.
    """

    def __init__(self, channels: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in channels)
        self.classify = nn.ModuleList(
            nn.Conv2d(size, classes, 1, bias=index == 0) for index, size in enumerate(channels)
        )
        for conv in self.classify:
            nn.init.normal_(conv.weight, std=0.01)  # type: ignore[arg-type]  # a convolution's weight is a tensor

    def scores(self, features: list[Tensor]) -> Tensor:
        """Four maps -> (B, classes, h_0, w_0)."""
        parts = [classify(norm(x)) for classify, norm, x in zip(self.classify, self.norms, features, strict=True)]
        return torch.stack([_resized(part, parts[0]) for part in parts]).sum(0)


class SegformerHead(DenseHead):
    """SegFormer's all-MLP decoder (arXiv 2105.15203, section 3.2)."""

    def __init__(self, channels: tuple[int, int, int, int], classes: int, width: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(size, width, 1) for size in channels)
        self.fuse = nn.Sequential(
            nn.Conv2d(4 * width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout2d(DROPOUT)
        self.classify = nn.Conv2d(width, classes, 1)

    def scores(self, features: list[Tensor]) -> Tensor:
        """Four maps -> (B, classes, h_0, w_0)."""
        parts = [project(x) for project, x in zip(self.project, features, strict=True)]
        fused = self.fuse(torch.cat([_resized(part, parts[0]) for part in parts], 1))
        scores: Tensor = self.classify(self.dropout(fused))
        return scores


def _resized(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)
