"""Plain vision transformers of timm (ViT, EVA02, DINOv3): tokens between blocks are open to refinement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from timm.layers.patch_embed import PatchEmbed
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from bench.api import Backbone, Language, Refine
from bench.models.card import BackboneCard, Triple
from bench.models.rotary import as_complex, use_rotary_attention

STRIDES = (4, 8, 16, 32)


class Normalised(Backbone):
    """A backbone that takes RGB in [0, 1] and normalises and pads it itself."""

    mean: Tensor
    std: Tensor
    card: BackboneCard | None = None
    """What it was built from."""

    def __init__(self, mean: Triple, std: Triple) -> None:
        super().__init__()
        # Not persistent: the normalisation belongs to the card, not to the weights.
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def language(self, classes: Sequence[str]) -> Language:
        """The text side that its card names, for these classes; see `bench.models.language.load_language`."""
        if self.card is None:
            return super().language(classes)
        from bench.models.language import load_language  # it needs the weights' room, which needs this one

        return load_language(self.card, classes)

    def prepare(self, images: Tensor, multiple: int) -> Tensor:
        """Normalised images, padded with the mean colour at the bottom and right to sides that are multiples."""
        height, width = images.shape[-2:]
        pad_h, pad_w = -height % multiple, -width % multiple
        normalised = (images - self.mean) / self.std
        return F.pad(normalised, (0, pad_w, 0, pad_h)) if pad_h or pad_w else normalised


class ViTBackbone(Normalised):
    """A plain vision transformer: EVA02 and DINOv3 (rotary embedding) or a ViT such as DINOv2's or CLIP's.

    The maps are the outputs of the blocks `out_indices`, before the final norm, resized bilinearly from the patch grid.
    The position embedding belongs to the grid the model was made for and is resized bicubically to any other.
    """

    plain = True

    def __init__(self, vit: Eva | VisionTransformer, out_indices: tuple[int, int, int, int], mean: Triple, std: Triple):
        super().__init__(mean, std)
        patch_embed = cast(PatchEmbed, vit.patch_embed)
        # Features are taken before the final norm, which would otherwise be a parameter without a gradient.
        vit.norm, vit.fc_norm, vit.head = nn.Identity(), nn.Identity(), nn.Identity()
        vit.attn_pool = None  # type: ignore[assignment]  # timm itself takes None for a model without
        self.vit = vit
        self.grid = cast("tuple[int, int]", patch_embed.grid_size)
        self.patch_size = int(patch_embed.patch_size[0])
        self.widths = (int(vit.embed_dim),) * len(vit.blocks)
        self.out_indices = out_indices
        self.channels = (self.width,) * 4
        self._complex_rope = isinstance(vit, Eva) and use_rotary_attention(vit)
        self._rope_cache: dict[tuple[int, int, torch.device, bool], Tensor] = {}

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer's blocks."""
        return list(self.vit.blocks)

    def forward(self, images: Tensor, refine: Refine | None = None) -> list[Tensor]:
        """RGB in [0, 1], (B, 3, H, W) of any size -> four maps (B, C, ceil(H / s), ceil(W / s)), s = 4, 8, 16, 32.

        Sizes that are no multiple of the patch are padded with the mean colour at the bottom and right.
        """
        size = (int(images.shape[-2]), int(images.shape[-1]))
        tokens, grid = self._embed(self.prepare(images, self.patch_size))
        rope = self._rope(grid)
        prefix = int(self.vit.num_prefix_tokens)
        features: list[Tensor] = []
        for index, block in enumerate(self.vit.blocks):
            tokens = block(tokens) if rope is None else block(tokens, rope=rope)
            if refine is not None:
                refined = refine(tokens[:, prefix:], index)
                if index < self.depth - 1:
                    tokens = torch.cat([tokens[:, :prefix], refined], dim=1)
            else:
                refined = tokens[:, prefix:]
            if index in self.out_indices:
                features.append(refined.transpose(1, 2).unflatten(2, grid))
        return [
            at_stride(feature, self.patch_size, stride, size) for feature, stride in zip(features, STRIDES, strict=True)
        ]

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Normalised images whose sides are multiples of the patch -> tokens (B, prefix + h w, C) and (h, w)."""
        patches = self.vit.patch_embed.proj(images)
        grid = (int(patches.shape[2]), int(patches.shape[3]))
        tokens = self.vit.patch_embed.norm(patches.flatten(2).transpose(1, 2))
        prefix = [
            token.expand(len(tokens), -1, -1) for token in (self.vit.cls_token, self.vit.reg_token) if token is not None
        ]
        positions: Tensor | None = self.vit.pos_embed
        if positions is None:
            return self.vit.norm_pre(torch.cat([*prefix, tokens], dim=1)), grid
        without = 0 if self.vit.no_embed_class else int(self.vit.num_prefix_tokens)
        positions = resize_positions(positions, self.grid, grid, without)
        if self.vit.no_embed_class:
            return self.vit.norm_pre(torch.cat([*prefix, tokens + positions], dim=1)), grid
        return self.vit.norm_pre(torch.cat([*prefix, tokens], dim=1) + positions), grid

    def rope_table(self, grid: tuple[int, int]) -> Tensor | None:
        """The rotary embedding of a patch grid, sines then cosines, (h w, 2 head width); None for a model without."""
        rope = getattr(self.vit, "rope", None)
        return None if rope is None else cast(Tensor, rope.get_embed(shape=list(grid)))

    def _rope(self, grid: tuple[int, int]) -> Tensor | None:
        # A table made under inference mode could not be used in training later. Compiled, it is made so all the same.
        key = (*grid, self.mean.device, torch.is_inference_mode_enabled())
        if key not in self._rope_cache:
            with torch.inference_mode(False), torch.no_grad():
                table = self.rope_table(grid)
                if table is None:
                    return None
                if self._complex_rope:
                    table = as_complex(table, int(self.vit.num_prefix_tokens))
                self._rope_cache[key] = table
        return self._rope_cache[key]


def at_stride(feature: Tensor, cell: int, stride: int, size: tuple[int, int]) -> Tensor:
    """Resize a map whose cells are `cell` pixels wide to a stride, and crop it to the image of `size` pixels."""
    padded = [math.ceil(side * cell / stride) for side in feature.shape[-2:]]
    if list(feature.shape[-2:]) != padded:
        feature = F.interpolate(feature, size=padded, mode="bilinear", align_corners=False)
    return feature[..., : math.ceil(size[0] / stride), : math.ceil(size[1] / stride)]


def resize_positions(positions: Tensor, old: tuple[int, int], new: tuple[int, int], prefix: int) -> Tensor:
    """Position embedding (1, prefix + h w, C) of the grid `old` -> of the grid `new`, bicubic (rein.md)."""
    if old == new:
        return positions
    patches = positions[:, prefix:].transpose(1, 2).unflatten(2, old)
    resized = F.interpolate(patches.float(), size=new, mode="bicubic", align_corners=False).to(positions.dtype)
    return torch.cat([positions[:, :prefix], resized.flatten(2).transpose(1, 2)], dim=1)
