"""LoRA, VPT, AdaptFormer, BitFit, partial fine-tuning and Rein by stages: where they start and what they change."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from test_methods import HEAD, build
from test_models import tiny_card
from torch import Tensor
from transformers import AutoConfig, AutoModel

from bench.api import Backbone, Segmenter, UserError
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.heads import ConfiguredHead
from bench.registry import METHODS
from methods.lora import LowRank
from methods.rein import Rein, StagedRein
from methods.vpt import _extended

TIMM = ("timm:vit_tiny_patch16_224", "timm:eva02_tiny_patch14_224", "timm:vit_small_patch16_dinov3", "sam-base")
SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
HUGGING_FACE = ("dinov2", "dinov3_vit", "clip_vision_model", "siglip_vision_model", "vit_mae")
HUGGING_FACE_SAM = "sam_vision_model"


def with_method(method: str, backbone: Backbone, **options: object) -> Segmenter:
    card = METHODS.get(method)
    return card.build(backbone, ConfiguredHead(HEAD, 19), card.config.model_validate(options))


def backbone_of(name: str, folder: Path) -> Backbone:
    """A plain transformer of timm with four blocks, or a tiny one of transformers."""
    torch.manual_seed(0)
    if name in (*HUGGING_FACE, HUGGING_FACE_SAM):
        AutoModel.from_config(AutoConfig.for_model(name, **SIZES)).save_pretrained(folder)
        return build_backbone(load_card(f"hf:someone/{name}", folder)).eval()
    card = load_card(name)
    fewer = {"depth": 4} | ({"global_attn_indexes": (1, 3)} if name.startswith("sam-") else {})
    return build_backbone(card.model_copy(update={"kwargs": fewer, "out_indices": (0, 1, 2, 3)})).eval()


@pytest.mark.parametrize("name", [*TIMM, *HUGGING_FACE, HUGGING_FACE_SAM])
@pytest.mark.parametrize("method", ["lora", "adaptformer"])
@torch.no_grad()
def test_it_starts_as_the_frozen_backbone_and_then_changes_every_block(method: str, name: str, tmp_path: Path) -> None:
    backbone = backbone_of(name, tmp_path)
    image = torch.rand(1, 3, 40, 56)
    before = backbone(image)
    segmenter = with_method(method, backbone).eval()
    for ours, frozen in zip(segmenter.backbone(image), before, strict=True):
        torch.testing.assert_close(ours, frozen, atol=1e-5, rtol=1e-5)
    seen: list[Tensor] = []
    grown = [p for n, p in segmenter.backbone.named_parameters() if n.endswith(("up", "up.weight"))]
    assert len(grown) >= backbone.depth
    for parameter in grown:
        parameter.add_(1)
        seen.append(segmenter.backbone(image)[-1])
    assert all(not torch.equal(first, second) for first, second in pairwise(seen))


@pytest.mark.parametrize("name", [*TIMM[:3], *HUGGING_FACE])
@torch.no_grad()
def test_prompts_are_seen_and_leave_no_trace(name: str, tmp_path: Path) -> None:
    backbone = backbone_of(name, tmp_path)
    image = torch.rand(2, 3, 40, 56)
    before = backbone(image)
    segmenter = with_method("vpt", copy.deepcopy(backbone), prompts=5).eval()
    shapes: list[tuple[int, ...]] = []
    segmenter.backbone(image, lambda tokens, block: (shapes.append(tuple(tokens.shape)), tokens)[1])
    assert len(set(shapes)) == 1
    assert len(shapes) == backbone.depth, "adapters see the patch tokens alone"
    prompted = segmenter.backbone(image)
    assert [maps.shape for maps in prompted] == [maps.shape for maps in before]
    assert not torch.equal(prompted[-1], before[-1])


@torch.no_grad()
def test_prompts_are_tokens_of_every_block_and_are_not_turned(tmp_path: Path) -> None:
    backbone = backbone_of("timm:vit_tiny_patch16_224", tmp_path)
    plain = copy.deepcopy(backbone)
    image = torch.rand(1, 3, 48, 64)
    segmenter = with_method("vpt", backbone, prompts=5).eval()
    seen: list[Tensor] = []
    segmenter.backbone(image, lambda tokens, block: (seen.append(tokens), tokens)[1])
    tokens, _ = plain._embed(plain.prepare(image, 16))
    for block, own, found in zip(plain.blocks, segmenter.backbone.blocks, seen, strict=True):
        tokens = block(torch.cat([tokens, own.prompts.prompts[None]], 1))[:, :-5]
        torch.testing.assert_close(found, tokens[:, 1:], atol=1e-5, rtol=1e-5)
    table = torch.randn(6, 8)
    sine, cosine = _extended(table, 2).chunk(2, dim=-1)
    assert torch.equal(_extended(table, 2)[:6], table)
    assert not sine[6:].any()
    assert (cosine[6:] == 1).all()
    turns = torch.randn(6, 1, 4, dtype=torch.complex64)
    assert torch.equal(_extended(turns, 2)[6:], torch.ones(2, 1, 4, dtype=torch.complex64))


def test_vpt_and_adaptformer_refuse_what_they_cannot_adapt(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="plain vision transformer"):
        with_method("vpt", backbone_of("sam-base", tmp_path))
    for method in ("vpt", "adaptformer", "lora"):
        with pytest.raises(UserError, match=method):
            with_method(method, build_backbone(load_card("timm:resnet18")))


@torch.no_grad()
def test_low_rank_changes_queries_and_values_and_leaves_keys_alone() -> None:
    weight = torch.randn(3 * 8, 8)
    change = LowRank(weight, 3, (0, 2), rank=2, scale=0.5)
    torch.testing.assert_close(change(weight), weight)
    change.up.normal_()
    query, key, value = change(weight).chunk(3)
    torch.testing.assert_close(key, weight[8:16])
    torch.testing.assert_close(query, weight[:8] + 0.5 * change.up[0] @ change.down[0])
    torch.testing.assert_close(value, weight[16:] + 0.5 * change.up[1] @ change.down[1])


def test_partial_and_bitfit_train_what_they_say() -> None:
    partial = build("partial", blocks=2).trainable_names()
    blocks = {name.split(".blocks.")[1].split(".")[0] for name in partial if name.startswith("backbone.")}
    assert blocks == {"2", "3"}
    assert all(".blocks." in name for name in partial if name.startswith("backbone."))
    assert build("partial").lr_scale("backbone.vit.blocks.3.norm1.weight") == pytest.approx(0.1)
    with pytest.raises(UserError, match="4 blocks, not 5"):
        build("partial", blocks=5)
    bitfit = [name for name in build("bitfit").trainable_names() if name.startswith("backbone.")]
    assert bitfit
    assert all(name.endswith("bias") for name in bitfit)


def test_rein_by_stages_sums_the_queries_and_counts_blocks_within_a_stage() -> None:
    backbone = build_backbone(load_card("timm:convnext_atto"))
    segmenter = with_method("rein", backbone)
    adapter = segmenter.adapter
    assert isinstance(adapter, StagedRein)
    assert [stage.learnable_tokens_a.shape[0] for stage in adapter.stages] == [2, 2, 6, 2]
    assert [stage.learnable_tokens_b.shape[2] for stage in adapter.stages] == [40, 80, 160, 320]
    queries = torch.stack([stage.queries() for stage in adapter.stages]).sum(0)
    assert torch.equal(adapter.queries(), queries)
    features = torch.randn(1, 9, 160)
    assert torch.equal(adapter(features, 6), adapter.stages[2](features, 2))
    spared = {name for name in segmenter.trainable_names() if segmenter.no_decay(name)}
    assert {"adapter.stages.3.scale", "adapter.stages.0.learnable_tokens_a"} <= spared
    assert "adapter.stages.0.mlp_delta_f.weight" not in spared
    assert with_method("rein", build_backbone(tiny_card()), linked=False).adapter.queries() is None


@torch.no_grad()
def test_rein_without_softmax_is_the_papers_ablation() -> None:
    torch.manual_seed(0)
    rein = Rein(depth=1, width=8, tokens=4, rank=0, scale=1.0, hidden=None, softmax=False)
    features = torch.randn(2, 5, 8)
    tokens = rein.learnable_tokens[0]
    delta = (features @ tokens.T)[..., 1:] @ rein.mlp_token2feat(tokens[1:])
    torch.testing.assert_close(rein(features, 0), features + rein.mlp_delta_f(delta + features))
