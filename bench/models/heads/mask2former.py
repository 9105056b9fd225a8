"""Mask2Former's head (arXiv 2112.01527): queries that look where their own masks are, one class and mask each."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Head
from bench.models.heads.layers import Attention, FeedForward, sine_positions, without_autocast
from bench.models.heads.mask2former_loss import Predictions, mask2former_loss
from bench.models.heads.pixel_decoder import LEVELS, PixelDecoder, Pixels
from bench.spec import HeadConfig

STRIP = 2**20
"""Numbers in a strip of masks: 4 MB."""


class DecoderLayer(nn.Module):
    """Masked cross-attention, self-attention, feed-forward net, each followed by its norm."""

    def __init__(self, width: int, heads: int, ffn: int) -> None:
        super().__init__()
        self.cross_attn = Attention(width, heads)
        self.self_attn = Attention(width, heads)
        self.ffn = FeedForward(width, ffn)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, queries: Tensor, positions: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """queries (B, Q, C), positions (Q, C), key and value (B, S, C), mask (B, 1, Q, S) -> (B, Q, C)."""
        queries = self.norms[0](self.cross_attn(queries, positions, key, value, mask))
        queries = self.norms[1](self.self_attn(queries, positions, queries + positions, queries))
        return cast(Tensor, self.norms[2](self.ffn(queries)))


class Decoder(nn.Module):
    """The stack of decoder layers and the norm in front of every prediction."""

    def __init__(self, depth: int, width: int, heads: int, ffn: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, ffn) for _ in range(depth))
        self.post_norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)


class Mask2FormerHead(Head):
    """Pixel decoder, query decoder, class and mask predictions, under mmdetection's parameter names.

    With `linked`, queries come from outside (Rein's tokens): they are the query positions, and a linear map of them
    the initial query features; else both are learned embeddings.
    """

    no_decay = ("query_embed", "query_feat", "level_embed", "pixel_decoder.level_encoding")
    score_kind = "evidence"

    def __init__(
        self,
        channels: tuple[int, int, int, int],
        classes: int,
        config: HeadConfig,
        linked: bool,
        encoder_heads: int | None = None,
    ) -> None:
        super().__init__()
        width = config.hidden
        self.config = config
        self.pixel_decoder = PixelDecoder(
            channels, width, config.encoder_layers, encoder_heads or config.heads, config.points, config.encoder_ffn
        )
        self.transformer_decoder = Decoder(config.decoder_layers, width, config.heads, config.decoder_ffn)
        self.level_embed = nn.Embedding(LEVELS, width)
        if linked:
            self.querys2feat = nn.Linear(width, width)
        else:
            self.query_embed = nn.Embedding(config.num_queries, width)
            self.query_feat = nn.Embedding(config.num_queries, width)
        self.cls_embed = nn.Linear(width, classes + 1)
        self.mask_embed = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.linked = linked

    def forward(self, features: list[Tensor], queries: Tensor | None = None) -> Predictions:
        """Four maps, finest first, and linked queries (Q, C) if this head takes them."""
        return self.decode(self.pixel_decoder(features), queries)

    def decode(self, pixels: Pixels, queries: Tensor | None = None) -> Predictions:
        """The queries' predictions from the pixel decoder's output."""
        if self.linked:
            if queries is None:
                raise ValueError("this head is linked: it needs the adapter's queries")
            positions, content = queries, self.querys2feat(queries)
        else:
            positions, content = self.query_embed.weight, self.query_feat.weight
        values = [memory + self.level_embed.weight[level] for level, memory in enumerate(pixels.memory)]
        keys = [
            value + sine_positions(h, w, value.shape[-1], value)
            for value, (h, w) in zip(values, pixels.shapes, strict=True)
        ]
        # A mask resized is the product with resized mask features: both steps are linear.
        with torch.no_grad():
            places = [
                F.interpolate(pixels.mask_features, size=shape, mode="bilinear", align_corners=False).flatten(2)
                for shape in pixels.shapes
            ]
        state = content.expand(len(values[0]), -1, -1)
        normed, embeddings = [], []
        for index in range(len(self.transformer_decoder.layers) + 1):
            normed.append(self.transformer_decoder.post_norm(state))
            embeddings.append(self.mask_embed(normed[-1]))
            if index < len(self.transformer_decoder.layers):
                level = index % LEVELS
                mask = _attention_mask(embeddings[-1].detach(), places[level])
                state = self.transformer_decoder.layers[index](state, positions, keys[level], values[level], mask)
        return Predictions(self.cls_embed(torch.stack(normed)), torch.stack(embeddings), pixels.mask_features)

    def loss(
        self, features: list[Tensor], labels: Tensor, queries: Tensor | None = None, points: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Class, mask and dice loss of every layer, weighted; `d<i>.` names layer i, no prefix the last.

        `points` (P, 2), (x, y) in [0, 1], replaces all random points, of matching and of losses.
        """
        return mask2former_loss(self(features, queries), labels, self.config, points)

    def logits(self, features: list[Tensor], size: tuple[int, int], queries: Tensor | None = None) -> Tensor:
        """Sum over the queries of class probability (without no-object) x mask probability, (B, classes, *size)."""
        predictions = self(features, queries)
        classes, masks = predictions.classes[-1], predictions.last_masks()
        with without_autocast(masks):
            if self.ensemble is not None:
                return semantic_scores(self.ensemble(classes, masks, features), masks, size)
            return semantic_scores(classes.float().softmax(-1)[..., :-1], masks, size)


def semantic_scores(probabilities: Tensor, masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Class probabilities (B, Q, K) and mask logits (B, Q, h, w) -> scores (B, K, *size).

    All masks at full size are a hundred images: on a CPU they are made and used up strip by strip, within its caches.
    """
    masks, (height, width) = masks.float(), size
    rows = max(1, STRIP // (masks.shape[0] * masks.shape[1] * width)) if masks.device.type == "cpu" else height
    if rows >= height:
        full = F.interpolate(masks, size=size, mode="bilinear", align_corners=False).sigmoid_()
        return torch.einsum("bqk,bqhw->bkhw", probabilities, full)
    above, below, share = _rows_between(masks.shape[2], height, masks)
    strips = []
    for strip in (slice(first, first + rows) for first in range(0, height, rows)):
        part = torch.lerp(masks[:, :, above[strip]], masks[:, :, below[strip]], share[strip, None])
        part = F.interpolate(part, size=(part.shape[2], width), mode="bilinear", align_corners=False).sigmoid_()
        strips.append(torch.einsum("bqk,bqhw->bkhw", probabilities, part))
    return torch.cat(strips, dim=2)


def _rows_between(old: int, new: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of which two rows each new row is a mixture, and the share of the second, (new,) each: bilinear resizing."""
    place = ((torch.arange(new, device=like.device, dtype=torch.float64) + 0.5) * (old / new) - 0.5).clamp(min=0)
    above = place.long().clamp(max=old - 1)
    return above, (above + 1).clamp(max=old - 1), (place - above).to(like.dtype)


def _attention_mask(embeddings: Tensor, places: Tensor) -> Tensor:
    """(B, 1, Q, S) true where the query's mask is at least half sure; a query whose mask is empty looks everywhere."""
    inside = embeddings @ places >= 0
    return (inside | ~inside.any(-1, keepdim=True)).unsqueeze(1)
