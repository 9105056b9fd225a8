"""What published files hold beside a backbone: final norms, heads, text towers, leftovers of pre-training.

A loader may leave these out, and nothing else: each name in full, and only where models of the card's family have it.
A name that merely looks like a head is refused with all that does not fit: it means another model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_W = r"(?:weight|bias)"
_NORM = (rf"norm\.{_W}",)
_FC_NORM = (rf"fc_norm\.{_W}",)
_LINEAR = (rf"head\.{_W}",)
_MASK = ("mask_token",)
_TEXT = (r"text_model\..+", r"(?:text|visual)_projection(?:\.weight)?", "logit_scale", "logit_bias")
_POOL = (r"attn_pool\..+", r"head\.(?:probe|(?:attention|layernorm|mlp)\..+)")  # timm's, transformers'
_STAGES = (rf"norm_pre\.{_W}", rf"head\.(?:norm|fc|pre_logits\.fc)\.{_W}")
_NECK = (rf"neck\.(?:\d|conv\d|norm\d)\.{_W}",)  # timm's, transformers'
_PROMPTS = (r"(?:prompt_encoder|mask_decoder|shared_image_embedding)\..+",)
_ATTENTION = (r"head\.pos_embed", rf"head\.(?:q|k|v|proj)\.{_W}")
_POOLER = (rf"norm\.dense\.{_W}",)  # transformers' pooler, renamed
_PLAIN = (*_NORM, *_FC_NORM, *_LINEAR, *_MASK)

FAMILIES: dict[str, tuple[str, ...]] = {
    "dinov2": (*_NORM, *_MASK),
    "dinov3": (*_NORM, *_MASK, rf"head\.norm\.{_W}"),
    "eva02": (*_PLAIN, rf"lm_head\.{_W}"),
    "clip": (*_NORM, *_LINEAR, *_ATTENTION, *_TEXT),
    "siglip": (*_NORM, *_POOL, *_TEXT),
    "siglip2": (*_NORM, *_POOL, *_TEXT),
    "mae": (*_NORM, *_MASK, r"decoder\..+"),
    "sam": (*_NECK, *_PROMPTS),
    "beit3": _PLAIN,
    "deit3": (*_NORM, *_LINEAR),
    "convnext": _STAGES,
    "convnext-clip": _STAGES,
    "swin": (*_NORM, *_LINEAR, rf"head\.fc\.{_W}"),
    "resnet": (rf"fc\.{_W}",),
}
"""Family of a card -> patterns of whole names, under timm's (`to_timm`)."""
CLASSES: dict[str, tuple[str, ...]] = {
    "Eva": (*_PLAIN, *_POOL, rf"lm_head\.{_W}"),
    "VisionTransformer": (*_PLAIN, *_POOL, *_POOLER, *_TEXT, r"decoder\..+"),
    "VisionTransformerSAM": FAMILIES["sam"],
    "ConvNeXt": _STAGES,
    "SwinTransformer": FAMILIES["swin"],
    "SwinTransformerV2": FAMILIES["swin"],
    "ResNet": FAMILIES["resnet"],
    "ByobNet": (*_ATTENTION, rf"head\.fc\.{_W}", r"final_conv\..+"),
}
"""The same by timm's class, for models whose card is of no family above: `timm:` and cards of one's own."""
TRANSFORMERS: dict[str, tuple[str, ...]] = {
    "clip_vision_model": _TEXT,
    "siglip_vision_model": (*_TEXT, r"(?:vision_model\.)?head\.(?:probe|(?:attention|layernorm|mlp)\..+)"),
    "siglip2_vision_model": (*_TEXT, r"(?:vision_model\.)?head\.(?:probe|(?:attention|layernorm|mlp)\..+)"),
    "sam_vision_model": _PROMPTS,
    "vit_mae": (r"decoder\.(?:mask_token|decoder_.+)",),
    "vit": (rf"decoder\.0\.{_W}",),
    "deit": (rf"decoder\.0\.{_W}", rf"(?:cls|distillation)_classifier\.{_W}"),
    "swin": (rf"decoder\.0\.{_W}",),
    "beit": (rf"lm_head\.{_W}", rf"layernorm\.{_W}"),
}
"""Model type of a configuration -> patterns of whole names as transformers has them, beside those of all types."""
_EVERY_TYPE = (
    rf"classifier(?:\.\d+)?\.{_W}",
    rf"(?:\w+\.)?pooler\.(?:dense|layernorm)\.{_W}",
    r"(?:\w+\.)*embeddings\.(?:mask_token|position_ids)",
)


def of_timm(family: str, kind: str) -> re.Pattern[str]:
    """Names, under timm's, that a file of a model of timm's class `kind` may hold for nothing; `family`: its card's."""
    return _any(FAMILIES.get(family) or CLASSES.get(kind, ()))


def of_transformers(model_type: str) -> re.Pattern[str]:
    """The same of a model of transformers, under its own names; image towers of unknown types may have a text tower."""
    return _any((*TRANSFORMERS.get(model_type, _TEXT if model_type.endswith("_vision_model") else ()), *_EVERY_TYPE))


def _any(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")
