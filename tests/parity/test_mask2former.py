"""Our Mask2Former head against transformers' with the same weights, and the published names it can be loaded from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from published import as_detectron2
from torch import Tensor
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

from bench.errors import DamagedFile
from bench.models.heads.mask2former import Mask2FormerHead
from bench.models.official import DETECTRON2, split
from bench.models.weights import load_strict
from bench.spec import HeadConfig

ATOL = 1e-4
HEAD = HeadConfig(hidden=64, num_queries=7, encoder_layers=2, encoder_ffn=96, decoder_layers=4, decoder_ffn=96, heads=8)
NOWHERE = Path("<tensors>")


@pytest.fixture(scope="module")
def theirs() -> Any:
    """transformers' model on a tiny Swin, every parameter moved from where it starts."""
    torch.manual_seed(0)
    stages = ["stage1", "stage2", "stage3", "stage4"]
    swin = SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2], window_size=2, image_size=64, out_features=stages
    )
    sizes = {"feature_size": 64, "mask_feature_size": 64, "hidden_dim": 64, "num_attention_heads": 8}
    layers = {"encoder_layers": 2, "encoder_feedforward_dim": 96, "dim_feedforward": 96, "decoder_layers": 5}
    config = Mask2FormerConfig(backbone_config=swin, **sizes, **layers, num_queries=7, num_labels=19)
    model = Mask2FormerForUniversalSegmentation(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def our_head(state: dict[str, Tensor]) -> Mask2FormerHead:
    head = Mask2FormerHead((8, 16, 32, 64), 19, HEAD, linked=False)
    load_strict(head, split(state, NOWHERE).head, NOWHERE)
    return head.eval()


@torch.no_grad()
def test_same_weights_same_predictions_in_every_layer(theirs: Any) -> None:
    image = torch.rand(1, 3, 96, 128)
    output = theirs(pixel_values=image, output_auxiliary_logits=True)
    maps = list(theirs.model.pixel_level_module.encoder(image).feature_maps)
    found = our_head(theirs.state_dict())(maps)
    masks = [layer["masks_queries_logits"] for layer in output.auxiliary_logits] + [output.masks_queries_logits]
    classes = [layer["class_queries_logits"] for layer in output.auxiliary_logits] + [output.class_queries_logits]
    assert len(masks) == len(found.classes) == HEAD.decoder_layers + 1
    for layer, (ours, their) in enumerate(zip(found.masks(), masks, strict=True)):
        torch.testing.assert_close(ours, their, atol=ATOL, rtol=1e-4, msg=lambda text, i=layer: f"layer {i}: {text}")
    for ours, their in zip(found.classes, classes, strict=True):
        torch.testing.assert_close(ours, their, atol=ATOL, rtol=1e-4)


def test_detectron2s_names_are_understood() -> None:
    torch.manual_seed(0)
    head = Mask2FormerHead((8, 16, 32, 64), 19, HEAD, linked=False)
    published = as_detectron2(head) | {"void_embedding.weight": torch.zeros(1, 4)}
    assert not set(published) & set(head.state_dict())
    loaded = our_head(published)
    assert all(torch.equal(tensor, head.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    unused = [rule for rule, _ in DETECTRON2 if not any(re.search(rule, name[13:]) for name in published)]
    # Those that only follow from other rules.
    assert {rule for rule in unused if rule.startswith("^pixel_decoder\\.input")} == set()


@pytest.mark.parametrize("rename", [("predictor.class_embed", "predictor.cls"), ("adapter_1", "adapter_2")])
def test_renamed_keys_fail_loudly(rename: tuple[str, str]) -> None:
    head = Mask2FormerHead((8, 16, 32, 64), 19, HEAD, linked=False)
    published = {name.replace(*rename): tensor for name, tensor in as_detectron2(head).items()}
    with pytest.raises(DamagedFile, match="missing"):
        our_head(published)


def test_a_checkpoint_of_another_kind_is_named() -> None:
    with pytest.raises(DamagedFile, match="no checkpoint of Rein"):
        split({"encoder.weight": torch.zeros(1)}, NOWHERE)
    with pytest.raises(DamagedFile, match=r"no known part: teacher\.x"):
        split({"decode_head.x": torch.zeros(1), "teacher.x": torch.zeros(1)}, NOWHERE)
