"""Our backbones against timm's own forward pass with the same weights, through the loader; fewer blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from reduced import reduced
from safetensors.torch import save_file

from bench.errors import DamagedFile, UserError
from bench.models import card as cards
from bench.models.backbones import build_backbone
from bench.models.card import BackboneCard
from bench.models.weights import load_backbone

ATOL = 1e-4
KINDS = (
    *("dinov2-small", "dinov2-reg-small", "dinov2-giant", "dinov3-small", "dinov3-small-plus", "dinov3-convnext-tiny"),
    *("eva02-tiny", "eva02-base", "eva02-clip-base", "clip-base", "clip-large", "clip-resnet50", "convnext-clip-base"),
    *("sam-base", "mae-base", "siglip-base", "siglip2-so400m", "beit3-base", "deit3-small"),
    *("resnet50", "convnext-large", "swin-base"),
)
"""One card of each kind: class tokens or none, registers, rotary tables, gated MLPs, fused projections, windows."""
SIZE = {14: (56, 84), 16: (64, 96)}


def timm_model(card: BackboneCard, **options: Any) -> Any:
    """timm's model with its own head and norms, every parameter moved from where it starts."""
    torch.manual_seed(0)
    model = timm.create_model(card.architecture, pretrained=False, **card.kwargs, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def saved(model: Any, path: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("name", KINDS)
@torch.no_grad()
def test_maps_are_timms_intermediate_features(name: str, tmp_path: Path) -> None:
    """At a size whose positions need no resizing, or, for models of any size, at an uneven one."""
    card = reduced(cards.load_card(name))
    plain = card.out_indices is not None and not name.startswith("sam-")
    size = SIZE[card.patch_size] if plain and card.patch_size else (64, 96)
    if plain:
        card = card.model_copy(update={"img_size": size})
    elif name == "swin-base":
        card = card.model_copy(update={"kwargs": {"depths": (2, 2, 2, 2)}})  # every second block shifts its windows
        size = (256, 320)
    reference = timm_model(card, **({"img_size": size} if plain or name == "swin-base" else {}))
    backbone = build_backbone(card).eval()
    load_backbone(backbone, card, saved(reference, tmp_path / "weights.safetensors"))
    image = torch.rand(1, 3, *size)
    indices = list(card.out_indices) if card.out_indices else 4
    if name.startswith("sam-"):
        for module in reference.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.eps = 1e-6  # SAM's own, which timm does not take over
    expected = reference.forward_intermediates(
        (image - backbone.mean) / backbone.std, indices=indices, norm=False, intermediates_only=True
    )
    found = backbone(image)
    if card.out_indices is None:
        pairs = list(zip(found, expected, strict=True))
    else:
        # Only the map at the patch's own stride is not resized.
        pairs = [(found[2], expected[2])] if card.patch_size == 16 else []
        seen: list[torch.Tensor] = []
        backbone(image, lambda tokens, block: (seen.append(tokens), tokens)[1])
        pairs += [(tokens, maps.flatten(2).transpose(1, 2)) for tokens, maps in zip(seen, expected, strict=True)]
    for ours, their in pairs:
        scale = max(1.0, float(their.abs().max()))
        torch.testing.assert_close(ours / scale, their / scale, atol=ATOL, rtol=0)


@pytest.mark.parametrize(
    "name",
    [
        "deit_tiny_distilled_patch16_224",
        "vit_tiny_r_s16_p8_224",
        "vit_small_patch16_rope_mixed_224",
        "eca_botnext26ts_256",
        "mixer_b16_224",
    ],
)
def test_models_with_parts_of_their_own_are_refused_at_once(name: str) -> None:
    with pytest.raises(UserError, match="cannot be a backbone"):
        cards.load_card(f"timm:{name}")


@torch.no_grad()
def test_a_norm_within_the_patch_embedding_is_applied(tmp_path: Path) -> None:
    card = cards.load_card("timm:aimv2_large_patch14_224").model_copy(
        update={"kwargs": {"depth": 4, "embed_dim": 32, "num_heads": 2}, "out_indices": (0, 1, 2, 3)}
    )
    reference = timm_model(card)
    backbone = build_backbone(card).eval()
    load_backbone(backbone, card, saved(reference, tmp_path / "weights.safetensors"))
    image = torch.rand(1, 3, 224, 224)
    seen: list[torch.Tensor] = []
    backbone(image, lambda tokens, block: (seen.append(tokens), tokens)[1])
    expected = reference.forward_intermediates(
        (image - backbone.mean) / backbone.std, indices=[3], norm=False, intermediates_only=True
    )
    torch.testing.assert_close(seen[3], expected[0].flatten(2).transpose(1, 2), atol=ATOL, rtol=1e-4)


@pytest.mark.parametrize("name", ["dinov2-small", "convnext-large", "sam-base", "resnet50", "swin-base"])
def test_weights_of_another_size_or_name_are_refused(name: str, tmp_path: Path) -> None:
    card = reduced(cards.load_card(name))
    state = build_backbone(card).state_dict()
    state = {key.partition(".")[2]: tensor for key, tensor in state.items()}
    key = next(key for key in state if key.endswith("weight") and state[key].dim() == 4)
    others = {name: tensor for name, tensor in state.items() if name != key}
    for number, (change, message) in enumerate(
        (
            ({}, f"missing {key}"),
            ({key: state[key][:-1]}, f"{key} has shape"),
            ({key: state[key], "blocks.99.weight": torch.zeros(1)}, "unexpected blocks.99.weight"),
        )
    ):
        path = tmp_path / f"{number}.safetensors"
        save_file({k: t.contiguous() for k, t in (others | change).items()}, path)
        with pytest.raises(DamagedFile, match=message):
            load_backbone(build_backbone(card), card, path)
    fine = tmp_path / "fine.safetensors"
    save_file({k: t.contiguous() for k, t in state.items()}, fine)
    load_backbone(build_backbone(card), card, fine)
    card = card.model_copy(update={"dropped": ("something.",)})
    save_file({k: t.contiguous() for k, t in (state | {"something.else": torch.zeros(1)}).items()}, fine)
    load_backbone(build_backbone(card), card, fine)
