"""EVA02's attention with the rotary embedding as a product of complex numbers: one step where timm takes eight."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from timm.models.eva import Eva, EvaAttention
from torch import Tensor, nn


class RotaryAttention(nn.Module):
    """Takes over the parameters of timm's attention, under the same names; q and v have a bias, k has none."""

    def __init__(self, attention: EvaAttention) -> None:
        super().__init__()
        self.q_proj = cast(nn.Linear, attention.q_proj)
        self.k_proj = cast(nn.Linear, attention.k_proj)
        self.v_proj = cast(nn.Linear, attention.v_proj)
        self.norm, self.proj = attention.norm, attention.proj
        self.heads = attention.num_heads

    def forward(self, x: Tensor, rope: Tensor, **_: object) -> Tensor:
        """x (B, N, C); rope (N, 1, head width / 2) complex, 1 for tokens that are not turned -> (B, N, C)."""
        v = self.v_proj(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k = (
            self._turn(projection(x), rope).to(v.dtype).transpose(1, 2) for projection in (self.q_proj, self.k_proj)
        )
        out: Tensor = self.proj(self.norm(attend(q, k, v).transpose(1, 2).flatten(2)))
        return out

    def _turn(self, x: Tensor, rope: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, heads, head width): neighbouring pairs of channels turned."""
        pairs = torch.view_as_complex(x.float().unflatten(-1, (self.heads, -1, 2)))
        return torch.view_as_real(pairs * rope).flatten(-2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over (B, heads, N, d), by whichever of torch's ways is faster.

    On a CPU torch's fused kernel is the fastest in float32, but in bfloat16 it takes 2 (512 tokens) to 3.7 (128 tokens)
    times as long, forward and backward, as two matrix products and a softmax.
    """
    if q.device.type == "cpu" and q.dtype is torch.bfloat16 and q.requires_grad:
        weights = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1, dtype=torch.float32)
        return torch.matmul(weights.to(v.dtype), v)
    return F.scaled_dot_product_attention(q, k, v)


def use_rotary_attention(vit: Eva) -> bool:
    """Replace the attention of every block, if the model is one this is made for; says whether it did."""
    blocks = list(vit.blocks)
    if vit.rope is None or not all(_fits(block.attn) for block in blocks):
        return False
    for block in blocks:
        block.attn = RotaryAttention(cast(EvaAttention, block.attn))
    return True


def _fits(attention: object) -> bool:
    """EVA02's attention and none of timm's variations on it (fused or normalised projections, gates, dropout)."""
    return (
        isinstance(attention, EvaAttention)
        and attention.q_proj is not None
        and isinstance(attention.q_norm, nn.Identity)
        and attention.gate is None
        and not attention.rotate_half
        and not attention.attn_drop.p
        and not attention.proj_drop.p
    )


def as_complex(table: Tensor, prefix: int) -> Tensor:
    """timm's table (N, 2 D) of sines and cosines -> (prefix + N, 1, D / 2) complex, 1 for the prefix tokens."""
    sine, cosine = table.float().chunk(2, dim=-1)
    turns = torch.complex(cosine[:, ::2], sine[:, ::2])
    return torch.cat([turns.new_ones(prefix, turns.shape[1]), turns]).unsqueeze(1)
