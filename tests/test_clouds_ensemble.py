"""CLOUDS' ensemble: the head's classes of a mask, and what CLIP's text embeddings say of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from engine import TinyBackbone
from test_clouds import HEIGHT, WIDTH, images
from torch import Tensor

from bench.api import CLASSES, Language, UserError
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.heads import ConfiguredHead
from bench.spec import HeadConfig
from methods.clouds import CloudsConfig, build
from methods.clouds.ensemble import Ensemble


class Words(Language):
    """Text embeddings of two classes along two axes; features are projected by taking their first two channels."""

    def logits(self, features: Tensor) -> Tensor:
        return 4 * F.normalize(features[..., :2], dim=-1)


def test_the_ensemble_is_a_geometric_mean() -> None:
    features = torch.zeros(1, 3, 2, 4)
    features[0, 0, :, :2] = 1  # the left half speaks for class 0, the right one for class 1
    features[0, 1, :, 2:] = 1
    masks = torch.full((1, 3, 2, 4), -1.0)
    masks[0, 0, :, :2] = masks[0, 1, :, 2:] = 1
    classes = torch.tensor([[[0.0, 1.0, 0.5], [0.0, 1.0, -3.0], [2.0, 1.0, 0.0]]])
    found = Ensemble(Words(), 0.4)(classes, masks, [features])
    own, text = classes[0, :, :2].softmax(-1), torch.tensor([[4.0, 0], [0, 4.0]]).softmax(-1)
    mixed = own[:2] ** 0.6 * text**0.4
    mixed = mixed / mixed.sum(-1, keepdim=True)
    void = classes[0].softmax(-1)[:, 2:]
    torch.testing.assert_close(found[0, :2], mixed * (1 - void[:2]))
    torch.testing.assert_close(found[0, 2], classes[0].softmax(-1)[2, :2], msg="an empty mask has no features")
    torch.testing.assert_close(Ensemble(Words(), 0.0)(classes, masks, [features]), classes.softmax(-1)[..., :2])


def test_the_ensemble_needs_a_text_tower_and_masks() -> None:
    config = CloudsConfig(ensemble=True)
    with pytest.raises(UserError, match="no text tower"):
        build(TinyBackbone(), ConfiguredHead(HeadConfig(hidden=32, heads=4), len(CLASSES)), config)
    with pytest.raises(UserError, match="head that classifies masks"):
        build(TinyBackbone(), ConfiguredHead(HeadConfig(name="linear"), len(CLASSES)), config)


def test_clip_mini_brings_its_language() -> None:
    backbone = build_backbone(load_card("clip-mini"))
    head = ConfiguredHead(HeadConfig(hidden=32, heads=4, num_queries=5, loss_points=64), len(CLASSES))
    torch.manual_seed(0)
    plain, mixed = (build(backbone, head, CloudsConfig(ensemble=ensemble)).eval() for ensemble in (False, True))
    mixed.head.load_state_dict(plain.head.state_dict())
    assert mixed.trainable_names() == plain.trainable_names()
    assert mixed.state_dict().keys() == plain.state_dict().keys(), "checkpoints hold nothing of it"
    with torch.no_grad():
        scores, others = plain.logits(images()), mixed.logits(images())
    assert scores.shape == others.shape == (2, len(CLASSES), HEIGHT, WIDTH)
    assert not torch.allclose(scores, others)
    assert others.isfinite().all()
