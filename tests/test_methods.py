"""Every method on a tiny backbone; Rein's sizes and initial values; what trains, decays and is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_models import tiny_card
from torch import Tensor

from bench.api import Segmenter, UserError
from bench.errors import PrerequisiteError
from bench.models import card as cards
from bench.models.backbones import build_backbone
from bench.models.build import build_segmenter
from bench.models.heads import ConfiguredHead
from bench.models.official import load_official
from bench.registry import METHODS
from bench.spec import HeadConfig, RunSpec
from methods.rein import Rein

HEAD = HeadConfig(
    hidden=32,
    num_queries=6,
    encoder_layers=1,
    encoder_ffn=32,
    decoder_layers=1,
    decoder_ffn=32,
    heads=4,
    loss_points=64,
)

ON_BACKBONES = [name for name in METHODS.names() if METHODS.get(name).own_model is None]
"""Methods that bring their own model have tests of their own."""


def build(method: str, **options: object) -> Segmenter:
    torch.manual_seed(0)
    card = METHODS.get(method)
    backbone = build_backbone(tiny_card())
    head = HeadConfig.model_validate({**HEAD.model_dump(), **card.head})
    return card.build(backbone, ConfiguredHead(head, 19), card.config.model_validate(options)).train()


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 3, 32, 64), torch.randint(0, 19, (2, 32, 64))


@pytest.mark.parametrize("name", ON_BACKBONES)
def test_method_trains_what_it_names_and_nothing_else(name: str) -> None:
    segmenter = build(name)
    before = {key: tensor.clone() for key, tensor in segmenter.named_parameters()}
    optimiser = torch.optim.AdamW([p for p in segmenter.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        torch.stack(list(segmenter.loss(*batch()).values())).sum().backward()
        optimiser.step()
    changed = {key for key, tensor in segmenter.named_parameters() if not torch.equal(tensor, before[key])}
    assert changed == set(segmenter.trainable_names())
    frozen = [module for module in segmenter.modules() if not any(p.requires_grad for p in module.parameters())]
    assert not any(module.training for module in frozen if list(module.parameters()))


@pytest.mark.parametrize("name", ON_BACKBONES)
@torch.no_grad()
def test_method_predicts_any_size(name: str) -> None:
    scores = build(name).eval().logits(torch.rand(1, 3, 30, 50))
    assert scores.shape == (1, 19, 30, 50)
    assert scores.isfinite().all()


@pytest.mark.parametrize("name", ON_BACKBONES)
def test_trainable_state_restores_predictions(name: str) -> None:
    trained, fresh = build(name), build(name)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    image = torch.rand(1, 3, 32, 64)
    state = trained.trainable_state()
    buffers = set(state) - set(trained.trainable_names())
    assert set(state) >= set(trained.trainable_names())
    assert all("running_" in key or key.endswith("num_batches_tracked") for key in buffers)
    fresh.load_trainable_state(state)
    with torch.no_grad():
        assert torch.equal(fresh.eval().logits(image), trained.eval().logits(image))
    state.popitem()
    with pytest.raises(ValueError, match="missing"):
        fresh.load_trainable_state(state)


@pytest.mark.parametrize("name", ON_BACKBONES)
def test_method_trains_after_inference_and_in_half_precision(name: str) -> None:
    """Tables cached under inference mode must serve training; sampling points must not be rounded to bfloat16."""
    segmenter = build(name)
    images, labels = batch()
    with torch.inference_mode():
        exact = segmenter.eval().logits(images)
    with torch.autocast("cpu", torch.bfloat16):
        losses = segmenter.train().loss(images, labels)
        with torch.no_grad():
            half = segmenter.eval().logits(images)
    torch.stack(list(losses.values())).sum().backward()
    assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, exact, atol=0.1, rtol=0.1)


def test_frozen_method_fits_twenty_lines() -> None:
    assert len((Path(__file__).parents[1] / "methods" / "frozen.py").read_text().splitlines()) <= 20


def test_frozen_parts_stay_in_eval_mode() -> None:
    segmenter = build("rein")
    assert not any(module.training for module in segmenter.backbone.modules())
    assert segmenter.head.training
    assert segmenter.adapter is not None
    assert segmenter.adapter.training
    assert all(module.training for module in build("full").modules())
    assert not any(module.training for module in build("full").eval().modules())


def test_learning_rates_and_decay() -> None:
    full, rein = build("full"), build("rein")
    assert full.lr_scale("backbone.vit.cls_token") == pytest.approx(0.1)
    assert full.lr_scale("head.cls_embed.weight") == 1
    assert {rein.lr_scale(name) for name in rein.trainable_names()} == {1.0}
    spared = {name for name in rein.trainable_names() if rein.no_decay(name)}
    assert {"adapter.scale", "adapter.learnable_tokens_a", "adapter.learnable_tokens_b"} <= spared
    assert {"head.level_embed.weight", "head.pixel_decoder.level_encoding.weight"} <= spared
    assert {"head.pixel_decoder.input_convs.0.gn.weight", "head.transformer_decoder.post_norm.bias"} <= spared
    assert {name for name in full.trainable_names() if "query" in name} == {
        "head.query_embed.weight",
        "head.query_feat.weight",
    }
    assert all(full.no_decay(name) for name in ("head.query_embed.weight", "head.query_feat.weight"))
    assert full.no_decay("backbone.vit.blocks.0.norm1.weight")
    assert full.no_decay("backbone.vit.blocks.0.mlp.norm.bias")
    for name in (
        "adapter.mlp_delta_f.weight",
        "adapter.transform.bias",
        "head.querys2feat.weight",
        "head.cls_embed.bias",
    ):
        assert name in rein.trainable_names()
        assert not rein.no_decay(name)


def test_rein_at_vit_large_has_the_papers_parameter_count() -> None:
    rein = Rein(depth=24, width=1024, tokens=100, rank=16, scale=0.001, hidden=256)
    assert sum(p.numel() for p in rein.parameters()) == 2_990_081


def test_rein_starts_near_the_frozen_features() -> None:
    rein = Rein(depth=2, width=24, tokens=6, rank=4, scale=0.001, hidden=None)
    bound = (6 / (3 * 16**2 + (24 * 4) ** 0.5)) ** 0.5
    for tokens in (rein.learnable_tokens_a, rein.learnable_tokens_b):
        assert 0.8 * bound < tokens.abs().max() <= bound
    features = torch.randn(2, 10, 24)
    change = (rein(features, 0) - features).abs().max()
    assert 0 < change < 0.01
    assert rein.scale.item() == pytest.approx(0.001)
    assert rein.queries() is None


def test_null_token_attracts_without_effect() -> None:
    rein = Rein(depth=1, width=8, tokens=3, rank=0, scale=1.0, hidden=None)
    features = torch.randn(1, 5, 8)
    with torch.no_grad():
        rein.learnable_tokens[0, 0] = 1000 * features[0, 0]
        attracted = rein(features, 0)[0, 0]
        # All similarity on the null token leaves MLP_f(f).
        torch.testing.assert_close(attracted, features[0, 0] + rein.mlp_delta_f(features[0, 0]))


def test_full_rank_and_unlinked_rein_build() -> None:
    names = build("rein", rank=0, linked=False, tokens=4).trainable_names()
    assert "adapter.learnable_tokens" in names
    assert "head.query_feat.weight" in names
    with pytest.raises(UserError, match="6"):
        build("rein", tokens=4)


def test_official_checkpoint_without_backbone_leaves_it_alone() -> None:
    source, target = build("rein"), build("rein")
    assert source.adapter is not None
    with torch.no_grad():
        for parameter in [*source.adapter.parameters(), *source.head.parameters()]:
            parameter.add_(torch.randn_like(parameter))
    checkpoint = {f"backbone.reins.{name}": t for name, t in source.adapter.state_dict().items()}
    checkpoint |= {f"decode_head.{name}": t for name, t in source.head.state_dict().items()}
    load_official(target, checkpoint)
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(target.logits(image), source.logits(image))


def random_spec(make_spec: Callable[..., RunSpec], **fields: object) -> RunSpec:
    config = cards.load_card("eva02-mini").config()
    defaults = {
        "method": "rein",
        "method_config": {},
        "backbone": "eva02-mini",
        "backbone_config": config,
        "head": HEAD,
    }
    return make_spec(**defaults | {"weights": "random"} | fields)


def test_build_is_seeded_by_the_spec(make_spec: Callable[..., RunSpec]) -> None:
    first, again, other = (build_segmenter(random_spec(make_spec, seed=seed)).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert not torch.equal(first["head.cls_embed.weight"], other["head.cls_embed.weight"])


def test_build_refuses_other_weights_than_the_spec_names(make_spec: Callable[..., RunSpec]) -> None:
    with pytest.raises((UserError, PrerequisiteError), match=r"eva02-mini"):
        build_segmenter(random_spec(make_spec, weights="sha256:" + "0" * 64))
    with pytest.raises(UserError, match="patch_size"):
        build_segmenter(random_spec(make_spec, backbone_config={"patch_size": "nine"}))
