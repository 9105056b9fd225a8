"""The head's fast ways against plain ones: compiled sampling and its gradients, strips of masks, the last layer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.heads import layers, mask2former
from bench.models.heads.deformable import MultiScaleDeformableAttention, sample_levels
from bench.models.heads.layers import FeedForward, cell_centres
from bench.models.heads.mask2former import semantic_scores
from bench.models.heads.mask2former_loss import Matches, Predictions, sample_masks
from bench.models.heads.sampling import sample

SHAPES = [(1, 2), (3, 5), (6, 4)]
CELLS = sum(height * width for height, width in SHAPES)


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Value, references, offsets far enough to leave the maps, weights: 2 images, 3 heads of 5 channels, 4 points."""
    torch.manual_seed(0)
    layout = (3, len(SHAPES), 4)
    value, weights = torch.randn(2, CELLS, 3, 5), torch.rand(2, *layout, CELLS)
    return value, torch.rand(CELLS, 2), 2 * torch.randn(2, CELLS, *layout, 2), weights


def plain(value: Tensor, references: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """By torch's grid_sample."""
    cells = offsets.new_tensor([[2 / width, 2 / height] for height, width in SHAPES])[:, None]
    grid = (offsets * cells + (2 * references - 1)[:, None, None, None]).permute(0, 2, 3, 4, 1, 5)
    found = sample_levels(value.permute(0, 2, 3, 1), SHAPES, grid, weights)
    return found.permute(0, 3, 1, 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_sampling_and_its_gradients_are_those_of_grid_sample(threads: int) -> None:
    value, references, offsets, weights = inputs()
    learned = [tensor.requires_grad_() for tensor in (value, offsets, weights)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = sample(value, SHAPES, references, offsets, weights)
        given = torch.randn_like(ours)
        found = torch.autograd.grad(ours, learned, given)
    finally:
        torch.set_num_threads(before)
    theirs = plain(value, references, offsets, weights)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    for mine, other in zip(found, torch.autograd.grad(theirs, learned, given), strict=True):
        assert other.abs().max() > 0.1
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_sampling_where_nothing_is() -> None:
    """Places far outside, or no numbers (of a model that diverged), add nothing and are read nowhere."""
    value, references, offsets, weights = inputs()
    offsets[:, :, 0] = 1e9
    offsets[:, :, 1] = float("nan")
    learned = [tensor.requires_grad_() for tensor in (value, offsets, weights)]
    found = sample(value, SHAPES, references, offsets, weights)
    assert not found[:, :, :2].any()
    assert found[:, :, 2].abs().sum() > 0
    for gradient in torch.autograd.grad(found.sum(), learned):
        assert gradient.isfinite().all()


def test_attention_on_the_cpu_is_that_on_a_device() -> None:
    torch.manual_seed(0)
    module = MultiScaleDeformableAttention(width=12, heads=3, levels=3, points=2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    tokens, positions = torch.randn(2, CELLS, 12, requires_grad=True), torch.randn(CELLS, 12)
    references = cell_centres(tuple(SHAPES), tokens.device)
    ours = module(tokens, positions, references, SHAPES)
    other = module.output_proj(module._mix_on_device(module.value_proj(tokens), tokens + positions, references, SHAPES))
    torch.testing.assert_close(ours, other, atol=1e-5, rtol=1e-4)
    learned = [tokens, *module.parameters()]
    gradients = (torch.autograd.grad(out.square().sum(), learned) for out in (ours, other))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", [(32, 48), (31, 45), (5, 3)])
def test_scores_in_strips_are_those_of_whole_masks(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    probabilities, masks = torch.rand(2, 6, 3), torch.randn(2, 6, 8, 12, requires_grad=True)
    full = F.interpolate(masks, size=size, mode="bilinear", align_corners=False).sigmoid()
    expected = torch.einsum("bqk,bqhw->bkhw", probabilities, full)
    for strip in (1, 2 * 6 * size[1] * 3, 10**9):  # a row, three rows, all of them
        monkeypatch.setattr(mask2former, "STRIP", strip)
        found = semantic_scores(probabilities, masks, size)
        torch.testing.assert_close(found, expected)
        ours, theirs = (torch.autograd.grad(x.sum(), masks, retain_graph=True)[0] for x in (found, expected))
        torch.testing.assert_close(ours, theirs)


def test_the_masks_that_are_wanted_are_those_of_all() -> None:
    torch.manual_seed(0)
    made = Predictions(torch.randn(3, 2, 4, 6), torch.randn(3, 2, 4, 8), torch.randn(2, 8, 5, 7))
    masks = made.masks()
    torch.testing.assert_close(made.last_masks(), masks[-1])
    points = torch.rand(2, 9, 2)
    points[:, 0] = 0
    sampled = sample_masks(masks.transpose(0, 1).flatten(1, 2), points).unflatten(1, (3, 4)).transpose(0, 1)
    torch.testing.assert_close(made.masks_at(points), sampled)
    # Of the second image one more than of the first.
    matches = Matches(*torch.tensor([[0, 2, 1, 1, 2], [0, 0, 1, 1, 1], [3, 0, 2, 1, 0], [5, 1, 1, 0, 1]]))
    found = masks[matches.layer, matches.image, matches.query]
    torch.testing.assert_close(made.matched_masks(matches), found)
    nothing = Matches(*torch.empty(4, 0, dtype=torch.int64))
    assert made.matched_masks(nothing).shape == (0, 5, 7)


def test_the_feed_forward_net_is_the_same_in_strips() -> None:
    torch.manual_seed(0)
    net, x = FeedForward(6, 10), torch.randn(2, layers.STRIP + 5, 6)
    expected = net(x)
    assert expected.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(net(x), expected)
