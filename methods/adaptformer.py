"""AdaptFormer: a narrow MLP in parallel to that of every frozen block."""

from __future__ import annotations

import math
import threading
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, UserError, freeze

NORMS = ("norm2", "layernorm_after", "layer_norm2", "layernorm2")
"""Names of the norm in front of the MLP in the blocks of timm and transformers."""


class AdaptFormerConfig(MethodConfig):
    """Options of AdaptFormer; the defaults are the published ones."""

    width: Annotated[int, Field(ge=1)] = 64
    """Of the bottleneck; 64 gives the 3.17 M parameters that Rein's paper states for AdaptFormer on DINOv2-L."""
    scale: Annotated[float, Field(gt=0)] = 0.1
    """Factor in front of what is added."""


class Bottleneck(nn.Module):
    """x + ... -> x + ... + s up(relu(down(norm(x)))), arXiv 2205.13535, equations 3 and 4."""

    def __init__(self, channels: int, width: int, scale: float) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, width), nn.Linear(width, channels)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)
        self.scale = scale
        self._normed: dict[int, Tensor] = {}  # by thread: evaluation predicts two batches at once

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch's own
    def see(self, norm: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Hook on the norm: what goes into the block's own MLP goes in here, too."""
        self._normed[threading.get_ident()] = output

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch's own
    def add(self, block: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Hook on the block: a residual branch can be added at its end as well as beside the MLP."""
        normed = self._normed.pop(threading.get_ident())
        tokens = output[0] if isinstance(output, tuple) else output
        # SAM's blocks take their norm over a list of tokens and give a map.
        tokens = tokens + self.scale * self.up(self.down(normed).relu()).reshape(tokens.shape)
        return (tokens, *output[1:]) if isinstance(output, tuple) else tokens


def build(backbone: Backbone, make_head: HeadFactory, config: AdaptFormerConfig) -> Segmenter:
    """A frozen transformer with a parallel bottleneck in every block, under a trainable head."""
    freeze(backbone)
    for block, channels in zip(backbone.blocks, backbone.widths, strict=True):
        norm = next((found for name in NORMS if (found := getattr(block, name, None)) is not None), None)
        # In "post-norm" blocks the norm of that name comes after the MLP.
        if norm is None or len(set(backbone.widths)) > 1 or "Post" in type(block).__name__:
            raise UserError("adaptformer: this backbone's blocks have no norm and MLP to stand beside")
        block.adaptformer = Bottleneck(channels, config.width, config.scale)
        norm.register_forward_hook(block.adaptformer.see)
        block.register_forward_hook(block.adaptformer.add, prepend=True)
    return Segmenter(backbone, make_head(backbone.channels))


CARD = MethodCard(
    name="adaptformer",
    summary="a narrow MLP beside that of every frozen block, and the head",
    build=build,
    config=AdaptFormerConfig,
    citation="Chen et al., AdaptFormer, NeurIPS 2022, arXiv 2205.13535",
)
