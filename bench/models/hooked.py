"""Every other model (ConvNeXt, ResNet, Swin, SAM, those of transformers): its own forward pass, followed by hooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Refine
from bench.errors import UserError
from bench.models.card import BackboneCard
from bench.models.vit import STRIDES, Normalised, at_stride

Layout = Literal["tokens", "nchw", "nhwc"]
Run = Callable[[Tensor], object]
Taps = tuple[int, int, int, int]
NORM_EPS = 1e-6  # ConvNeXt's


class Anatomy(NamedTuple):
    """Where a model's blocks are and what they give.

    `stages` holds the blocks, one list for a plain transformer and four for a hierarchical model; `widths` the width
    of each stage; `cells` the pixels across one token or cell of each; `layout` that of the blocks' output, where
    "tokens" is (B, prefix + h w, C). `run` takes normalised images through all blocks.
    """

    run: Run
    stages: Sequence[Sequence[nn.Module]]
    widths: Sequence[int]
    cells: Sequence[int]
    layout: Layout
    after: Sequence[str] = ()
    """Modules that come after the last block; features do not pass through them."""
    plain: bool = False


class _Call(NamedTuple):
    """One forward pass: what refines the tokens, the padded image's size, and what has been found so far."""

    refine: Refine | None
    size: tuple[int, int]
    found: dict[int, Tensor]


class HookedBackbone(Normalised):
    """A model whose blocks are watched: what a block gives is refined before it goes on, and collected for the maps.

    The maps of a plain transformer are those of the blocks `out_indices`, resized to the four strides; those of a
    hierarchical model are its stages' last blocks.
    """

    def __init__(self, model: nn.Module, anatomy: Anatomy, out_indices: Taps | None, card: BackboneCard) -> None:
        super().__init__(card.mean, card.std)
        self.map_norm = card.map_norm
        for name in anatomy.after:
            within, _, child = name.rpartition(".")
            setattr(model.get_submodule(within), child, nn.Identity())
        self.model = model
        self.plain = anatomy.plain
        self._anatomy = anatomy
        depths = [len(stage) for stage in anatomy.stages]
        self.widths = tuple(w for w, depth in zip(anatomy.widths, depths, strict=True) for _ in range(depth))
        self._cells = [c for c, depth in zip(anatomy.cells, depths, strict=True) for _ in range(depth)]
        self.out_indices = out_indices or _stage_ends(depths)
        first, second, third, last = (self.widths[index] for index in self.out_indices)
        self.channels = (first, second, third, last)
        self._calls: dict[int, _Call] = {}  # by thread: evaluation predicts two batches at once
        for index, block in enumerate(self.blocks):
            block.register_forward_hook(_Watch(self, index))

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages, in order."""
        return [block for stage in self._anatomy.stages for block in stage]

    def forward(self, images: Tensor, refine: Refine | None = None) -> list[Tensor]:
        """RGB in [0, 1], (B, 3, H, W) of any size -> four maps (B, C, ceil(H / s), ceil(W / s)), s = 4, 8, 16, 32.

        Sizes that do not fit the model's cells are padded with the mean colour at the bottom and right.
        """
        size = (int(images.shape[-2]), int(images.shape[-1]))
        prepared = self.prepare(images, max(self._anatomy.cells))
        call = _Call(refine, (int(prepared.shape[-2]), int(prepared.shape[-1])), {})
        self._calls[threading.get_ident()] = call
        try:
            self._anatomy.run(prepared)
        finally:
            del self._calls[threading.get_ident()]
        found = [call.found[index] for index in self.out_indices]
        if self.map_norm:
            found = [F.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=NORM_EPS).movedim(-1, 1) for x in found]
        cells = [self._cells[index] for index in self.out_indices]
        return [at_stride(x, cell, stride, size) for x, cell, stride in zip(found, cells, STRIDES, strict=True)]

    def after(self, index: int, output: Tensor) -> Tensor:
        """Refine and collect what block `index` gave; returns what goes on in its place."""
        call, cell = self._calls[threading.get_ident()], self._cells[index]
        grid = (call.size[0] // cell, call.size[1] // cell)
        prefix = output.shape[1] - grid[0] * grid[1] if self._anatomy.layout == "tokens" else 0
        if call.refine is not None:
            refined = call.refine(_flat(output, self._anatomy.layout)[:, prefix:], index)
            output = (
                torch.cat([output[:, :prefix], refined], 1) if prefix else _like(refined, output, self._anatomy.layout)
            )
        if index in self.out_indices:
            tokens = _flat(output, self._anatomy.layout)[:, prefix:]
            call.found[index] = tokens.transpose(1, 2).unflatten(2, grid)
        return output


class _Watch:
    """The hook on one block. An object, not a closure, so that a copied backbone watches its own blocks."""

    def __init__(self, backbone: HookedBackbone, index: int) -> None:
        self.backbone, self.index = backbone, index

    def __call__(self, block: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (self.backbone.after(self.index, output[0]), *output[1:])
        return self.backbone.after(self.index, output)


def _flat(x: Tensor, layout: Layout) -> Tensor:
    """A block's output -> (B, N, C)."""
    if layout == "nchw":
        return x.flatten(2).transpose(1, 2)
    return x.flatten(1, 2) if layout == "nhwc" and x.dim() == 4 else x


def _like(tokens: Tensor, x: Tensor, layout: Layout) -> Tensor:
    """(B, N, C) -> the layout and shape of x."""
    return tokens.transpose(1, 2).reshape(x.shape) if layout == "nchw" else tokens.reshape(x.shape)


def _stage_ends(depths: Sequence[int]) -> tuple[int, int, int, int]:
    """The last block of each of the four stages."""
    if len(depths) != len(STRIDES):
        raise UserError(f"the model has {len(depths)} stages, not {len(STRIDES)}: name four blocks in out_indices")
    first, second, third, last = (sum(depths[: stage + 1]) - 1 for stage in range(4))
    return first, second, third, last
