"""timm's models as backbones: which class becomes what, and where its blocks are."""

from __future__ import annotations

from typing import Any, cast

import timm
import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.byobnet import ByobNet
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.resnet import ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_sam import VisionTransformerSAM
from torch import nn

from bench.errors import UnknownName, UserError
from bench.models.card import BackboneCard
from bench.models.hooked import Anatomy, HookedBackbone, Layout
from bench.models.vit import Normalised, ViTBackbone

PLAIN: dict[str, type[nn.Module]] = {"Eva": Eva, "VisionTransformer": VisionTransformer}
SAM_EPS = 1e-6
"""Of SAM's layer norms (segment-anything, transformers); timm builds them with 1e-5."""


def build(card: BackboneCard) -> Normalised:
    """The card's architecture with timm's random initialisation. Raises UnknownName or UserError."""
    if card.architecture in PLAIN:
        model = PLAIN[card.architecture](**_plain_options(card), num_classes=0)
        return ViTBackbone(cast("Eva | VisionTransformer", model), taps(card, model), card.mean, card.std)
    kind = type(probe := _on_meta(card.architecture))
    if issubclass(kind, Eva | VisionTransformer):
        check_plain(probe)
        model = _create(card.architecture, **_plain_options(card))
        return ViTBackbone(cast("Eva | VisionTransformer", model), taps(card, model), card.mean, card.std)
    options = dict(card.kwargs)
    if issubclass(kind, SwinTransformer | SwinTransformerV2):
        # Masks follow the image. timm shifts no windows in a stage that has one window at the size it is built for:
        # built for two, every stage shifts, as in segmentation it does.
        window = cast(Any, probe).layers[0].blocks[0].window_size[0]
        options = {"dynamic_img_size": True, "strict_img_size": False, "img_size": 2 * 32 * window} | options
    model = _create(card.architecture, **options)
    if isinstance(model, VisionTransformerSAM):
        _adapt_sam(model, card)
    anatomy = anatomy_of(model)
    return HookedBackbone(model, anatomy, taps(card, model) if len(anatomy.stages) == 1 else None, card)


def check_plain(model: nn.Module) -> None:
    """Raise UserError for a vision transformer with parts that `ViTBackbone` does not know."""
    parts: Any = model
    odd = {
        "another class of timm's": type(model) not in (Eva, VisionTransformer),
        "a patch embedding of its own": type(parts.patch_embed) is not PatchEmbed,
        "a distillation token": getattr(parts, "dist_token", None) is not None,
        "rotary tables that differ from block to block": bool(getattr(parts, "rope_mixed", False)),
    }
    if found := [what for what, there in odd.items() if there]:
        raise UserError(f"timm's {type(model).__name__} cannot be a backbone here: it has {found[0]}")


def model_class(architecture: str) -> type[nn.Module]:
    """The class of a timm model. Raises UnknownName for a name timm does not have."""
    return type(_on_meta(architecture))


def _on_meta(architecture: str) -> nn.Module:
    """The model without memory, to look at. Raises UserError where timm itself cannot build it."""
    try:
        with torch.device("meta"):
            return _create(architecture)
    except (AssertionError, RuntimeError, ImportError) as error:
        raise UserError(f"timm cannot build {architecture}: {type(error).__name__} {error}") from error


def anatomy_of(model: nn.Module) -> Anatomy:
    """Where the blocks of a hierarchical model, or of SAM, are. Raises UserError for a class that is not known."""
    parts: Any = model
    stages: list[list[nn.Module]]
    layout: Layout = "nchw"
    if isinstance(model, VisionTransformerSAM):
        patch, blocks = int(parts.patch_embed.patch_size[0]), list(parts.blocks)
        return Anatomy(parts.forward_features, [blocks], [parts.embed_dim], [patch], "nhwc", ("neck", "head"))
    if isinstance(model, ConvNeXt):
        stages, after = [list(stage.blocks) for stage in parts.stages], ("norm_pre", "head")
    elif isinstance(model, SwinTransformer | SwinTransformerV2):
        stages, after, layout = [list(stage.blocks) for stage in parts.layers], ("norm", "head"), "nhwc"
    elif isinstance(model, ResNet):
        layers = (parts.layer1, parts.layer2, parts.layer3, parts.layer4)
        stages, after = [list(layer) for layer in layers], ("global_pool", "fc")
    elif isinstance(model, ByobNet):
        stages, after = [list(stage) for stage in parts.stages], ("final_conv", "head")
    else:
        known = "ViT, Eva, SAM's ViT, ConvNeXt, Swin and SwinV2, ResNet and ByobNet"
        raise UserError(f"timm's {type(model).__name__} cannot be a backbone here (known: {known})")
    info = parts.feature_info[-len(stages) :]
    widths, cells = [int(stage["num_chs"]) for stage in info], [int(stage["reduction"]) for stage in info]
    return Anatomy(parts.forward_features, stages, widths, cells, layout, after)


