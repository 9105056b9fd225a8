"""What a built model answers to a fixed input: moved by a change of the model's code, not by that of a seed."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.api import Segmenter
from bench.inference import Size

IMAGES, BLOCK, CELLS = 2, 8, (2, 4)
MOVED = 0.05
"""Standard deviation of what is added to every trainable parameter."""


def response(segmenter: Segmenter, size: Size) -> npt.NDArray[np.float64]:
    """Mean class scores of a freshly built model on 2 x 4 cells of two fixed images of `size`, (2 * classes * 8,).

    Every trainable parameter is moved by fixed noise first: adapters begin so near the identity, some at it, that what
    they compute would not be seen. Changes `segmenter`; on the CPU.
    """
    rng = np.random.default_rng(0)
    blocks = rng.random((IMAGES, 3, -(-size[0] // BLOCK), -(-size[1] // BLOCK)), dtype=np.float32)
    images = torch.from_numpy(blocks.repeat(BLOCK, 2).repeat(BLOCK, 3)[..., : size[0], : size[1]].copy())
    with torch.inference_mode():
        for name, parameter in segmenter.named_parameters():
            if parameter.requires_grad:
                parameter.add_(_noise(name, parameter))
        scores = segmenter.eval().logits(images).float()
        return F.adaptive_avg_pool2d(scores, CELLS).double().flatten().numpy()


def _noise(name: str, parameter: Tensor) -> Tensor:
    """By the parameter's name, so that one more or less does not change that of the others."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(MOVED * rng.standard_normal(parameter.numel(), dtype=np.float32)).view_as(parameter)
