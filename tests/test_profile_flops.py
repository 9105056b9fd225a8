"""FLOPs of a plain vision transformer against a count by hand."""

from __future__ import annotations

import pytest
import torch

from bench.cost.counts import flops
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.parts import Backbone


def by_hand(size: tuple[int, int], patch: int, depth: int, width: int, hidden: int, prefix: int) -> int:
    """A multiplication and an addition are two; matrix products and convolutions only, as the counter has it."""
    patches = -(-size[0] // patch) * -(-size[1] // patch)
    tokens = patches + prefix
    embedding = 2 * patches * 3 * patch**2 * width
    queries_keys_values = 2 * tokens * width * 3 * width
    attention = 2 * tokens * tokens * width * 2  # queries with keys, their weights with values
    projection = 2 * tokens * width * width
    perceptron = 2 * tokens * width * hidden * 2
    return embedding + depth * (queries_keys_values + attention + projection + perceptron)


def counted(backbone: Backbone, size: tuple[int, int], device: str) -> int:
    images = torch.zeros(1, 3, *size, device=device)

    def predict() -> object:
        with torch.inference_mode():
            return backbone(images)

    return flops(backbone, predict)


@pytest.mark.parametrize("size", [(64, 128), (60, 100)])
def test_a_small_transformer_on_the_processor(size: tuple[int, int]) -> None:
    card = load_card("timm:vit_tiny_patch16_224.augreg_in21k").with_config({"img_size": (64, 128)})
    backbone = build_backbone(card).eval()
    expected = by_hand(size, patch=16, depth=12, width=192, hidden=768, prefix=1)
    assert counted(backbone, size, "cpu") == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("side", [512, 1024])
def test_dinov2_large_without_its_memory(side: int) -> None:
    card = load_card("dinov2-large").with_config({"patch_size": 16, "img_size": (512, 512)})
    with torch.device("meta"):
        backbone = build_backbone(card).eval()
    expected = by_hand((side, side), patch=16, depth=24, width=1024, hidden=4096, prefix=1)
    found = counted(backbone, (side, side), "meta")
    assert found == pytest.approx(expected, rel=0.01)
    if side == 512:
        assert found / 1e9 == pytest.approx(724, rel=0.01)
