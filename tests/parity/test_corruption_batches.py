"""Batches of tensors against the published package: one level on 99.9% of the pixels, as of the images one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from corruption_case import contents
from oracle import package, seeded

from bench.data.corruptions.tensors import ON_DEVICE, corrupt_batch


@pytest.mark.parametrize("name", ON_DEVICE)
@pytest.mark.parametrize("severity", range(1, 6))
def test_the_same_pixels(name: str, severity: int) -> None:
    package()
    for size in ((32, 32), (33, 47), (97, 130)):
        images = np.stack(list(contents(*size).values()))
        found = corrupt_batch(torch.from_numpy(images).permute(0, 3, 1, 2), name, severity, [0] * len(images))
        for row, image in zip(found.permute(0, 2, 3, 1).numpy(), images, strict=True):
            apart = abs(row.astype(int) - seeded(name, image, severity, 0))
            assert (apart <= 1).mean() >= 0.999, size
