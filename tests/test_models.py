"""Backbones, cards and weights: any size in, four strides out; damaged or absent files refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from bench.errors import DamagedFile, PrerequisiteError, UnknownName
from bench.models import card as cards
from bench.models import hub, weights
from bench.models.backbones import build_backbone
from bench.models.card import BackboneCard, load_card
from bench.models.rotary import RotaryAttention
from bench.models.timm_models import describe
from bench.models.vit import ViTBackbone, resize_positions

EVA: dict[str, Any] = {
    "embed_dim": 24,
    "depth": 4,
    "num_heads": 2,
    "mlp_ratio": 2.7,
    "qkv_fused": False,
    "swiglu_mlp": True,
    "scale_mlp": True,
    "use_rot_pos_emb": True,
    "ref_feat_shape": (4, 8),
}
VIT: dict[str, Any] = {"embed_dim": 24, "depth": 4, "num_heads": 2, "init_values": 1e-5}


def tiny_card(architecture: str = "Eva", patch: int = 8, **fields: Any) -> BackboneCard:
    """A backbone of a few thousand parameters for 32 x 64 images."""
    defaults: dict[str, Any] = {
        "name": "tiny",
        "summary": "",
        "family": "tiny",
        "architecture": architecture,
        "kwargs": EVA if architecture == "Eva" else VIT,
        "patch_size": patch,
        "img_size": (4 * patch, 8 * patch),
        "out_indices": (0, 1, 2, 3),
        "weights": "tiny.safetensors",
    }
    return BackboneCard(**defaults | fields)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(hub.WEIGHTS_FOLDER, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", cards.names())
def test_every_card_loads_and_names_its_weights(name: str) -> None:
    card = load_card(name)
    assert card.source
    assert card.pretraining
    assert card.hub or card.shipped
    assert card.licence
    assert set(card.config()) >= {"architecture", "kwargs", "patch_size", "mean", "std", "resize"}


@pytest.mark.parametrize("name", [name for name in cards.names() if not load_card(name).shipped])
def test_cards_say_what_timm_says(name: str) -> None:
    """A wrong mean or tag would cost points without a word: the numbers are held against timm's registry."""
    card, known = load_card(name), describe(load_card(name).architecture)
    assert card.architecture == known["architecture"], "the tag is one that timm has"
    for field in ("mean", "std", "hub", "patch_size", "img_size", "out_indices"):
        assert getattr(card, field) == known.get(field), field
    assert card.licence.lower().replace(" ", "-") == known["licence"]


def test_unknown_card_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="eva02-mini"):
        load_card("eva2-mini")


def test_eva02_mini_is_about_two_million_parameters() -> None:
    backbone = build_backbone(load_card("eva02-mini"))
    assert sum(p.numel() for p in backbone.parameters()) == pytest.approx(2e6, rel=0.05)
    assert all(isinstance(block.attn, RotaryAttention) for block in backbone.vit.blocks)


def test_clip_mini_is_about_three_million_parameters_in_four_stages() -> None:
    backbone = build_backbone(load_card("clip-mini"))
    assert sum(p.numel() for p in backbone.parameters()) == pytest.approx(3.4e6, rel=0.05)
    assert backbone.channels == (40, 80, 160, 320)


