"""VPT-deep: learnable prompts stand beside the tokens in every block of a frozen transformer."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, UserError, freeze

PATCH = 16
"""The patch size in the initialisation's bound, as in the published code's."""


class VptConfig(MethodConfig):
    """Options of visual prompt tuning."""

    prompts: Annotated[int, Field(ge=1)] = 150
    """Prompts in each block; 150 give the 3.69 M parameters that Rein's paper states for VPT on DINOv2-L."""


class Prompts(nn.Module):
    """The prompts of one block, put behind its tokens before it and taken off after it."""

    def __init__(self, prompts: int, width: int) -> None:
        super().__init__()
        bound = math.sqrt(6 / (3 * PATCH**2 + width))
        self.prompts = nn.Parameter(torch.empty(prompts, width).uniform_(-bound, bound))

    def before(self, block: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
        """Hook: tokens (B, N, C) -> (B, N + prompts, C); rotary tables leave the prompts as they are."""
        tokens = inputs[0]
        longer = torch.cat([tokens, self.prompts.to(tokens.dtype).expand(len(tokens), -1, -1)], 1)
        if isinstance(table := options.get("rope"), Tensor):
            options = options | {"rope": _extended(table, len(self.prompts))}
        if isinstance(tables := options.get("position_embeddings"), tuple):  # transformers': cosines, then sines
            cosine, sine = tables
            rest = (len(self.prompts), cosine.shape[-1])
            longer_tables = torch.cat([cosine, cosine.new_ones(rest)]), torch.cat([sine, sine.new_zeros(rest)])
            options = options | {"position_embeddings": longer_tables}
        return (longer, *inputs[1:]), options

    def after(self, block: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Hook: the block's output without the prompts."""
        if isinstance(output, tuple):
            return (output[0][:, : -len(self.prompts)], *output[1:])
        return output[:, : -len(self.prompts)]


def _extended(table: Tensor, more: int) -> Tensor:
    """A rotary table with rows that turn nothing: complex ones, or sines of 0 beside cosines of 1."""
    if table.is_complex():
        return torch.cat([table, table.new_ones(more, *table.shape[1:])])
    half = table.shape[-1] // 2
    return torch.cat([table, torch.cat([table.new_zeros(more, half), table.new_ones(more, half)], -1)])


def build(backbone: Backbone, make_head: HeadFactory, config: VptConfig) -> Segmenter:
    """A frozen plain transformer with prompts in every block, under a trainable head."""
    if not backbone.plain:
        raise UserError("vpt: prompts need a plain vision transformer, whose blocks attend to all tokens")
    freeze(backbone)
    for block, width in zip(backbone.blocks, backbone.widths, strict=True):
        block.prompts = Prompts(config.prompts, width)
        block.register_forward_pre_hook(block.prompts.before, with_kwargs=True)
        # In front of what the backbone itself hangs on its blocks: that sees tokens only.
        block.register_forward_hook(block.prompts.after, prepend=True)
    return Segmenter(backbone, make_head(backbone.channels))


CARD = MethodCard(
    name="vpt",
    summary="learnable prompts in every frozen block, and the head",
    build=build,
    config=VptConfig,
    citation="Jia et al., Visual Prompt Tuning, ECCV 2022, arXiv 2203.12119",
)
