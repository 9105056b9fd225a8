"""Contrast of crops with their captions, and of single things with their words.

CLIP's loss (arXiv 2103.00020, section 2.3) beside one in RegionCLIP's manner (arXiv 2112.09106, section 3.2), with the
places of things from the scene graph instead of proposals.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Backbone
from bench.models.minis.captions import vocabulary
from bench.models.minis.pairs import Pairs
from bench.models.minis.towers import MiniLanguage, Projection

LEVELS = (1, 2)  # maps beside the last that single things are read from while training


class Losses(NamedTuple):
    """Mean losses of a batch."""

    pair: Tensor  # InfoNCE of crops and captions, both ways
    region: Tensor  # of things and their words, mean over the maps


class Model(nn.Module):
    """The image tower, its language side, and projections of the finer maps that training alone uses."""

    def __init__(self, backbone: Backbone, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.language = MiniLanguage(vocabulary(), backbone.channels[-1], dim)
        self.finer = nn.ModuleList(Projection(backbone.channels[level], dim) for level in LEVELS)

    def forward(self, batch: Pairs) -> Losses:
        """Losses of one batch."""
        maps = self.backbone(batch.images)
        seen = self.language.encode_image(maps[-1].float().mean((2, 3)))
        said = self.language.encode_text(batch.texts)
        once = sorted({*batch.phrases})
        words = self.language.encode_text(once) if once else said[:0]
        levels = [*zip((maps[level] for level in LEVELS), self.finer, strict=True), (maps[-1], self.language.image)]
        at_places = [project(at(grid.float(), batch.owner, batch.places)) for grid, project in levels]
        with torch.autocast("cpu", enabled=False):  # a cosine in bfloat16, times 100, is off by up to 0.4
            pair = both_ways(self.language.scale * seen @ said.T)
            if not once:
                return Losses(pair, pair.new_zeros(()))
            words = words[[once.index(phrase) for phrase in batch.phrases]]
            rivals = rival(batch.kinds, batch.hues)
            found = [F.normalize(x.float(), dim=-1) for x in at_places]
            losses = [one_of_many(self.language.scale * x @ words.T, rivals) for x in found]
            return Losses(pair, torch.stack(losses).mean())


def both_ways(logits: Tensor) -> Tensor:
    """CLIP's loss of logits (B, B): each crop's caption among all, and each caption's crop."""
    target = torch.arange(len(logits))
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


def at(grid: Tensor, owner: Tensor, places: Tensor) -> Tensor:
    """Features (R, C) of maps (B, C, h, w) at places (R, 2), x and y as shares of the image, between cells linearly."""
    height, width = grid.shape[-2:]
    rows = grid.permute(0, 2, 3, 1).flatten(0, 2)  # index_select on these has a cheap gradient
    x = (places[:, 0] * width - 0.5).clamp(0, width - 1)
    y = (places[:, 1] * height - 0.5).clamp(0, height - 1)
    left, top = x.floor().long().clamp(max=max(width - 2, 0)), y.floor().long().clamp(max=max(height - 2, 0))
    u, v = (x - left)[:, None], (y - top)[:, None]
    right, below = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)

    def cell(i: Tensor, j: Tensor) -> Tensor:
        return rows.index_select(0, (owner * height + i) * width + j)

    upper = cell(top, left) * (1 - u) + cell(top, right) * u
    lower = cell(below, left) * (1 - u) + cell(below, right) * u
    return upper * (1 - v) + lower * v


def rival(kinds: Tensor, hues: list[str]) -> Tensor:
    """(R, R) bool: whether the words for one thing are wrong for another: another kind, or another colour told."""
    names = sorted({*hues} - {""})
    colour = torch.tensor([names.index(hue) if hue else -1 for hue in hues])
    told = (colour >= 0)[:, None] & (colour >= 0)[None]
    return (kinds[:, None] != kinds[None]) | (told & (colour[:, None] != colour[None]))


def one_of_many(logits: Tensor, rivals: Tensor) -> Tensor:
    """Mean InfoNCE of rows (R, R), each against its own column and the columns that are wrong for it.

    Each kind weighs its share of the columns, which the draw of regions has made about even.
    """
    open_ = rivals | torch.eye(len(logits), dtype=torch.bool)
    return F.cross_entropy(logits.masked_fill(~open_, -torch.inf), torch.arange(len(logits)))
