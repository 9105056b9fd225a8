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
from methods.rein.kept import Kept

PATCH = 16
"""The patch size in the initialisation's bound; the published code uses 16 whatever the backbone's is."""

COMPARED_AT_EVERY_CALL = frozenset({"cpu"})
"""Kinds of device on which every block of a prediction makes sure that no parameter has changed.

Elsewhere its first block does: a comparison waits for the device.
"""

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
        self._kept: Kept[Folded] = Kept()
        self._expected = 0

    def _held(self, block: int | None = None) -> Folded:
        """What the prediction of a block, or of the queries, needs of the parameters: computed when they are new."""
        kind, own = self.scale.device.type, self.scale.dtype
        # What autocast would cast in every block and image is kept as it wants it; float64 it leaves alone.
        casts = torch.is_autocast_enabled(kind) and own != torch.float64
        dtype = torch.get_autocast_dtype(kind) if casts else own
        sources = self._sources()

        def fold() -> Folded:
            # Usable in either mode, whichever asked first; multiplied in full precision.
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(kind, enabled=False):
                full = self._fold()
                keys, values, change, bias = (x.to(dtype) for x in (full.keys, full.values, full.change, full.bias))
                return Folded(keys, values, change, bias, None if full.queries is None else full.queries.to(own))

        return self._kept.get((dtype, self.softmax), sources, fold, self._unsure(block, len(sources)))

    def _sources(self) -> list[Tensor]:
        """All that is folded, the queries' own last."""
        tokens = [self.learnable_tokens_a, self.learnable_tokens_b] if self.rank else [self.learnable_tokens]
        layers = [self.mlp_token2feat, self.mlp_delta_f, *([self.transform, self.merge] if self.linked else [])]
        return [self.scale, *tokens, *(tensor for layer in layers for tensor in (layer.weight, layer.bias))]

    def _unsure(self, block: int | None, sources: int) -> int:
        """How many of the sources have to be compared, the first ones, before this block, or the queries (None)."""
        place = len(self.learnable_tokens_b if self.rank else self.learnable_tokens) if block is None else block
        goes_on, self._expected = 0 < place == self._expected, place + 1
        if goes_on and self.scale.device.type not in COMPARED_AT_EVERY_CALL:
            return 0
        return sources if block in (0, None) else sources - 4 * self.linked

    def _fold(self) -> Folded:
        own = self.tokens()
        tokens = own.to(torch.promote_types(own.dtype, torch.float32))
        scale, change = (x.to(tokens.dtype) for x in (self.scale, self.mlp_delta_f.weight))
        change = scale * change
        values = F.linear(_linear(self.mlp_token2feat, tokens), change)
        values[:, 0] = 0  # the null token
        bias = scale * self.mlp_delta_f.bias
        keys = tokens * tokens.shape[-1] ** -0.5 if self.softmax else tokens
        return Folded(keys.transpose(1, 2).contiguous(), values, change.T.contiguous(), bias, self._queries(tokens))

    def _folds(self) -> bool:
        """Whether this predicts, in eval mode.

        Compilers, CUDA graphs (which read parameters when they are replayed) and tensors without plain data get the
        plain form.
        """
        if self.training or torch.is_grad_enabled():
            self._kept.forget()  # it is memory that training may need
            return False
        if torch.compiler.is_compiling() or self.scale.is_meta or type(self.scale) not in (nn.Parameter, Tensor):
            return False
        return not (self.scale.is_cuda and torch.cuda.is_current_stream_capturing())

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
        held = self._held(block)
        flat = features.flatten(0, 1)
        similarity = flat @ held.keys[block]
        if self.softmax:
            similarity = similarity.softmax(-1)
        # Kept apart from the features until they are added: in half precision a small change would be lost in them.
        change = torch.addmm(torch.addmm(held.bias, similarity, held.values[block]), flat, held.change)
        return features + change.view_as(features)

    def queries(self) -> Tensor | None:
        """The head's queries (m, hidden) from the tokens of all blocks: maximum, mean and last, merged."""
        if not self.linked:
            return None
        return self._held().queries if self._folds() else self._queries(self.tokens())

    def _queries(self, tokens: Tensor) -> Tensor | None:
        if not self.linked:
            return None
        per_block = _linear(self.transform, tokens)
        summary = torch.stack([per_block.amax(0), per_block.mean(0), per_block[-1]], dim=-1)
        # Published weights have the three values of a channel next to each other, not three blocks of channels.
        return _linear(self.merge, summary.flatten(-2))


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer in the precision of `x`."""
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


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
