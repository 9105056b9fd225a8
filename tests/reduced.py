"""The cards' models with fewer blocks and everything else as it is, so that a CPU can train each for a test."""

from __future__ import annotations

from typing import Any

from timm.models.byobnet import ByobNet
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.resnet import ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_sam import VisionTransformerSAM

from bench.models.card import BackboneCard
from bench.models.timm_models import model_class

FEWER: dict[type, dict[str, Any]] = {
    VisionTransformerSAM: {"depth": 4, "global_attn_indexes": (1, 3)},
    VisionTransformer: {"depth": 4},
    Eva: {"depth": 4},
    ConvNeXt: {"depths": (1, 1, 1, 1)},
    SwinTransformer: {"depths": (1, 1, 1, 1)},
    ResNet: {"layers": (1, 1, 1, 1)},
    ByobNet: {},
}


def reduced(card: BackboneCard) -> BackboneCard:
    """The card with four blocks, or one in each stage; `Eva` by class (the mini) and CLIP's ResNets stay whole."""
    if card.architecture in ("Eva", "VisionTransformer"):
        return card
    fewer = FEWER[model_class(card.architecture)]
    taps = {"out_indices": (0, 1, 2, 3)} if card.out_indices is not None else {}
    return card.model_copy(update={"kwargs": {**card.kwargs, **fewer}, **taps})
