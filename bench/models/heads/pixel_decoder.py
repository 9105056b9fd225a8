"""Mask2Former's pixel decoder: deformable attention over three scales, and one FPN step to the mask features."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.heads.deformable import MultiScaleDeformableAttention, Shapes
from bench.models.heads.layers import ConvNorm, FeedForward, cell_centres, sine_positions

LEVELS = 3


class Pixels(NamedTuple):
    """mask_features (B, C, H / 4, W / 4); memory: (B, h w, C) at strides 32, 16, 8, with shapes (h, w) of each."""

    mask_features: Tensor
    memory: list[Tensor]
    shapes: Shapes


class EncoderLayer(nn.Module):
    """Deformable self-attention and a feed-forward net, each followed by its norm."""

    def __init__(self, width: int, heads: int, points: int, ffn: int) -> None:
        super().__init__()
        self.self_attn = MultiScaleDeformableAttention(width, heads, LEVELS, points)
        self.ffn = FeedForward(width, ffn)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        for parameter in self.ffn.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)

    def forward(self, tokens: Tensor, positions: Tensor, references: Tensor, shapes: Shapes) -> Tensor:
        """tokens (B, S, C) of all levels, positions (S, C), references (S, 2) -> (B, S, C)."""
        tokens = self.norms[0](tokens + self.self_attn(tokens, positions, references, shapes))
        return cast(Tensor, self.norms[1](self.ffn(tokens)))


class Encoder(nn.Module):
    """The stack of encoder layers."""

    def __init__(self, depth: int, width: int, heads: int, points: int, ffn: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, points, ffn) for _ in range(depth))


class PixelDecoder(nn.Module):
    """Feature maps at strides 4 to 32 -> mask features and three maps of memory."""

    def __init__(
        self, channels: tuple[int, int, int, int], width: int, depth: int, heads: int, points: int, ffn: int
    ) -> None:
        super().__init__()
        self.input_convs = nn.ModuleList(ConvNorm(size, width, 1, bias=True) for size in channels[:0:-1])
        self.encoder = Encoder(depth, width, heads, points, ffn)
        self.lateral_convs = nn.ModuleList([ConvNorm(channels[0], width, 1, bias=False)])
        self.output_convs = nn.ModuleList([ConvNorm(width, width, 3, bias=False, relu=True)])
        self.mask_feature = nn.Conv2d(width, width, 1)
        self.level_encoding = nn.Embedding(LEVELS, width)
        nn.init.kaiming_uniform_(self.mask_feature.weight, a=1)
        nn.init.zeros_(cast(Tensor, self.mask_feature.bias))

    def forward(self, features: list[Tensor]) -> Pixels:
        """Four maps (B, C_i, h_i, w_i), finest first.

        Under autocast products are in half precision; norms, the tokens between layers and the points that are sampled
        are not.
        """
        maps = [conv(feature) for conv, feature in zip(self.input_convs, features[:0:-1], strict=True)]
        shapes = [(int(x.shape[2]), int(x.shape[3])) for x in maps]
        tokens = torch.cat([x.flatten(2) for x in maps], dim=2).transpose(1, 2)
        positions = torch.cat(
            [
                sine_positions(h, w, tokens.shape[-1], tokens) + self.level_encoding.weight[level]
                for level, (h, w) in enumerate(shapes)
            ]
        )
        references = cell_centres(tuple(shapes), tokens.device)
        for layer in self.encoder.layers:
            tokens = layer(tokens, positions, references, shapes)
        memory = list(tokens.split([h * w for h, w in shapes], dim=1))
        finest = memory[-1].transpose(1, 2).unflatten(2, shapes[-1])
        lateral = self.lateral_convs[0](features[0])
        merged = lateral + F.interpolate(finest, size=lateral.shape[-2:], mode="bilinear", align_corners=False)
        return Pixels(self.mask_feature(self.output_convs[0](merged)), memory, shapes)
