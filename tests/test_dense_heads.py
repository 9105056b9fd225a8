"""The linear and the SegFormer head: what they compute, what they ignore, and with which methods they go."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_models import tiny_card

from bench.api import UserError
from bench.models.backbones import build_backbone
from bench.models.heads import ConfiguredHead
from bench.models.heads.dense import LinearHead, SegformerHead
from bench.registry import METHODS
from bench.resolve import resolve
from bench.spec import HeadConfig

CHANNELS = (8, 12, 16, 20)
SIZES = ((16, 24), (8, 12), (4, 6), (2, 3))


def features() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, channels, *size) for channels, size in zip(CHANNELS, SIZES, strict=True)]


def test_the_linear_head_is_linear_in_the_resized_maps_side_by_side() -> None:
    head = LinearHead(CHANNELS, 19).eval()
    with torch.no_grad():
        for norm in head.norms:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
        maps = features()
        normed = [norm(x) for norm, x in zip(head.norms, maps, strict=True)]
        side_by_side = torch.cat(
            [F.interpolate(x, size=SIZES[0], mode="bilinear", align_corners=False) for x in normed], 1
        )
        weight = torch.cat([conv.weight for conv in head.classify], 1)
        expected = F.conv2d(side_by_side, weight, head.classify[0].bias)
        torch.testing.assert_close(head.scores(maps), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", [LinearHead(CHANNELS, 19), SegformerHead(CHANNELS, 19, 32)])
def test_dense_heads_score_every_pixel_and_ignore_what_is_ignored(head: LinearHead | SegformerHead) -> None:
    maps = features()
    assert head.eval().logits(maps, (61, 90)).shape == (2, 19, 61, 90)
    labels = torch.randint(0, 19, (2, 64, 96))
    whole = head.loss(maps, labels)["ce"]
    torch.testing.assert_close(whole, F.cross_entropy(head.logits(maps, (64, 96)), labels))
    labels[:, :32] = 255
    half = head.loss(maps, labels)["ce"]
    torch.testing.assert_close(half, F.cross_entropy(head.logits(maps, (64, 96))[:, :, 32:], labels[:, 32:]))
    nothing = head.loss(maps, torch.full_like(labels, 255))["ce"]
    assert nothing.item() == 0
    nothing.backward()


@pytest.mark.parametrize(
    ("method", "options"), [("frozen", {}), ("full", {}), ("lora", {}), ("rein", {"linked": False})]
)
@pytest.mark.parametrize("head", ["segformer", "linear"])
def test_methods_take_any_head(method: str, options: dict[str, object], head: str) -> None:
    card = METHODS.get(method)
    make_head = ConfiguredHead(HeadConfig.model_validate({"name": head, "hidden": 32, "heads": 4}), 19)
    segmenter = card.build(build_backbone(tiny_card()), make_head, card.config.model_validate(options)).train()
    images, labels = torch.rand(2, 3, 32, 64), torch.randint(0, 19, (2, 32, 64))
    torch.stack(list(segmenter.loss(images, labels).values())).sum().backward()
    assert all(p.grad is not None for p in segmenter.parameters() if p.requires_grad)


def test_linked_queries_need_a_head_that_has_queries() -> None:
    card = METHODS.get("rein")
    make_head = ConfiguredHead(HeadConfig(name="linear"), 19)
    with pytest.raises(UserError, match="linked=false"):
        card.build(build_backbone(tiny_card()), make_head, card.config())
    with pytest.raises(UserError, match="takes no queries"):
        make_head((8, 8, 8, 8), linked=True)


def test_the_head_is_set_by_name_and_the_linear_method_brings_its_own() -> None:
    random = ["weights=random"]
    assert resolve("frozen", "eva02", sets=[*random, "head.name=segformer"]).head.name == "segformer"
    assert resolve("linear", "eva02", sets=random).head.name == "linear"
    assert resolve("linear", "eva02", sets=[*random, "head.name=segformer"]).head.name == "segformer"
    with pytest.raises(UserError, match=r"head\.name=unet"):
        resolve("frozen", "eva02", sets=[*random, "head.name=unet"])
