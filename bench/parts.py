"""What a segmenter is put together from: the contracts of backbones and heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from bench.errors import UserError

Refine = Callable[[Tensor, int], Tensor]
"""(B, N, C) patch tokens and the block index -> tokens of the same shape."""

Reclassify = Callable[[Tensor, Tensor, list[Tensor]], Tensor]
"""Queries' class logits (B, Q, K + 1) and mask logits (B, Q, h, w), the backbone's maps -> probabilities (B, Q, K)."""

ScoreKind = Literal["logits", "evidence"]
"""What class scores are: logits, or evidence (not negative, of any scale; Mask2Former's), whose shares are probable."""


class Language(nn.Module):
    """The text side of a backbone that was trained with captions, for some classes. Frozen."""

    def logits(self, features: Tensor) -> Tensor:
        """(..., C) pooled features of the last map -> (..., K): scaled cosines with the classes' text embeddings."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in


class Backbone(nn.Module):
    """A vision foundation model that returns a feature pyramid.

    `channels` are those of the four maps. `widths` has the width of the tokens after each block: all the same in a
    plain vision transformer, one for each stage in ConvNeXt, ResNet or Swin. `plain` says that every block attends to
    all tokens (B, N, C) at once, as VPT's prompts need it.
    """

    channels: tuple[int, int, int, int]
    widths: tuple[int, ...]
    plain: bool = False

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.widths)

    @property
    def width(self) -> int:
        """Width of the last block's tokens."""
        return self.widths[-1]

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks in their order, for methods that work inside them; the backbone goes on using these modules."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in

    def language(self, classes: Sequence[str]) -> Language:
        """Its text side, for these classes. Raises UserError for a backbone that has none."""
        raise UserError(
            "this backbone has no text tower: take one trained with captions, as convnext-clip or clip-mini"
        )

    def forward(self, images: Tensor, refine: Refine | None = None) -> list[Tensor]:
        """RGB images in [0, 1], (B, 3, H, W) of any size -> maps (B, C, ceil(H / s), ceil(W / s)), s = 4, 8, 16, 32.

        `refine` is called on the patch tokens after every block; what it returns goes on to the next block.
        """
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in


class NoBackbone(Backbone):
    """Given to a method that brings its own model: no parameters, no maps; `config` is `OwnModel.model` of the run."""

    channels = (0, 0, 0, 0)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = config


class Head(nn.Module):
    """Turns a feature pyramid into class scores.

    `no_decay` names parameters exempt from weight decay (prefixes). `score_kind` says what the scores are, for those
    who make probabilities of them: `bench.reliability.probabilities`.
    """

    no_decay: tuple[str, ...] = ()
    score_kind: ScoreKind = "logits"
    ensemble: Reclassify | None = None
    """Of a head that classifies masks: what makes the probabilities of their classes, where not the head alone."""

    def loss(self, features: list[Tensor], labels: Tensor, queries: Tensor | None = None) -> dict[str, Tensor]:
        """Loss terms, already weighted, for labels (B, H, W) int64 with 255 ignored."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in

    def logits(self, features: list[Tensor], size: tuple[int, int], queries: Tensor | None = None) -> Tensor:
        """Class scores (B, classes, *size)."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in


class HeadFactory(Protocol):
    """Makes the run's head; the protocol decides its sizes, a method only whether queries are linked to its tokens."""

    @property
    def hidden(self) -> int: ...

    @property
    def num_queries(self) -> int: ...

    @property
    def takes_queries(self) -> bool: ...

    def __call__(self, channels: tuple[int, int, int, int], linked: bool = False) -> Head: ...
