"""Corruptions in torch against the published package: one level on 99.9% of the pixels, as of the images one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from corruption_case import contents
from oracle import package, seeded

from bench.data.corruptions.tensors import ON_DEVICE


@pytest.mark.parametrize("name", ON_DEVICE)
@pytest.mark.parametrize("severity", range(1, 6))
def test_the_same_pixels(name: str, severity: int) -> None:
    package()
    for size in ((32, 32), (33, 47), (97, 130)):
        images = np.stack(list(contents(*size).values()))
        found = ON_DEVICE[name](torch.from_numpy(images).permute(0, 3, 1, 2), severity)
        for row, image in zip(found.permute(0, 2, 3, 1).numpy(), images, strict=True):
            apart = abs(row.astype(int) - seeded(name, image, severity, 0))
            assert (apart <= 1).mean() >= 0.999, size
