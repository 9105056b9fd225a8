"""Rein: learnable tokens refine the features of every block of a frozen backbone, and become the head's queries."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, UserError, freeze

PATCH = 16
"""The patch size in the initialisation's bound; the published code uses 16 whatever the backbone's is."""

Positive = Annotated[int, Field(gt=0)]


class ReinConfig(MethodConfig):
    """Rein's options; the defaults are the published ones."""

    tokens: Positive | None = None
    """Learnable tokens per block, m; None takes the head's number of queries, which it must equal when linked."""
    rank: Annotated[int, Field(ge=0)] = 16
    """Rank r of the tokens' factorisation; 0 learns them in full."""
    scale: float = 0.001
    """Initial value of the factor s in front of the change."""
    token_lr_scale: Annotated[float, Field(gt=0)] = 1.0
    """Learning rate of the tokens relative to everything else's."""
    linked: bool = True
    """Whether the head's queries are made from the tokens."""


class Rein(nn.Module):
    """f + s MLP_f(f + softmax(f T^T / sqrt(C))[:, 1:] MLP_T(T[1:])), arXiv 2312.04265, section 3.

    `depth` blocks of `width` channels, `tokens` tokens each; `hidden` is the width of the head's queries.
    """

    def __init__(self, depth: int, width: int, tokens: int, rank: int, scale: float, hidden: int | None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        if rank:
            bound = math.sqrt(6 / (3 * PATCH**2 + math.sqrt(width * rank)))
            self.learnable_tokens_a = nn.Parameter(torch.empty(depth, tokens, rank).uniform_(-bound, bound))
            self.learnable_tokens_b = nn.Parameter(torch.empty(depth, rank, width).uniform_(-bound, bound))
        else:
            bound = math.sqrt(6 / (3 * PATCH**2 + width))
            self.learnable_tokens = nn.Parameter(torch.empty(depth, tokens, width).uniform_(-bound, bound))
        # nn.Linear's own initialisation is the Kaiming-uniform one with a = sqrt(5).
        self.mlp_token2feat = nn.Linear(width, width)
        self.mlp_delta_f = nn.Linear(width, width)
        if hidden is not None:
            self.transform = nn.Linear(width, hidden)
            self.merge = nn.Linear(3 * hidden, hidden)
        self.rank = rank
        self.linked = hidden is not None

    def tokens(self, block: int | None = None) -> Tensor:
        """T of one block (m, C), or of all blocks (L, m, C)."""
        index = slice(None) if block is None else block
        if self.rank:
            return self.learnable_tokens_a[index] @ self.learnable_tokens_b[index]
        return self.learnable_tokens[index]

    def forward(self, features: Tensor, block: int) -> Tensor:
        """(B, N, C) patch tokens after `block` -> the refined ones."""
        tokens = self.tokens(block)
        similarity = (features @ (tokens * features.shape[-1] ** -0.5).T).softmax(-1)
        # The first token is the null token: what it attracts is left out of the sum.
        delta = similarity[..., 1:] @ self.mlp_token2feat(tokens[1:])
        refined: Tensor = features + self.scale * self.mlp_delta_f(delta + features)
        return refined

    def queries(self) -> Tensor | None:
        """The head's queries (m, hidden) from the tokens of all blocks: maximum, mean and last, merged."""
        if not self.linked:
            return None
        per_block = self.transform(self.tokens())
        summary = torch.stack([per_block.amax(0), per_block.mean(0), per_block[-1]], dim=-1)
        # Published weights have the three values of a channel next to each other, not three blocks of channels.
        queries: Tensor = self.merge(summary.flatten(-2))
        return queries


def build(backbone: Backbone, make_head: HeadFactory, config: ReinConfig) -> Segmenter:
    """A frozen backbone, Rein after every block, and a head whose queries are linked to Rein's tokens."""
    tokens = config.tokens or make_head.num_queries
    if config.linked and tokens != make_head.num_queries:
        raise UserError(f"linked queries need as many tokens as the head has queries ({make_head.num_queries})")
    hidden = make_head.hidden if config.linked else None
    rein = Rein(backbone.depth, backbone.width, tokens, config.rank, config.scale, hidden)
    head = make_head(backbone.channels, linked=config.linked)
    lr_scale = {"adapter.learnable_tokens": config.token_lr_scale}
    return Segmenter(freeze(backbone), head, rein, lr_scale, no_decay=("adapter.learnable_tokens", "adapter.scale"))


CARD = MethodCard(
    name="rein",
    summary="learnable tokens after every frozen block, linked to the head's queries",
    build=build,
    config=ReinConfig,
    citation="Wei et al., Stronger, Fewer, & Superior, CVPR 2024, arXiv 2312.04265",
)
