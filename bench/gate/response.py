"""What a built model answers to a fixed input: moved by a change of the model's code, not by that of a seed."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bench import inference
from bench.api import Segmenter
from bench.spec import RunSpec

IMAGES, BLOCK, CELLS = 2, 8, (4, 8)
MOVED = 0.05
"""Standard deviation of what is added to every trainable parameter."""


def response(segmenter: Segmenter, spec: RunSpec) -> npt.NDArray[np.float64]:
    """Mean class scores of a freshly built model on 4 x 8 cells of two fixed images, (2 * classes * 32,).

    The images are half as high and as wide again as the run's windows (its crop, where it has none), and predicted in
    them as the run's are. Every trainable parameter is moved by fixed noise first (`speak`). Changes `segmenter`; on
    the CPU.
    """
    layout = inference.layout(spec)
    height, width = (side * 3 // 2 for side in layout.crop or spec.recipe.crop)
    rng = np.random.default_rng(0)
    blocks = rng.random((IMAGES, 3, -(-height // BLOCK), -(-width // BLOCK)), dtype=np.float32)
    images = torch.from_numpy(blocks.repeat(BLOCK, 2).repeat(BLOCK, 3)[..., :height, :width].copy())
    speak(segmenter)
    with torch.inference_mode():
        scores = inference.predict_logits(segmenter.eval().logits, images, layout.crop, layout.stride).float()
        return F.adaptive_avg_pool2d(scores, CELLS).double().flatten().numpy()


@torch.no_grad()
def speak(segmenter: Segmenter) -> None:
    """Move every trainable parameter by noise that is always the same.

    Adapters begin so near the identity, some at it, that what they compute would not be seen.
    """
    for name, parameter in segmenter.named_parameters():
        if parameter.requires_grad:
            parameter.add_(_noise(name, parameter))


def _noise(name: str, parameter: Tensor) -> Tensor:
    """By the parameter's name, so that one more or less does not change that of the others."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(MOVED * rng.standard_normal(parameter.numel(), dtype=np.float32)).view_as(parameter)
