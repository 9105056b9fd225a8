"""Every backbone with every kind of method: two steps of training and a prediction, at reduced depth."""

from __future__ import annotations

import pytest
import torch
from reduced import reduced
from test_methods import HEAD

from bench.models import card as cards
from bench.models.backbones import build_backbone
from bench.models.heads import ConfiguredHead
from bench.registry import METHODS

METHODS_TRIED = ("rein", "full", "frozen", "lora")


@pytest.mark.parametrize("method", METHODS_TRIED)
@pytest.mark.parametrize("name", cards.names())
def test_two_steps_and_a_prediction(name: str, method: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(reduced(cards.load_card(name)))
    plugin = METHODS.get(method)
    if method == "lora" and not any(type(m).__name__.endswith("Attention") for m in backbone.modules()):
        with pytest.raises(Exception, match="no attention"):
            plugin.build(backbone, ConfiguredHead(HEAD, 19), plugin.config())
        return
    segmenter = plugin.build(backbone, ConfiguredHead(HEAD, 19), plugin.config()).train()
    images, labels = torch.rand(2, 3, 32, 64), torch.arange(19).repeat(216)[: 2 * 32 * 64].view(2, 32, 64)
    trainable = {key: p for key, p in segmenter.named_parameters() if p.requires_grad}
    optimiser = torch.optim.SGD(trainable.values(), lr=1e-4)
    for _ in range(2):
        optimiser.zero_grad()
        loss = torch.stack(list(segmenter.loss(images, labels).values())).sum()
        assert loss.isfinite()
        loss.backward()
        optimiser.step()
    untouched = [key for key, p in trainable.items() if p.grad is None]
    assert not untouched, "these say that they train, and no gradient reaches them"
    with torch.no_grad():
        scores = segmenter.eval().logits(torch.rand(1, 3, 50, 70))
    assert scores.shape == (1, 19, 50, 70)
    assert scores.isfinite().all()
