"""LoRA: a low-rank change of the query and value projections of every frozen attention."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, UserError, freeze

FUSED = ("qkv",)
SEPARATE = ("q_proj", "v_proj", "query", "value")
"""Names of projections in the attentions of timm and transformers."""


class LoraConfig(MethodConfig):
    """Options of LoRA."""

    rank: Annotated[int, Field(ge=1)] = 8
    """8 gives the 0.79 M parameters that Rein's paper states for LoRA on DINOv2-L; 16 gives 1.57 M."""
    alpha: Annotated[float, Field(gt=0)] | None = None
    """The change is scaled by alpha / rank; None for the rank, that is by one."""


class LowRank(nn.Module):
    """W -> W + scale up down, for each of `parts` equal blocks of W's rows that is named in `changed`.

    A parametrisation of the weight, not a layer beside it: it holds however an attention uses its projections.
    """

    def __init__(self, weight: Tensor, parts: int, changed: tuple[int, ...], rank: int, scale: float) -> None:
        super().__init__()
        rows, columns = weight.shape[0] // parts, weight.shape[1]
        self.down = nn.Parameter(weight.new_empty(len(changed), rank, columns))
        self.up = nn.Parameter(weight.new_zeros(len(changed), rows, rank))
        nn.init.uniform_(self.down, -1 / math.sqrt(columns), 1 / math.sqrt(columns))
        self.parts, self.changed, self.scale = parts, changed, scale

    def forward(self, weight: Tensor) -> Tensor:
        """(rows, columns) -> the same shape."""
        change = self.scale * (self.up @ self.down)
        blocks = list(weight.chunk(self.parts))
        for place, part in enumerate(self.changed):
            blocks[part] = blocks[part] + change[place]
        return torch.cat(blocks) if len(blocks) > 1 else blocks[0]


def build(backbone: Backbone, make_head: HeadFactory, config: LoraConfig) -> Segmenter:
    """A frozen backbone with changed projections, under a trainable head."""
    freeze(backbone)
    scale = 1.0 if config.alpha is None else config.alpha / config.rank
    found = 0
    for block in backbone.blocks:
        for name, module in list(block.named_modules()):
            last = name.rpartition(".")[2]
            if not isinstance(module, nn.Linear) or last not in (*FUSED, *SEPARATE):
                continue
            parts, changed = (3, (0, 2)) if last in FUSED else (1, (0,))
            change = LowRank(module.weight, parts, changed, config.rank, scale)
            parametrize.register_parametrization(module, "weight", change, unsafe=True)
            found += 1
    if not found:
        raise UserError("lora: this backbone has no attention with query and value projections")
    return Segmenter(backbone, make_head(backbone.channels))


CARD = MethodCard(
    name="lora",
    summary="low-rank change of query and value projections, and the head",
    build=build,
    config=LoraConfig,
    citation="Hu et al., LoRA, ICLR 2022, arXiv 2106.09685",
)
