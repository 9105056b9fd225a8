"""Multi-scale deformable attention (Deformable DETR, arXiv 2010.04159, section 4.1) without custom operators."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.heads.layers import without_autocast
from bench.models.heads.sampling import sample

Shapes = list[tuple[int, int]]


def sample_levels(value: Tensor, shapes: Shapes, grid: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of bilinear samples, zeros outside the maps.

    value (B, heads, D, S) holds the levels' maps one after the other; grid (B, heads, levels, points, N, 2) are (x, y)
    from -1 to 1 across each level's map; weights (B, heads, levels, points, N). Returns (B, heads, D, N).

    The long dimension comes last, so that products and sums over the points use whole vector registers.
    """
    maps = value.flatten(0, 1).split([h * w for h, w in shapes], dim=2)
    grid, weights = grid.flatten(0, 1), weights.flatten(0, 1)
    mixed = [
        (F.grid_sample(part.unflatten(2, shape), grid[:, level], align_corners=False) * weights[:, None, level]).sum(2)
        for level, (part, shape) in enumerate(zip(maps, shapes, strict=True))
    ]
    total: Tensor = torch.stack(mixed).sum(0).unflatten(0, value.shape[:2])
    return total


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
        """tokens (B, S, C), positions (S, C), references (S, 2): the tokens' places (x, y) in [0, 1] -> (B, S, C).

        Under autocast the two large projections are in half precision, which is too coarse for places and weights.
        """
        value = self.value_proj(tokens).float()
        mix = self._mix if tokens.device.type == "cpu" else self._mix_on_device
        with without_autocast(tokens):
            mixed = mix(value, tokens + positions, references, shapes)
        out: Tensor = self.output_proj(mixed)
        return out

    def _mix(self, value: Tensor, query: Tensor, references: Tensor, shapes: Shapes) -> Tensor:
        """Each token's weighted samples of the values, (B, S, C)."""
        layout = (self.heads, self.levels, self.points)
        offsets = self.sampling_offsets(query).unflatten(2, (*layout, 2))
        weights = self._weights(query).unflatten(2, layout[1:])
        return sample(value.unflatten(2, (self.heads, -1)), shapes, references, offsets, weights).flatten(2)

    def _weights(self, query: Tensor) -> Tensor:
        """(B, heads, levels points, S), 1 in sum over the points; softmax is slow where these lie side by side."""
        weight, bias = self.attention_weights.weight, self.attention_weights.bias
        logits = torch.baddbmm(bias[:, None], weight.expand(len(query), -1, -1), query.transpose(1, 2))
        weights: Tensor = logits.unflatten(1, (self.heads, -1)).softmax(2)
        return weights

    def _mix_on_device(self, value: Tensor, query: Tensor, references: Tensor, shapes: Shapes) -> Tensor:
        """The same by torch's operators."""
        layout = (self.heads, self.levels, self.points)
        value = value.transpose(1, 2).unflatten(1, (self.heads, -1))
        # grid_sample counts from -1 to 1 across a map, offsets count cells: the small factor is put into the weights.
        cells = query.new_tensor([[2 / w, 2 / h] for h, w in shapes])[:, None].expand((*layout, 2)).flatten()
        offsets = F.linear(query, self.sampling_offsets.weight * cells[:, None], self.sampling_offsets.bias * cells)
        places = offsets + (2 * references - 1).repeat(1, self.heads * self.levels * self.points)
        grid = places.unflatten(2, (*layout, 2)).permute(0, 2, 3, 4, 1, 5)
        weights = self._weights(query).unflatten(2, layout[1:])
        return sample_levels(value, shapes, grid, weights).flatten(1, 2).transpose(1, 2)
