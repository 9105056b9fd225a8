"""Multi-scale deformable attention (Deformable DETR, arXiv 2010.04159, section 4.1) without custom operators."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shapes = list[tuple[int, int]]


def sample_levels(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of bilinear samples, zeros outside the maps.

    value (B, S, heads, D) holds the levels' maps one after the other; locations (B, N, heads, levels, points, 2) are
    (x, y) in [0, 1] of each level's map; weights (B, N, heads, levels, points). Returns (B, N, heads D).
    """
    batch, _, heads, channels = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    grids = (2 * locations - 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)
    levels = value.permute(0, 2, 3, 1).flatten(0, 1).split([h * w for h, w in shapes], dim=2)
    samples = [
        F.grid_sample(level.unflatten(2, shape), grids[:, index], padding_mode="zeros", align_corners=False)
        for index, (level, shape) in enumerate(zip(levels, shapes, strict=True))
    ]
    mixed = torch.stack(samples, dim=3).flatten(3) * weights.transpose(1, 2).reshape(batch * heads, 1, queries, -1)
    return mixed.sum(-1).view(batch, heads * channels, queries).transpose(1, 2)


class MultiScaleDeformableAttention(nn.Module):
    """Each token attends to `points` places around it on each of `levels` maps; names as in mmcv."""

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.sampling_offsets = nn.Linear(width, heads * levels * points * 2)
        self.attention_weights = nn.Linear(width, heads * levels * points)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._reset()

    def _reset(self) -> None:
        """Points start on rays, one direction a head, 1 to `points` cells out; weights equal (paper, appendix A.4)."""
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack([angle.cos(), angle.sin()], -1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        reach = torch.arange(1, self.points + 1).view(1, 1, -1, 1)
        rays = (direction.view(self.heads, 1, 1, 2) * reach).expand(-1, self.levels, -1, -1)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(rays.flatten())
        for zero in (self.sampling_offsets.weight, self.attention_weights.weight, self.attention_weights.bias):
            nn.init.zeros_(zero)
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, tokens: Tensor, positions: Tensor, references: Tensor, shapes: Shapes) -> Tensor:
        """tokens (B, S, C), positions (S, C), references (S, 2): the tokens' places (x, y) in [0, 1] -> (B, S, C)."""
        batch, length, _ = tokens.shape
        query = tokens + positions
        value = self.value_proj(tokens).unflatten(-1, (self.heads, -1))
        layout = (self.heads, self.levels, self.points)
        offsets = self.sampling_offsets(query).view(batch, length, *layout, 2)
        cells = offsets.new_tensor([[w, h] for h, w in shapes])[:, None]
        locations = references[:, None, None, None] + offsets / cells
        weights = self.attention_weights(query).view(batch, length, self.heads, -1).softmax(-1)
        return self.output_proj(sample_levels(value, shapes, locations, weights.view(batch, length, *layout)))