@pytest.mark.parametrize("architecture", ["Eva", "VisionTransformer"])
@pytest.mark.parametrize("patch", [8, 14, 16])
@pytest.mark.parametrize("size", [(32, 64), (56, 112), (37, 71)])
@torch.no_grad()
def test_maps_have_the_four_strides_at_any_size(architecture: str, patch: int, size: tuple[int, int]) -> None:
    backbone = build_backbone(tiny_card(architecture, patch))
    maps = backbone(torch.rand(1, 3, *size))
    expected = [(1, 24, -(-size[0] // s), -(-size[1] // s)) for s in (4, 8, 16, 32)]
    assert [tuple(m.shape) for m in maps] == expected


@torch.no_grad()
def test_padding_is_the_mean_colour_and_is_cropped_off() -> None:
    backbone = build_backbone(tiny_card())
    image = torch.rand(1, 3, 32, 60)
    mean = backbone.mean.view(1, 3, 1, 1)
    padded = torch.cat([image, mean.expand(1, 3, 32, 4)], dim=3)
    for ours, whole in zip(backbone(image), backbone(padded), strict=True):
        torch.testing.assert_close(ours, whole[..., : ours.shape[-1]])


@pytest.mark.parametrize("architecture", ["Eva", "VisionTransformer"])
@torch.no_grad()
def test_tokens_are_those_of_timm(architecture: str) -> None:
    """The map at the patch's own stride is timm's block output, rotary embedding and position embedding included."""
    card = tiny_card(architecture)
    torch.manual_seed(0)
    ours = build_backbone(card)
    torch.manual_seed(0)
    reference = build_backbone(card).vit if architecture != "Eva" else timm_eva(card)
    image = torch.rand(2, 3, 32, 64)
    expected = reference.forward_intermediates((image - ours.mean) / ours.std, intermediates_only=True)[1]
    torch.testing.assert_close(ours(image)[1], expected, atol=1e-5, rtol=1e-5)


def timm_eva(card: BackboneCard) -> Any:
    """timm's own model, with timm's own attention."""
    from timm.models.eva import Eva

    return Eva(img_size=card.img_size, patch_size=card.patch_size, num_classes=0, dynamic_img_size=True, **card.kwargs)


@torch.no_grad()
def test_refine_sees_patch_tokens_after_every_block_and_changes_what_follows() -> None:
    backbone = build_backbone(tiny_card())
    seen: list[tuple[int, tuple[int, ...]]] = []

    def refine(tokens: Tensor, block: int) -> Tensor:
        seen.append((block, tuple(tokens.shape)))
        return tokens + (block == 1)

    image = torch.rand(2, 3, 32, 64)
    plain, refined = backbone(image), backbone(image, refine)
    assert seen == [(block, (2, 32, 24)) for block in range(4)]
    torch.testing.assert_close(refined[0], plain[0])
    torch.testing.assert_close(refined[1], plain[1] + 1)
    assert not torch.allclose(refined[2], plain[2], atol=1e-3)


def test_positions_and_kernels_are_resized_bicubically() -> None:
    positions = torch.rand(1, 1 + 16, 3)
    resized = resize_positions(positions, (4, 4), (2, 6), prefix=1)
    grid = positions[:, 1:].reshape(1, 4, 4, 3).permute(0, 3, 1, 2)
    expected = F.interpolate(grid, size=(2, 6), mode="bicubic", align_corners=False)
    torch.testing.assert_close(resized[:, 1:].reshape(1, 2, 6, 3).permute(0, 3, 1, 2), expected)
    torch.testing.assert_close(resized[:, 0], positions[:, 0])
    kernel = torch.rand(4, 3, 14, 14)
    expected = F.interpolate(kernel, size=(16, 16), mode="bicubic", align_corners=False)
    torch.testing.assert_close(weights.resize_kernel(kernel, 16), expected)


def test_weights_of_another_patch_and_square_grid_load_resized(tmp_path: Path) -> None:
    source = build_backbone(tiny_card("VisionTransformer", patch=14, img_size=(56, 56)))
    target = build_backbone(tiny_card("VisionTransformer", patch=16))
    state = {name: tensor.clone() for name, tensor in source.vit.state_dict().items()}
    state |= {"norm.weight": torch.ones(24), "mask_token": torch.zeros(1, 24)}
    weights.load_backbone_state(target, state, tmp_path / "w")
    expected = resize_positions(state["pos_embed"], (4, 4), (4, 8), prefix=1)
    torch.testing.assert_close(target.vit.state_dict()["pos_embed"], expected)
    torch.testing.assert_close(target.vit.blocks[3].attn.qkv.weight, state["blocks.3.attn.qkv.weight"])


def saved(folder: Path, half: bool = False, **changes: Tensor | None) -> tuple[BackboneCard, ViTBackbone]:
    """A random backbone, saved where the card's weights belong, with some tensors changed (None: left out)."""
    backbone = build_backbone(tiny_card())
    state = {name: tensor.clone() for name, tensor in backbone.vit.state_dict().items()}
    state |= {name: tensor for name, tensor in changes.items() if tensor is not None}
    state = {name: tensor for name, tensor in state.items() if changes.get(name, tensor) is not None}
    path = folder / "tiny.safetensors"
    save_file({name: tensor.half() if half else tensor for name, tensor in state.items()}, path)
    return tiny_card(sha256=hub.file_sha256(path)), backbone


def test_half_precision_files_load_as_float32(folder: Path) -> None:
    card, original = saved(folder, half=True)
    loaded = build_backbone(card)
    weights.load_backbone(loaded, card)
    for name, tensor in loaded.vit.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, original.vit.state_dict()[name], atol=1e-3, rtol=1e-3)


def test_absent_weights_say_where_and_how(folder: Path) -> None:
    card = tiny_card(source="https://example.org/w")
    with pytest.raises(PrerequisiteError, match=r"tiny.*example\.org.*weights=random"):
        weights.load_backbone(build_backbone(card), card)
    with pytest.raises(PrerequisiteError):
        hub.weights_id(card)


def test_wrong_checksum_is_refused(folder: Path) -> None:
    card, backbone = saved(folder)
    assert hub.weights_id(card) == f"sha256:{card.sha256}"
    path = folder / "tiny.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(DamagedFile, match="sha256"):
        weights.load_backbone(backbone, card)


def test_a_truncated_file_without_checksum_is_refused(folder: Path) -> None:
    _, backbone = saved(folder)
    path = folder / "tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFile, match="cannot be read"):
        weights.load_backbone(backbone, tiny_card())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks.1.attn.proj.bias": None}, "missing blocks.1.attn.proj.bias"),
        ({"blocks.9.attn.proj.bias": torch.zeros(24)}, "unexpected blocks.9.attn.proj.bias"),
        ({"cls_token": torch.zeros(1, 1, 25)}, r"cls_token has shape \(1, 1, 25\), not \(1, 1, 24\)"),
    ],
)
def test_weights_that_do_not_fit_are_named(folder: Path, changes: dict[str, Tensor | None], message: str) -> None:
    card, backbone = saved(folder, **changes)
    with pytest.raises(DamagedFile, match=message):
        weights.load_backbone(backbone, card)


def test_another_rotary_table_is_refused(tmp_path: Path) -> None:
    backbone = build_backbone(tiny_card())
    table = backbone.rope_table(backbone.grid)
    assert table is not None
    sine, cosine = table.chunk(2, dim=-1)
    state = dict(backbone.vit.state_dict())
    weights.load_backbone_state(backbone, state | {"rope.freqs_cos": cosine, "rope.freqs_sin": sine}, tmp_path)
    with pytest.raises(DamagedFile, match="freqs_sin"):
        weights.load_backbone_state(backbone, state | {"rope.freqs_sin": cosine}, tmp_path)
