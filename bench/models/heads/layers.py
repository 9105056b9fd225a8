"""Pieces of Mask2Former's head under the names mmdetection's checkpoints give them."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def without_autocast(like: Tensor) -> AbstractContextManager[None]:
    """Operators keep the types they are given, on the device of `like`.

    Tensors without data, on which FLOPs are counted, know no autocast.
    """
    kind = like.device.type
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)


class ConvNorm(nn.Module):
    """Convolution, GroupNorm of 32 groups, and ReLU if asked for."""

    def __init__(self, channels: int, width: int, kernel: int, bias: bool, relu: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=bias)
        self.gn = nn.GroupNorm(32, width)
        self.relu = relu
        # A linear map in front of a norm: Xavier for the projections, "Caffe's Xavier" (Kaiming, fan in) without bias.
        if bias:
            nn.init.xavier_uniform_(self.conv.weight)
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # there is one: bias=True
        else:
            nn.init.kaiming_uniform_(self.conv.weight, a=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, width, H, W)."""
        x = self.gn(self.conv(x).float())  # statistics in full precision, whatever the convolution had
        return x.relu_() if self.relu else x


STRIP = 512
"""Tokens whose hidden layer a CPU's caches hold."""


class FeedForward(nn.Module):
    """Linear, ReLU, Linear, added to the input."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        # Not in place: of a batch's tokens a linear layer gives a view, whose gradient would be copied twice.
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(width, hidden), nn.ReLU()), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, width) -> the same shape."""
        out: Tensor
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            out = torch.cat([part + self.layers(part) for part in x.split(STRIP, dim=1)], dim=1)
        else:
            out = x + self.layers(x)
        return out


class Projections(nn.Module):
    """The parameters of a multi-head attention under torch's names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.bias)


class Attention(nn.Module):
    """Multi-head attention, added to the query; positions go into queries and keys, not into values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Projections(width)
        self.heads = heads

    def forward(
        self, query: Tensor, positions: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """query (B, Q, C), positions (Q, C), key and value (B, S, C), mask (B, 1, Q, S) true where to look."""
        weights, biases = self.attn.in_proj_weight.chunk(3), self.attn.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query + positions, key, value), weights, biases, strict=True)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = query + self.attn.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


def sine_positions(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Normalised sine position embedding (height width, channels), DETR's (arXiv 2005.12872, appendix A.4)."""
    return _sine_positions(height, width, channels, like.device)


@lru_cache(maxsize=256)
def _sine_positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    half = channels // 2
    # Tables made under inference mode could not be used in training later.
    with torch.inference_mode(False):
        index = torch.arange(half, device=device)
        frequency = 10_000 ** (2 * (index // 2) / half)

        def encode(size: int) -> Tensor:
            place = torch.arange(1, size + 1, device=device) * (2 * math.pi / (size + 1e-6))
            angle = place[:, None] / frequency
            return torch.where(index % 2 == 0, angle.sin(), angle.cos())

        rows = encode(height)[:, None].expand(-1, width, -1)
        columns = encode(width)[None].expand(height, -1, -1)
        return torch.cat([rows, columns], dim=-1).flatten(0, 1)


@lru_cache(maxsize=256)
def cell_centres(shapes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Centres (x, y) in [0, 1] of all cells of the maps, one map after the other, (sum h w, 2)."""
    with torch.inference_mode(False):
        centres = []
        for height, width in shapes:
            y = (torch.arange(height, device=device) + 0.5) / height
            x = (torch.arange(width, device=device) + 0.5) / width
            centres.append(torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).flatten(0, 1))
        return torch.cat(centres)


def forget_tables() -> None:
    """Free what `sine_positions` and `cell_centres` keep for every size of image that was met."""
    _sine_positions.cache_clear()
    cell_centres.cache_clear()
