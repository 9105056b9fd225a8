"""Rein at inference: what depends on its parameters alone is computed once, and anew when they change."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from methods.rein import Rein, kept

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


def predict_all(rein: Rein) -> list[Tensor]:
    """What a segmenter asks of it for an image: all blocks in turn, then the queries."""
    features = torch.randn(1, 10, WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = [rein(features, block) for block in range(DEPTH)]
        queries = rein.queries()
    return found if queries is None else [*found, queries]


def assert_right(rein: Rein, predicted: list[Tensor]) -> None:
    """As in training; `rein` is in eval mode afterwards."""
    for ours, expected in zip(predicted, predict_all(rein.train()), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    rein.eval()


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


def by_data(rein: Rein) -> None:
    rein.scale.data.add_(0.5)


def by_data_of_tokens(rein: Rein) -> None:
    tokens = rein.learnable_tokens_a if rein.rank else rein.learnable_tokens
    tokens.data.mul_(3)


def by_numpy(rein: Rein) -> None:
    rein.scale.detach().numpy()[...] = 0.9


def by_a_teachers_average(rein: Rein) -> None:
    for own, other in zip(rein.parameters(), make(linked=rein.linked).parameters(), strict=True):
        own.data.mul_(0.5).add_(other.data, alpha=0.7)


def by_a_fused_step_after_a_prediction(rein: Rein) -> None:
    rein.train()
    sum(rein(torch.randn(1, 4, WIDTH), block).sum() for block in range(DEPTH)).backward()
    predict_all(rein.eval())
    torch.optim.AdamW(rein.parameters(), lr=0.1, fused=True).step()


def by_the_mode(rein: Rein) -> None:
    rein.softmax = False


HIDDEN = [by_data, by_data_of_tokens, by_numpy, by_a_teachers_average, by_a_fused_step_after_a_prediction, by_the_mode]
"""Changes that leave the parameters' versions as they are."""


@pytest.mark.parametrize("change", [by_optimizer, by_loading, by_hand, by_a_new_parameter, *HIDDEN])
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


def by_data_of_the_queries(rein: Rein) -> None:
    rein.merge.weight.data.mul_(2)


@pytest.mark.parametrize("change", [*HIDDEN, by_data_of_the_queries])
@pytest.mark.parametrize("devices", [frozenset({"cpu"}), frozenset()])
def test_whole_predictions_after_a_hidden_change(
    devices: frozenset[str], change: Callable[[Rein], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where, as on a GPU, only the first block compares."""
    monkeypatch.setattr("methods.rein.COMPARED_AT_EVERY_CALL", devices)
    rein = make().eval()
    before = predict_all(rein)
    change(rein)
    predicted = predict_all(rein)
    assert max(float((a - b).abs().max()) for a, b in zip(predicted, before, strict=True)) > 1e-3
    assert_right(rein, predicted)


def test_elsewhere_one_comparison_a_prediction_and_one_for_each_call_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.rein.COMPARED_AT_EVERY_CALL", frozenset())
    compared = []
    monkeypatch.setattr(kept, "_equal", lambda now, then: compared.append(len(now)) or all(map(torch.equal, now, then)))
    rein, features = make().eval(), torch.randn(1, 10, WIDTH)
    predict_all(rein)
    compared.clear()
    predict_all(rein), predict_all(rein)
    assert compared == [len(list(rein.parameters()))] * 2
    with torch.no_grad():
        for _ in range(2):  # not the block that follows
            rein(features, 2)
            rein.scale.data.add_(0.5)
            assert torch.equal(rein(features, 2), make_like(rein)(features, 2))
        rein(features, 0)
        rein.scale.mul_(2)  # in the midst of a prediction, for all to see
        assert torch.equal(rein(features, 1), make_like(rein)(features, 1))


def make_like(rein: Rein) -> Rein:
    """With the same parameters, and nothing kept."""
    other = make().eval()
    other.load_state_dict(rein.state_dict())
    return other


def test_the_device_without_comparisons_of_its_own_flattens_all() -> None:
    first, second = [torch.ones(2, 3), torch.tensor(5.0)], [torch.ones(2, 3), torch.tensor(5.0)]
    meta = [tensor.to("meta") for tensor in first]
    assert kept._alike(first, second)
    assert not kept._alike(first, meta)
    assert not kept._alike(first, [tensor.double() for tensor in second])
    assert kept._equal(first, second)
    assert kept._equal_at_once(first, second)
    second[0][1, 2] = 1 + 2**-20
    assert not kept._equal(first, second)
    assert not kept._equal_at_once(first, second)


def test_threads_predict_at_once_before_and_after_a_hidden_change() -> None:
    rein = make().eval()
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            for found in [pool.submit(predict_all, rein) for _ in range(12)]:
                assert_right(make_like(rein), found.result())
        by_a_teachers_average(rein)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_precisions_than_32_bits(dtype: torch.dtype) -> None:
    rein, features = deepcopy(make()).to(dtype).eval(), torch.randn(2, 10, WIDTH, dtype=dtype)
    tolerance = 1e-9 if dtype == torch.float64 else 0.05
    with torch.enable_grad():
        expected, queries = rein(features, 1), rein.queries()
    assert queries is not None
    with torch.inference_mode():
        ours = rein(features, 1)
        torch.testing.assert_close(ours, expected.detach(), atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(rein.queries(), queries.detach(), atol=tolerance, rtol=tolerance)
        if dtype == torch.float64:
            with torch.autocast("cpu", torch.bfloat16):  # leaves float64 alone
                assert torch.equal(rein(features, 1), ours)


def test_parameters_made_in_inference_mode_have_no_versions_and_are_folded_too() -> None:
    with torch.inference_mode():
        rein = make().eval()
        predict_all(rein)
        assert rein._kept._last is not None
        rein.scale.mul_(2)
        predicted = predict_all(rein)
        assert_right(rein, predicted)


def test_what_is_kept_is_not_copied_and_not_saved() -> None:
    rein = make().eval()
    empty = len(pickle.dumps(rein))
    predict_all(rein)
    other = deepcopy(rein)
    assert other._kept._last is None
    assert len(pickle.dumps(rein)) == empty
    other.scale.data.mul_(5)
    assert_right(other, predict_all(other))
    assert_right(rein, predict_all(rein))
