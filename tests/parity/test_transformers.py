"""Our backbones against transformers' models with the same weights, through the loaders that users have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, CLIPConfig, CLIPModel, SamConfig, SamModel

from bench.api import Backbone
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.models import hub
from bench.models.backbones import build_backbone
from bench.models.card import BackboneCard, card_of_run, load_card
from bench.models.weights import load_backbone

ATOL = 1e-4
WIDTH, DEPTH, PATCH, SIZE = 32, 4, 8, 32
PLAIN: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "intermediate_size": 4 * WIDTH,
    "image_size": SIZE,
    "patch_size": PATCH,
}
SAM: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 2,
    "mlp_dim": 4 * WIDTH,
    "image_size": SIZE,
    "patch_size": PATCH,
    "output_channels": 16,
    "window_size": 3,
    "global_attn_indexes": [1, 3],
}
CONV: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
THEIRS: dict[str, dict[str, Any]] = {
    "dinov2": {**PLAIN, "layerscale_value": 0.7},
    "dinov2_with_registers": {**PLAIN, "layerscale_value": 0.7},
    "clip_vision_model": PLAIN,
    "siglip_vision_model": PLAIN,
    "vit_mae": {**PLAIN, "mask_ratio": 0.0},
    "sam_vision_model": SAM,
}
SMALL: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": 2}
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "dinov2": ("vit_small_patch14_dinov2", SMALL),
    "dinov2_with_registers": ("vit_small_patch14_reg4_dinov2", SMALL),
    "clip_vision_model": ("vit_base_patch16_clip_quickgelu_224", SMALL),
    "siglip_vision_model": ("vit_base_patch16_siglip_256", SMALL | load_card("siglip-base").kwargs),
    "vit_mae": ("vit_base_patch16_224", SMALL),
    "sam_vision_model": (
        "samvit_base_patch16",
        {**SMALL, "img_size": SIZE, "patch_size": PATCH, "window_size": 3, "global_attn_indexes": (1, 3)},
    ),
}
"""timm's model of the same kind, at the same sizes."""
ONLY_THEIRS: dict[str, dict[str, Any]] = {
    "dinov3_vit": {**PLAIN, "num_register_tokens": 2},
    "convnext": CONV,
    "resnet": {**CONV, "embedding_size": 8},
    "swin": {"embed_dim": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 2], "window_size": 2, "image_size": 64},
    "dinov3_convnext": CONV,
}
"""Families whose cards are timm's alone; `hf:` takes them, too."""


