"""Rein at inference: what depends on its parameters alone is computed once, and anew when they change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from methods.rein import Rein

DEPTH, WIDTH = 3, 16


def make(rank: int = 4, softmax: bool = True, linked: bool = True) -> Rein:
    torch.manual_seed(0)
    rein = Rein(DEPTH, WIDTH, 6, rank, 0.3, 8 if linked else None, softmax)
    with torch.no_grad():
        for parameter in rein.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return rein


def both(rein: Rein, features: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """As in training, and as predicted, twice, which must be the same."""
    rein.eval()
    with torch.no_grad():
        predicted = rein(features, block)
        assert torch.equal(predicted, rein(features, block))
    with torch.no_grad():
        rein.train()
        trained = rein(features, block)
    rein.eval()
    return trained, predicted


@pytest.mark.parametrize(("rank", "softmax", "linked"), [(4, True, True), (0, True, False), (4, False, True)])
def test_predictions_are_those_of_training(rank: int, softmax: bool, linked: bool) -> None:
    rein, features = make(rank, softmax, linked), torch.randn(2, 10, WIDTH)
    for block in range(DEPTH):
        ours, predicted = both(rein, features, block)
        assert (ours - features).abs().max() > 0.1
        torch.testing.assert_close(predicted, ours, atol=1e-5, rtol=1e-5)
    trained = rein.train().queries()
    rein.eval()
    with torch.inference_mode():
        found = rein.queries()
    assert (trained is None) == (found is None) == (not linked)
    if trained is not None and found is not None:
        torch.testing.assert_close(found, trained.detach())


def by_optimizer(rein: Rein) -> None:
    rein.train()
    rein(torch.randn(1, 4, WIDTH), 0).sum().backward()
    torch.optim.AdamW(rein.parameters(), lr=0.1, fused=True).step()


def by_loading(rein: Rein) -> None:
    rein.load_state_dict({name: tensor + 0.1 for name, tensor in rein.state_dict().items()})


def by_hand(rein: Rein) -> None:
    with torch.inference_mode():
        rein.scale.mul_(2)


def by_a_new_parameter(rein: Rein) -> None:
    rein.scale = nn.Parameter(torch.tensor(5.0))


@pytest.mark.parametrize("change", [by_optimizer, by_loading, by_hand, by_a_new_parameter])
def test_parameters_that_change_are_noticed(change: Callable[[Rein], None]) -> None:
    rein, features = make(), torch.randn(1, 10, WIDTH)
    rein.eval()
    with torch.no_grad():
        before = rein(features, 0)
    change(rein)
    ours, predicted = both(rein, features, 0)
    assert (predicted - before).abs().max() > 1e-3
    torch.testing.assert_close(predicted, ours, atol=1e-4, rtol=1e-4)


def test_computed_once_in_each_precision_and_usable_in_either_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    rein, features = make().eval(), torch.randn(1, 10, WIDTH)
    folded = []
    fold = rein._fold
    monkeypatch.setattr(rein, "_fold", lambda: folded.append(fold()) or folded[-1])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        half = rein(features, 0), rein(features, 1), rein.queries()
        assert rein._held().values.dtype is torch.bfloat16
    assert len(folded) == 1
    assert folded[0].values.dtype is torch.float32
    with torch.no_grad():
        full = rein(features, 0), rein(features, 1), rein.queries()
    assert len(folded) == 2
    held = rein._held()
    assert held.values.dtype is torch.float32
    assert not held.values.is_inference()
    assert half[2] is not None
    assert half[2].dtype is torch.float32, "the head casts its queries where it multiplies them"
    for coarse, fine in zip(half, full, strict=True):
        torch.testing.assert_close(coarse, fine, atol=0.05, rtol=0.05)
    assert set(rein.state_dict()) == {name for name, _ in rein.named_parameters()}
