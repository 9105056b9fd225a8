"""Rein: learnable tokens refine the features of every block of a frozen backbone, and become the head's queries."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Annotated, NamedTuple, cast

import torch
import torch.nn.functional as F
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
    linked: bool = True
    """Whether the head's queries are made from the tokens."""
    softmax: bool = True
    """Whether similarities are scaled and normalised over the tokens; the paper's ablation goes without."""


class Folded(NamedTuple):
    """f + s MLP_f(f + softmax(f K) V) = f + f change + softmax(f keys) values + bias: the parameters multiplied out."""

    keys: Tensor
    """(L, C, m) tokens, scaled."""
    values: Tensor
    """(L, m, C), zero for the null token."""
    change: Tensor
    """(C, C)"""
    bias: Tensor
    """(C,)"""
    queries: Tensor | None
    """(m, hidden) of a linked head."""


class Rein(nn.Module):
    """f + s MLP_f(f + softmax(f T^T / sqrt(C))[:, 1:] MLP_T(T[1:])), arXiv 2312.04265, section 3.

    `depth` blocks of `width` channels, `tokens` tokens each; `hidden` is the width of the head's queries.
    """

    def __init__(
        self, depth: int, width: int, tokens: int, rank: int, scale: float, hidden: int | None, softmax: bool = True
    ) -> None:
        super().__init__()
        self.softmax = softmax
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
        self._cache: tuple[object, Folded | None] = (None, None)

    def _held(self) -> Folded:
        """What predictions need of the parameters, computed anew after training, or when one of them was changed."""
        kind = self.scale.device.type
        # What autocast would cast in every block and image is kept as it wants it.
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        key = dtype, *((p._version, p.data_ptr(), p.device, p.dtype) for p in self.parameters())
        known, folded = self._cache
        if folded is None or known != key:
            # Multiplied in full precision, and usable in either mode, whichever asked first.
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(kind, enabled=False):
                full = self._fold()
                keys, values, change, bias = (x.to(dtype) for x in (full.keys, full.values, full.change, full.bias))
                folded = Folded(keys, values, change, bias, full.queries)
            self._cache = key, folded
        return folded

    def _fold(self) -> Folded:
        tokens = self.tokens().float()
        change = self.scale * self.mlp_delta_f.weight.float()
        values = F.linear(self.mlp_token2feat(tokens), change)
        values[:, 0] = 0  # the null token
        bias = self.scale * self.mlp_delta_f.bias
        keys = tokens * tokens.shape[-1] ** -0.5 if self.softmax else tokens
        return Folded(keys.transpose(1, 2).contiguous(), values, change.T.contiguous(), bias, self._queries())

    def _folds(self) -> bool:
        """Whether this predicts, in eval mode; compilers and tensors without data get the plain form."""
        if self.training or torch.is_grad_enabled():
            self._cache = (None, None)  # a step may follow, and torch's fused optimisers leave versions as they are
            return False
        if torch.compiler.is_compiling() or self.scale.is_meta:
            return False
        return not any(parameter.is_inference() for parameter in self.parameters())  # they have no versions

    def tokens(self, block: int | None = None) -> Tensor:
        """T of one block (m, C), or of all blocks (L, m, C)."""
        index = slice(None) if block is None else block
        if self.rank:
            return self.learnable_tokens_a[index] @ self.learnable_tokens_b[index]
        return self.learnable_tokens[index]

    def forward(self, features: Tensor, block: int) -> Tensor:
        """(B, N, C) patch tokens after `block` -> the refined ones."""
        if self._folds():
            return self._predict(features, block)
        tokens = self.tokens(block)
        if self.softmax:
            similarity = (features @ (tokens * features.shape[-1] ** -0.5).T).softmax(-1)
        else:
            similarity = features @ tokens.T
        # The first token is the null token: what it attracts is left out of the sum.
        delta = similarity[..., 1:] @ self.mlp_token2feat(tokens[1:])
        refined: Tensor = features + self.scale * self.mlp_delta_f(delta + features)
        return refined

    def _predict(self, features: Tensor, block: int) -> Tensor:
        """The same with all that depends on the parameters alone taken from `_held`."""
        held = self._held()
        flat = features.flatten(0, 1)
        similarity = flat @ held.keys[block]
        if self.softmax:
            similarity = similarity.softmax(-1)
        # Kept apart from the features until they are added: in half precision a small change would be lost in them.
        change = torch.addmm(torch.addmm(held.bias, similarity, held.values[block]), flat, held.change)
        return features + change.view_as(features)

    def queries(self) -> Tensor | None:
        """The head's queries (m, hidden) from the tokens of all blocks: maximum, mean and last, merged."""
        return self._held().queries if self._folds() else self._queries()

    def _queries(self) -> Tensor | None:
        if not self.linked:
            return None
        per_block = self.transform(self.tokens())
        summary = torch.stack([per_block.amax(0), per_block.mean(0), per_block[-1]], dim=-1)
        # Published weights have the three values of a channel next to each other, not three blocks of channels.
        queries: Tensor = self.merge(summary.flatten(-2))
        return queries


class StagedRein(nn.Module):
    """One Rein for each stage of a hierarchical backbone; the head's queries are the sum of theirs (rein.md)."""

    def __init__(self, reins: list[Rein], depths: list[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(reins)
        self.places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]

    def forward(self, features: Tensor, block: int) -> Tensor:
        """(B, N, C) positions after `block`, counted over all stages -> the refined ones."""
        stage, inner = self.places[block]
        refined: Tensor = self.stages[stage](features, inner)
        return refined

    def queries(self) -> Tensor | None:
        """The head's queries (m, hidden)."""
        found = [cast(Rein, stage).queries() for stage in self.stages]
        return None if found[0] is None else torch.stack(cast("list[Tensor]", found)).sum(0)


def build(backbone: Backbone, make_head: HeadFactory, config: ReinConfig) -> Segmenter:
    """A frozen backbone, Rein after every block, and a head whose queries are linked to Rein's tokens."""
    tokens = config.tokens or make_head.num_queries
    if config.linked and not make_head.takes_queries:
        raise UserError("this head takes no queries: give Rein --set linked=false")
    if config.linked and tokens != make_head.num_queries:
        raise UserError(f"linked queries need as many tokens as the head has queries ({make_head.num_queries})")
    hidden = make_head.hidden if config.linked else None
    stages = [(width, len(list(blocks))) for width, blocks in groupby(backbone.widths)]
    reins = [Rein(depth, width, tokens, config.rank, config.scale, hidden, config.softmax) for width, depth in stages]
    adapter = reins[0] if len(reins) == 1 else StagedRein(reins, [depth for _, depth in stages])
    head = make_head(backbone.channels, linked=config.linked)
    names = [f"adapter.{name}" for name, _ in adapter.named_parameters()]
    spared = tuple(name for name in names if ".learnable_tokens" in name or name.endswith(".scale"))
    return Segmenter(freeze(backbone), head, adapter, no_decay=spared)


CARD = MethodCard(
    name="rein",
    summary="learnable tokens after every frozen block, linked to the head's queries",
    build=build,
    config=ReinConfig,
    citation="Wei et al., Stronger, Fewer, & Superior, CVPR 2024, arXiv 2312.04265",
)