def randomised(kind: str, config: dict[str, Any]) -> Any:
    """Their model, every parameter moved so that no norm, scale or bias is trivial."""
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(kind, **config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def hidden_states(model: Any, kind: str, image: Tensor) -> list[Tensor]:
    """Their tokens after every block, (B, N, C), without those that are no patches."""
    options = {"noise": torch.arange((SIZE // PATCH) ** 2)[None]} if kind == "vit_mae" else {}
    states = model(pixel_values=image, output_hidden_states=True, **options).hidden_states[1:]
    if kind == "sam_vision_model":
        return [state.flatten(1, 2) for state in states]
    return [state[:, state.shape[1] - (SIZE // PATCH) ** 2 :] for state in states]


def our_tokens(backbone: Backbone, image: Tensor) -> list[Tensor]:
    """The patch tokens that `refine` sees after every block."""
    seen: list[Tensor] = []

    def refine(tokens: Tensor, block: int) -> Tensor:
        seen.append(tokens)
        return tokens

    backbone.eval()(image, refine)
    return seen


def timm_card(kind: str) -> BackboneCard:
    architecture, kwargs = OURS[kind]
    sizes = {} if kind == "sam_vision_model" else {"patch_size": PATCH, "img_size": (SIZE, SIZE)}
    fields: dict[str, Any] = {"name": kind, "summary": "", "family": kind, "architecture": architecture}
    return BackboneCard(**fields, kwargs=kwargs, **sizes, out_indices=(0, 1, 2, 3))


@pytest.mark.parametrize("kind", OURS)
@torch.no_grad()
def test_timm_cards_take_the_hubs_weights_and_give_its_features(kind: str, tmp_path: Path) -> None:
    theirs = randomised(kind, THEIRS[kind])
    theirs.save_pretrained(tmp_path)
    backbone = build_backbone(timm_card(kind))
    load_backbone(backbone, timm_card(kind), tmp_path / "model.safetensors")
    image = torch.rand(2, 3, SIZE, SIZE)
    expected = hidden_states(theirs, kind, (image[:1] - backbone.mean) / backbone.std)
    found = our_tokens(backbone, image[:1])
    assert len(found) == len(expected) == DEPTH
    for block, (ours, their) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(ours, their, atol=ATOL, rtol=0, msg=lambda text, b=block: f"block {b}: {text}")


@pytest.mark.parametrize("kind", [*THEIRS, *ONLY_THEIRS])
@torch.no_grad()
def test_hf_backbones_give_their_own_features(kind: str, tmp_path: Path) -> None:
    theirs = randomised(kind, THEIRS.get(kind) or ONLY_THEIRS[kind])
    theirs.save_pretrained(tmp_path)
    card = load_card(f"hf:someone/{kind}", tmp_path)
    backbone = build_backbone(card)
    load_backbone(backbone, card, tmp_path)
    image = torch.rand(1, 3, 64, 64) if kind == "swin" else torch.rand(1, 3, SIZE, SIZE)
    normalised = (image - backbone.mean) / backbone.std
    if kind in THEIRS:
        for ours, their in zip(our_tokens(backbone, image), hidden_states(theirs, kind, normalised), strict=True):
            torch.testing.assert_close(ours, their, atol=ATOL, rtol=0)
        return
    states = theirs(pixel_values=normalised, output_hidden_states=True).hidden_states
    last = our_tokens(backbone, image)[-1]
    their = states[-1].flatten(2).transpose(1, 2) if states[-1].dim() == 4 else states[-1]
    torch.testing.assert_close(last, their[:, their.shape[1] - last.shape[1] :], atol=ATOL, rtol=0)


@torch.no_grad()
def test_the_image_tower_of_a_whole_clip_is_found(tmp_path: Path) -> None:
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    whole = CLIPModel(CLIPConfig(vision_config=PLAIN, text_config={**text, "vocab_size": 60}, projection_dim=16)).eval()
    whole.save_pretrained(tmp_path)
    image = torch.rand(1, 3, SIZE, SIZE)
    found = []
    for card in (timm_card("clip_vision_model"), load_card("hf:someone/clip", tmp_path)):
        backbone = build_backbone(card.model_copy(update={"out_indices": (0, 1, 2, 3)}))
        load_backbone(backbone, card, tmp_path / "model.safetensors")
        found.append(our_tokens(backbone, image)[-1])
    # Both normalise alike only if told so: the folder has no image processor, and ImageNet's figures are taken.
    torch.testing.assert_close(found[0], found[1], atol=ATOL, rtol=0)


@pytest.fixture
def whole_sam(tmp_path: Path) -> Path:
    """A folder with a whole SAM, prompts and decoder and all."""
    config = SamConfig(
        vision_config=SAM,
        prompt_encoder_config={"hidden_size": 16, "image_size": SIZE, "patch_size": PATCH, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2, "mlp_dim": 16, "iou_head_hidden_dim": 16},
    )
    torch.manual_seed(0)
    model = SamModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path)
    return tmp_path


@torch.no_grad()
def test_a_whole_sam_at_its_own_size_and_as_timms_at_any_other(whole_sam: Path) -> None:
    card = load_card("hf:someone/sam", whole_sam)
    backbone = build_backbone(card)
    load_backbone(backbone, card, whole_sam)
    assert not [name for name in backbone.state_dict() if "neck" in name], "features do not pass through it"
    theirs = SamModel.from_pretrained(whole_sam).eval()
    image = torch.rand(1, 3, SIZE, SIZE)
    states = theirs.vision_encoder((image - backbone.mean) / backbone.std, output_hidden_states=True).hidden_states
    for ours, their in zip(our_tokens(backbone, image), states[1:], strict=True):
        torch.testing.assert_close(ours, their.flatten(1, 2), atol=ATOL, rtol=0)
    timms = build_backbone(timm_card("sam_vision_model"))
    load_backbone(timms, timm_card("sam_vision_model"), whole_sam / "model.safetensors")
    for height, width in ((SIZE, SIZE), (40, 72), (19, 50)):
        image = torch.rand(2, 3, height, width)
        for ours, their in zip(our_tokens(backbone, image), our_tokens(timms, image), strict=True):
            torch.testing.assert_close(ours, their, atol=ATOL, rtol=0)
        for ours, their in zip(backbone(image), timms(image), strict=True):
            torch.testing.assert_close(ours, their, atol=ATOL, rtol=0)
    again = card_of_run(card.name, card.config())
    assert again.config() == card.config(), "a spec is enough to build the model again"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("vision_encoder.pos_embed", None, r"missing vision_encoder\.pos_embed"),
        ("vision_encoder.layers.1.attn.rel_pos_h", None, r"missing vision_encoder\.layers\.1\.attn\.rel_pos_h"),
        ("vision_encoder.layers.0.attn.rel_pos_w", torch.zeros(7, 16), r"rel_pos_w has shape \(7, 16\), not \(5, 16\)"),
        (
            "vision_encoder.layers.9.attn.qkv.bias",
            torch.zeros(3),
            r"unexpected vision_encoder\.layers\.9\.attn\.qkv\.bias",
        ),
    ],
)
def test_a_damaged_sam_is_refused(name: str, change: Tensor | None, message: str, whole_sam: Path) -> None:
    file = whole_sam / "model.safetensors"
    state = {key: tensor for key, tensor in load_file(file).items() if key != name}
    save_file(state if change is None else state | {name: change}, file, metadata={"format": "pt"})
    card = load_card("hf:someone/sam", whole_sam)
    with pytest.raises(DamagedFile, match=message):
        load_backbone(build_backbone(card), card, whole_sam)


def test_others_of_sams_family_are_refused(tmp_path: Path) -> None:
    AutoConfig.for_model("sam_hq_vision_model", **SAM).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="of SAM's family only the first"):
        load_card("hf:someone/sam", tmp_path)


@torch.no_grad()
def test_the_file_that_is_named_is_the_one_that_is_loaded(tmp_path: Path) -> None:
    randomised("dinov2", THEIRS["dinov2"]).save_pretrained(tmp_path)
    other = tmp_path / "other.safetensors"
    save_file({name: torch.full_like(t, 7.0) for name, t in load_file(tmp_path / "model.safetensors").items()}, other)
    card = load_card("hf:someone/dinov2", other)
    backbone = build_backbone(card)
    load_backbone(backbone, card, other)
    assert (backbone.model.embeddings.cls_token == 7).all()
    assert hub.weights_id(card, other) != hub.weights_id(card, tmp_path)
    assert hub.weights_id(card, tmp_path) == hub.weights_id(card, tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(PrerequisiteError, match=r"no model\.safetensors in this folder"):
        hub.weights_id(card, tmp_path)
    again = card_of_run(card.name, card.config())
    assert again.config() == card.config(), "a spec is enough to build the model again"


def test_tensors_that_belong_nowhere_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    randomised("dinov2", THEIRS["dinov2"]).save_pretrained(tmp_path)
    capfd.readouterr()
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    save_file(state | {"encoder.layer.9.norm1.weight": torch.zeros(2)}, file)
    card = load_card("hf:someone/dinov2", tmp_path)
    with pytest.raises(DamagedFile, match=r"unexpected encoder\.layer\.9\.norm1\.weight"):
        load_backbone(build_backbone(card), card, tmp_path)
    save_file(state | {"classifier.weight": torch.zeros(2)}, file)
    load_backbone(build_backbone(card), card, tmp_path)
    assert capfd.readouterr().err == "", "transformers keeps its reports to itself"


@pytest.mark.parametrize(
    ("name", "message"),
    [("encoder.layer.2.norm1.weight", "missing"), ("encoder.layer.2.mlp.fc1.weight", "has shape")],
)
def test_a_damaged_folder_is_refused(name: str, message: str, tmp_path: Path) -> None:
    randomised("dinov2", THEIRS["dinov2"]).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    tensor = state.pop(name)
    if "mlp" in name:
        state[name] = tensor[:-1].clone()
    save_file(state, file, metadata={"format": "pt"})
    card = load_card("hf:someone/dinov2", tmp_path)
    with pytest.raises(DamagedFile, match=message):
        load_backbone(build_backbone(card), card, tmp_path)
    with pytest.raises(DamagedFile, match=r"blocks\.2"):
        load_backbone(build_backbone(timm_card("dinov2")), timm_card("dinov2"), file)