def taps(card: BackboneCard, model: nn.Module) -> tuple[int, int, int, int]:
    """The blocks whose outputs become the maps: the card's, else after a third, half, two thirds and all of them."""
    depth = len(cast(Any, model).blocks)
    if card.out_indices is not None and card.out_indices[-1] >= depth:
        raise UserError(f"backbone {card.name} has {depth} blocks: out_indices {card.out_indices} go beyond")
    return card.out_indices or thirds(depth)


def thirds(depth: int) -> tuple[int, int, int, int]:
    """Indices of the blocks after a third, half, two thirds and all of `depth`: 7, 11, 15, 23 of 24 (rein.md).

    Raises UserError for fewer than four blocks.
    """
    if depth < 4:
        raise UserError(f"a model of {depth} blocks cannot be a backbone here: four maps need four blocks")
    return round(depth / 3) - 1, round(depth / 2) - 1, round(depth * 2 / 3) - 1, depth - 1


def describe(architecture: str) -> dict[str, Any]:
    """What timm knows of `NAME` or `NAME.TAG`: the fields of a card. Raises UnknownName for what it does not have."""
    base, _, tag = architecture.partition(".")
    if base not in timm.list_models():
        raise UnknownName("timm model", base, timm.list_models())
    known = [name.partition(".")[2] for name in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in known:
        raise UnknownName(f"weights of timm's {base}", tag, known)
    config = timm.get_pretrained_cfg(architecture)
    if config is None:
        raise UserError(f"timm has no pre-trained weights of {base}")
    model = _on_meta(architecture)
    kind = type(model)
    if issubclass(kind, Eva | VisionTransformer):
        check_plain(model)
    else:
        anatomy_of(model)  # raises for what cannot be a backbone
        _check_any_size(model, architecture)
    fields: dict[str, Any] = {
        "architecture": f"{base}.{config.tag}" if config.tag else base,
        "mean": config.mean,
        "std": config.std,
        "hub": config.hf_hub_id or "",
        "licence": config.license or "",
        "summary": f"timm's {architecture}, {sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters",
    }
    if issubclass(kind, Eva | VisionTransformer | VisionTransformerSAM):
        patch = cast(Any, model).patch_embed
        fields |= {"patch_size": patch.patch_size[0], "img_size": patch.img_size}
    if issubclass(kind, Eva | VisionTransformer | VisionTransformerSAM):
        depth = len(cast(Any, model).blocks)
        fields["out_indices"] = thirds(depth)
    return fields


def _adapt_sam(model: VisionTransformerSAM, card: BackboneCard) -> None:
    """SAM's own epsilon, and the card's grid for its position embedding; relative positions stay as they were made."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = SAM_EPS
    embed: Any = model.patch_embed
    patch, grid = int(embed.patch_size[0]), tuple(embed.grid_size)
    if card.patch_size not in (None, patch):
        raise UserError(f"backbone {card.name}: SAM has patches of {patch} pixels, not {card.patch_size}")
    if card.img_size is not None and (wanted := (card.img_size[0] // patch, card.img_size[1] // patch)) != grid:
        model.pos_embed = nn.Parameter(torch.zeros(1, *wanted, int(model.embed_dim)))


def _check_any_size(model: nn.Module, architecture: str) -> None:
    """Raise UserError for a model whose layers are made for one size of image (attention in a ByobNet)."""
    if not isinstance(model, ByobNet):
        return
    try:
        cast(Any, model).forward_features(torch.zeros(1, 3, 96, 160, device="meta"))
    except (AssertionError, RuntimeError) as error:
        raise UserError(f"timm's {architecture} cannot be a backbone here: it takes one size of image only") from error


def _plain_options(card: BackboneCard) -> dict[str, Any]:
    sizes = {"img_size": card.img_size, "patch_size": card.patch_size}
    return {"dynamic_img_size": True, **{key: size for key, size in sizes.items() if size is not None}, **card.kwargs}


def _create(architecture: str, **options: Any) -> nn.Module:
    base = architecture.partition(".")[0]
    if not timm.is_model(base):
        raise UnknownName("timm model", base, timm.list_models())
    return timm.create_model(architecture, pretrained=False, num_classes=0, **options)
