"""EVA02 with Rein written plainly from the papers and the golden folder's description, on official names.

Independent of timm and of the suite's backbone, so that the two can be held against each other.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def rotary_tables(side: int, head_width: int, pretraining_side: int = 16) -> tuple[Tensor, Tensor]:
    """Cosines and sines (side^2, head_width): rows turn the first half of a head's channels, columns the second."""
    half = head_width // 2
    cos, sin = torch.empty(side * side, head_width), torch.empty(side * side, head_width)
    for row in range(side):
        for column in range(side):
            for channel in range(head_width):
                place = (row if channel < half else column) * pretraining_side / side
                pair = (channel % half) // 2
                angle = place / 10_000 ** (2 * pair / half)
                cos[row * side + column, channel] = math.cos(angle)
                sin[row * side + column, channel] = math.sin(angle)
    return cos, sin


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn neighbouring pairs of channels of x (N, D)."""
    even, odd = x[:, 0::2], x[:, 1::2]
    turned = torch.empty_like(x)
    turned[:, 0::2] = even * cos[:, 0::2] - odd * sin[:, 0::2]
    turned[:, 1::2] = odd * cos[:, 1::2] + even * sin[:, 1::2]
    return turned


def norm(w: Weights, name: str, x: Tensor) -> Tensor:
    """LayerNorm with eps 1e-6."""
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def attention(w: Weights, name: str, x: Tensor, heads: int) -> Tensor:
    """x (1 + N, C), the class token first, which is not turned."""
    q = x @ w[f"{name}.q_proj.weight"].T + w[f"{name}.q_bias"]
    k = x @ w[f"{name}.k_proj.weight"].T
    v = x @ w[f"{name}.v_proj.weight"].T + w[f"{name}.v_bias"]
    out = []
    for q_head, k_head, v_head in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
        tables = w["rope.freqs_cos"], w["rope.freqs_sin"]
        q_turned = torch.cat([q_head[:1], rotate(q_head[1:], *tables)])
        k_turned = torch.cat([k_head[:1], rotate(k_head[1:], *tables)])
        out.append((q_turned @ k_turned.T / math.sqrt(q_head.shape[-1])).softmax(-1) @ v_head)
    return torch.cat(out, -1) @ w[f"{name}.proj.weight"].T + w[f"{name}.proj.bias"]


def swiglu(w: Weights, name: str, x: Tensor) -> Tensor:
    """w3(ffn_ln(silu(w1 x) * w2 x))."""
    gate = x @ w[f"{name}.w1.weight"].T + w[f"{name}.w1.bias"]
    value = x @ w[f"{name}.w2.weight"].T + w[f"{name}.w2.bias"]
    return norm(w, f"{name}.ffn_ln", gate * gate.sigmoid() * value) @ w[f"{name}.w3.weight"].T + w[f"{name}.w3.bias"]


def rein(r: Weights, x: Tensor, block: int) -> Tensor:
    """x (N, C) patch tokens -> refined."""
    tokens = r["learnable_tokens_a"][block] @ r["learnable_tokens_b"][block]
    similarity = (x @ tokens.T / math.sqrt(x.shape[-1])).softmax(-1)
    feats = tokens[1:] @ r["mlp_token2feat.weight"].T + r["mlp_token2feat.bias"]
    delta = (similarity[:, 1:] @ feats + x) @ r["mlp_delta_f.weight"].T + r["mlp_delta_f.bias"]
    return x + r["scale"] * delta


def image_features(w: Weights, r: Weights, image: Tensor, config: dict[str, Any]) -> list[Tensor]:
    """One normalised image (3, S, S) -> four maps (C, S / s, S / s)."""
    patch, side = config["patch_size"], config["img_size"] // config["patch_size"]
    pieces = image.unfold(1, patch, patch).unfold(2, patch, patch).permute(1, 2, 0, 3, 4).reshape(side * side, -1)
    x = pieces @ w["patch_embed.proj.weight"].flatten(1).T + w["patch_embed.proj.bias"]
    x = torch.cat([w["cls_token"][0], x]) + w["pos_embed"][0]
    maps = []
    for block in range(config["depth"]):
        x = x + attention(w, f"blocks.{block}.attn", norm(w, f"blocks.{block}.norm1", x), config["num_heads"])
        x = x + swiglu(w, f"blocks.{block}.mlp", norm(w, f"blocks.{block}.norm2", x))
        x = torch.cat([x[:1], rein(r, x[1:], block)])
        if block in config["out_indices"]:
            maps.append(x[1:].T.reshape(1, -1, side, side))
    sizes = [config["img_size"] // stride for stride in (4, 8, 16, 32)]
    return [
        F.interpolate(m, size=(s, s), mode="bilinear", align_corners=False)[0] for m, s in zip(maps, sizes, strict=True)
    ]


def features(w: Weights, r: Weights, images: Tensor, config: dict[str, Any]) -> list[Tensor]:
    """Normalised images (B, 3, S, S) -> four maps (B, C, S / s, S / s)."""
    each = [image_features(w, r, image, config) for image in images]
    return [torch.stack(maps) for maps in zip(*each, strict=True)]


def queries(r: Weights) -> Tensor:
    """Linked queries (m, hidden)."""
    layers = [
        a @ b @ r["transform.weight"].T + r["transform.bias"]
        for a, b in zip(r["learnable_tokens_a"], r["learnable_tokens_b"], strict=True)
    ]
    stack = torch.stack(layers)
    three = torch.stack([stack.max(0).values, stack.mean(0), stack[-1]], dim=2)
    return three.reshape(len(three), -1) @ r["merge.weight"].T + r["merge.bias"]


def backbone_weights(config: dict[str, Any]) -> Weights:
    """Random weights under the official names."""
    width, hidden, patch = config["embed_dim"], int(config["embed_dim"] * 8 / 3), config["patch_size"]
    side = config["img_size"] // patch
    shapes: dict[str, tuple[int, ...]] = {"cls_token": (1, 1, width), "pos_embed": (1, 1 + side**2, width)}
    shapes |= {"patch_embed.proj.weight": (width, 3, patch, patch), "patch_embed.proj.bias": (width,)}
    for block in range(config["depth"]):
        b = f"blocks.{block}"
        for n in (f"{b}.norm1", f"{b}.norm2"):
            shapes |= {f"{n}.weight": (width,), f"{n}.bias": (width,)}
        shapes |= {f"{b}.attn.{n}_proj.weight": (width, width) for n in "qkv"}
        shapes |= {f"{b}.attn.q_bias": (width,), f"{b}.attn.v_bias": (width,)}
        shapes |= {f"{b}.attn.proj.weight": (width, width), f"{b}.attn.proj.bias": (width,)}
        for n, (rows, columns) in {"w1": (hidden, width), "w2": (hidden, width), "w3": (width, hidden)}.items():
            shapes |= {f"{b}.mlp.{n}.weight": (rows, columns), f"{b}.mlp.{n}.bias": (rows,)}
        shapes |= {f"{b}.mlp.ffn_ln.weight": (hidden,), f"{b}.mlp.ffn_ln.bias": (hidden,)}
    weights = {}
    for name, shape in shapes.items():
        scale = 1 / math.sqrt(math.prod(shape[1:])) if name.endswith("proj.weight") or ".mlp.w" in name else 0.3
        weights[name] = torch.randn(shape) * scale + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    weights["rope.freqs_cos"], weights["rope.freqs_sin"] = rotary_tables(side, width // config["num_heads"])
    return weights
