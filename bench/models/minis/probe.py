"""How good are frozen features? A linear classifier on patches, trained and scored on the source domain alone.

Labels are used here to watch pre-training, never to train it; the unseen domains are not touched.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.api import Backbone
from bench.data.streets import render
from bench.metrics import confusion, miou

TRAIN, VAL, FIRST_VAL = 160, 60, 1_000_000


@cache
def _frames() -> tuple[Tensor, Tensor]:
    """Images (N, 3, 128, 256) in [0, 1] and labels (N, 128, 256): training frames, then validation frames."""
    indices = [*range(TRAIN), *range(FIRST_VAL, FIRST_VAL + VAL)]
    with ThreadPoolExecutor(2) as pool:
        frames = list(pool.map(lambda i: render("source", i, 128, 256), indices))
    images = np.stack([f.image for f in frames]).transpose(0, 3, 1, 2)
    return torch.from_numpy(images / np.float32(255)), torch.from_numpy(
        np.stack([f.label for f in frames]).astype(np.int64)
    )


def linear_probe(backbone: Backbone, steps: int = 300) -> float:
    """mIoU (0..100) on the source's validation frames of a linear map from the four feature maps, at stride 8."""
    images, labels = _frames()
    backbone.eval()
    with torch.no_grad():
        maps = [backbone(x) for x in images.split(20)]
    size = maps[0][1].shape[-2:]
    feats = torch.cat([torch.cat([F.interpolate(m, size=size, mode="bilinear") for m in four], 1) for four in maps])
    feats = feats.permute(0, 2, 3, 1).float()
    mean, std = feats[:TRAIN].mean((0, 1, 2)), feats[:TRAIN].std((0, 1, 2)) + 1e-6
    feats = (feats - mean) / std
    # A patch's soft label is the share of each class among its pixels.
    shares = F.avg_pool2d(F.one_hot(labels, 19).permute(0, 3, 1, 2).float(), images.shape[-2] // size[0]).permute(
        0, 2, 3, 1
    )
    x, y = feats[:TRAIN].flatten(0, 2), shares[:TRAIN].flatten(0, 2)
    generator = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(x.shape[1], 19)
    torch.nn.init.zeros_(linear.weight)
    optimiser = torch.optim.AdamW(linear.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (4096,), generator=generator)
        optimiser.zero_grad()
        F.cross_entropy(linear(x[rows]), y[rows]).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        scores = linear(feats[TRAIN:]).permute(0, 3, 1, 2)
        scores = F.interpolate(scores, size=labels.shape[-2:], mode="bilinear")
    return 100.0 * float(miou(confusion(scores.argmax(1).numpy(), labels[TRAIN:].numpy(), 19)))
