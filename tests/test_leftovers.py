"""What a file may hold beside the backbone: what models of its family have, by whole names, not what looks like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from reduced import reduced
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, AutoModel

from bench.errors import DamagedFile
from bench.models.backbones import build_backbone
from bench.models.card import BackboneCard, load_card, names
from bench.models.leftovers import CLASSES, FAMILIES, of_timm
from bench.models.weights import load_backbone

OF_EACH = (
    *("dinov2-small", "dinov2-reg-small", "dinov3-small", "dinov3-convnext-tiny", "eva02-tiny", "eva02-clip-base"),
    *("clip-base", "clip-resnet50", "convnext-clip-base", "convnext-clip-large", "sam-base", "mae-base", "siglip-base"),
    *("siglip2-base", "beit3-base", "deit3-small", "convnext-large", "swin-base", "resnet50"),
)
"""A card of each family, and of each class within it."""
STRANGE = {
    "dinov2-small": (
        *("head.weight", "lm_head.weight", "attn_pool.latent", "norm.gain", "norm.weight.scale", "fc_norm.weight"),
        *("text_model.final_layer_norm.weight", "decoder.mask_token", "mask_token.weight", "fc.weight"),
    ),
    "eva02-tiny": ("head.mask.weight", "heads.weight", "neck.0.weight", "lm_head.dense.weight", "logit_scale"),
    "clip-base": ("mask_token", "decoder.0.weight", "head.fc.weight", "text_projection.lora"),
    "mae-base": ("head.weight", "text_model.final_layer_norm.weight", "mask_decoder.iou_token.weight"),
    "sam-base": ("norm.weight", "head.weight", "neck.conv.bn.weight", "text_projection", "neck.0.weight_g"),
    "resnet50": ("head.weight", "fc.1.weight", "final_conv.weight"),
    "convnext-large": ("fc.weight", "norm.weight", "head.mlp.weight", "mask_token"),
    "swin-base": ("fc.weight", "head.norm.weight", "neck.0.weight"),
}
"""Card -> names that look like a head, a norm or a leftover, of other families or of none."""


def own_names(card: BackboneCard) -> set[str]:
    """The names of the backbone's tensors under timm's."""
    return {name.partition(".")[2] for name in build_backbone(card).state_dict()}


def test_every_family_is_held_against_its_library() -> None:
    assert {load_card(name).family for name in OF_EACH} == {load_card(name).family for name in names()} == {*FAMILIES}


@pytest.mark.parametrize("name", OF_EACH)
def test_what_timms_own_model_has_more_is_left_out_and_nothing_that_features_need(name: str) -> None:
    card = reduced(load_card(name))
    with torch.device("meta"):
        kwargs = {key: value for key, value in card.kwargs.items() if key in ("depth", "depths", "layers")}
        more = {"global_attn_indexes": (1, 3)} if name == "sam-base" else {}
        theirs = timm.create_model(card.architecture, pretrained=False, **kwargs, **more)
        own = own_names(card)
    beside = set(theirs.state_dict()) - own
    assert beside, "a published file holds more than features need"
    for pattern in (of_timm(card.family, type(theirs).__name__), of_timm("mine", type(theirs).__name__)):
        assert not {key for key in beside if not pattern.fullmatch(key)}
        assert not {key for key in own if pattern.fullmatch(key)}
    assert type(theirs).__name__ in CLASSES


@pytest.mark.parametrize("name", STRANGE)
def test_a_wrong_head_fails_loudly(name: str, tmp_path: Path) -> None:
    card = reduced(load_card(name))
    backbone = build_backbone(card)
    state = {key.partition(".")[2]: tensor.contiguous() for key, tensor in backbone.state_dict().items()}
    path = tmp_path / "weights.safetensors"
    for strange in STRANGE[name]:
        save_file(state | {strange: torch.zeros(3)}, path)
        with pytest.raises(DamagedFile) as caught:
            load_backbone(backbone, card, path)
        assert f"unexpected {strange}" in str(caught.value)
        load_backbone(backbone, card.model_copy(update={"dropped": (strange,)}), path)  # a card of one's own may say so


def saved(kind: str, folder: Path, **more: Any) -> dict[str, Tensor]:
    """A tiny model of transformers, saved; its tensors."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **sizes, **more))
    model.save_pretrained(folder)
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("kind", "fine", "strange"),
    [
        (
            "dinov2",
            ("classifier.weight",),
            ("head.weight", "lm_head.weight", "text_model.norm.weight", "classifier.mlp.x"),
        ),
        ("vit_mae", ("decoder.decoder_norm.weight",), ("decoder.norm.weight", "text_projection.weight", "norm.weight")),
        (
            "clip_vision_model",
            ("text_model.final_layer_norm.weight", "logit_scale"),
            ("decoder.0.weight", "head.weight"),
        ),
        (
            "sam_vision_model",
            ("mask_decoder.iou_token.weight",),
            ("head.weight", "text_model.norm.weight", "norm.bias"),
        ),
    ],
)
def test_a_wrong_head_of_transformers_fails_loudly(
    kind: str, fine: tuple[str, ...], strange: tuple[str, ...], tmp_path: Path
) -> None:
    state = saved(kind, tmp_path)
    card = load_card(f"hf:someone/{kind}", tmp_path)
    backbone = build_backbone(card)
    file = tmp_path / "model.safetensors"
    save_file(state | {name: torch.zeros(3) for name in fine}, file)
    load_backbone(backbone, card, tmp_path)
    for name in strange:
        save_file(state | {name: torch.zeros(3)}, file)
        with pytest.raises(DamagedFile, match="unexpected") as caught:
            load_backbone(backbone, card, tmp_path)
        assert name in str(caught.value)


def test_what_features_do_not_need_may_be_missing_and_nothing_else(tmp_path: Path) -> None:
    state = saved("dinov2", tmp_path)
    card = load_card("hf:someone/dinov2", tmp_path)
    file = tmp_path / "model.safetensors"
    without = {name: tensor for name, tensor in state.items() if not name.startswith("layernorm.")}
    assert len(without) == len(state) - 2
    save_file(without, file)
    load_backbone(build_backbone(card), card, tmp_path)
    within = "encoder.layer.1.norm1.weight"
    save_file({name: tensor for name, tensor in state.items() if name != within}, file)
    with pytest.raises(DamagedFile, match=r"missing encoder\.layer\.1\.norm1\.weight"):
        load_backbone(build_backbone(card), card, tmp_path)
