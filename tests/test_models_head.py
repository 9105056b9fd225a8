"""The Mask2Former head: its fast formulations against plain ones, its loss in the corners, its parameter names."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.api import Head
from bench.models.heads import ConfiguredHead
from bench.models.heads.deformable import MultiScaleDeformableAttention
from bench.models.heads.layers import cell_centres
from bench.models.heads.mask2former import Mask2FormerHead, semantic_scores
from bench.models.heads.mask2former_loss import (
    Predictions,
    label_corners,
    mask2former_loss,
    match,
    uncertain_points,
)
from bench.spec import HeadConfig

CONFIG = HeadConfig(
    hidden=32,
    num_queries=6,
    encoder_layers=1,
    encoder_ffn=32,
    decoder_layers=2,
    decoder_ffn=32,
    heads=4,
    loss_points=64,
)
CLASSES = 5


def make_head(linked: bool = False) -> Mask2FormerHead:
    torch.manual_seed(0)
    head = ConfiguredHead(CONFIG, CLASSES)((16, 16, 16, 16), linked)
    assert isinstance(head, Mask2FormerHead)
    return head


def pyramid(batch: int = 2, size: int = 64) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(batch, 16, size // s, size // s) for s in (4, 8, 16, 32)]


def deformable_by_loops(
    module: MultiScaleDeformableAttention, x: Tensor, positions: Tensor, shapes: list[tuple[int, int]]
) -> Tensor:
    """Deformable attention cell by cell, bilinear sampling written out."""
    length, heads = x.shape[0], module.heads
    value = module.value_proj(x).view(length, heads, -1)
    offsets = module.sampling_offsets(x + positions).view(length, heads, module.levels, module.points, 2)
    weights = module.attention_weights(x + positions).view(length, heads, -1).softmax(-1)
    weights = weights.view(length, heads, module.levels, module.points)
    references = [((c + 0.5) / w, (r + 0.5) / h) for h, w in shapes for r in range(h) for c in range(w)]
    out = torch.zeros_like(value)
    for n, (x_ref, y_ref) in enumerate(references):
        for head in range(heads):
            start = 0
            for level, (h, w) in enumerate(shapes):
                for p in range(module.points):
                    dx, dy = offsets[n, head, level, p].tolist()
                    px, py = x_ref * w + dx - 0.5, y_ref * h + dy - 0.5
                    for row in range(h):
                        for column in range(w):
                            share = max(0.0, 1 - abs(px - column)) * max(0.0, 1 - abs(py - row))
                            out[n, head] += weights[n, head, level, p] * share * value[start + row * w + column, head]
                start += h * w
    return module.output_proj(out.flatten(1))


@torch.no_grad()
def test_deformable_attention_against_loops() -> None:
    torch.manual_seed(0)
    shapes = [(1, 2), (2, 3), (3, 4)]
    module = MultiScaleDeformableAttention(width=8, heads=2, levels=3, points=2)
    for parameter in module.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    tokens, positions = torch.randn(2, 20, 8), torch.randn(20, 8)
    ours = module(tokens, positions, cell_centres(tuple(shapes), tokens.device), shapes)
    for image in range(2):
        torch.testing.assert_close(ours[image], deformable_by_loops(module, tokens[image], positions, shapes))


def test_label_corners_sample_masks_bilinearly() -> None:
    labels = torch.randint(0, 4, (2, 7, 9))
    labels[0, :2] = 255
    points = torch.rand(3, 50, 2)
    points[0, :4] = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]])
    image = torch.tensor([0, 1, 1])
    corners = label_corners(labels, image, points)
    for label in (0, 3):
        masks = (labels[image] == label).float().unsqueeze(1)
        expected = F.grid_sample(masks, (2 * points - 1).unsqueeze(2), align_corners=False)[:, 0, :, 0]
        torch.testing.assert_close(corners.mask(torch.tensor(label)), expected, atol=1e-5, rtol=1e-5)


def predictions(classes: torch.Tensor, masks: torch.Tensor) -> Predictions:
    """Of these class logits (L, 1, Q, K + 1) and these mask logits (L, 1, Q, h, w): each mask is a feature."""
    layers, _, queries = masks.shape[:3]
    each = torch.eye(layers * queries).view(layers, 1, queries, -1)
    return Predictions(classes, each, masks.flatten(0, 2).unsqueeze(0))


def test_matching_finds_the_query_that_is_the_mask() -> None:
    labels = torch.full((1, 32, 32), 255)
    labels[:, :16], labels[:, 16:, :16] = 1, 3
    masks = torch.full((1, 1, 4, 8, 8), -8.0)
    masks[0, 0, 2, :4] = 8
    masks[0, 0, 0, 4:, :4] = 8
    found = match(predictions(torch.zeros(1, 1, 4, CLASSES + 1), masks), labels, CONFIG, None)
    assert dict(zip(found.label.tolist(), found.query.tolist(), strict=True)) == {1: 2, 3: 0}


def test_loss_is_least_for_the_right_answer_and_has_all_layers() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.int64)
    labels[:, 16:] = 4
    masks = torch.full((3, 1, 4, 8, 8), -12.0)
    masks[:, :, 0, :4], masks[:, :, 1, 4:] = 12, 12
    classes = torch.zeros(3, 1, 4, CLASSES + 1)
    classes[:, :, 0, 0], classes[:, :, 1, 4], classes[:, :, 2:, -1] = 20, 20, 20
    anywhere = CONFIG.model_copy(update={"importance": 0.0, "loss_points": 1000})
    losses = mask2former_loss(predictions(classes, masks), labels, anywhere)
    assert set(losses) == {f"{p}loss_{k}" for p in ("d0.", "d1.", "") for k in ("cls", "mask", "dice")}
    right = torch.stack(list(losses.values())).sum()
    wrong = torch.stack(list(mask2former_loss(predictions(classes, -masks), labels, anywhere).values())).sum()
    assert 10 * right < wrong


@pytest.mark.parametrize("case", ["ignored", "one image ignored", "more classes than queries"])
def test_loss_of_corner_cases_is_finite_and_differentiable(case: str) -> None:
    head = make_head()
    labels = torch.randint(0, CLASSES, (2, 64, 64))
    if case == "ignored":
        labels[:] = 255
    elif case == "one image ignored":
        labels[0] = 255
    else:
        head.query_feat = torch.nn.Embedding(3, 32)
        head.query_embed = torch.nn.Embedding(3, 32)
    total = torch.stack(list(head.loss(pyramid(), labels).values())).sum()
    total.backward()
    assert total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


def test_every_parameter_of_the_head_trains() -> None:
    head = make_head(linked=True)
    queries = torch.randn(6, 32, requires_grad=True)
    labels = torch.randint(0, CLASSES, (2, 64, 64))
    torch.stack(list(head.loss(pyramid(), labels, queries).values())).sum().backward()
    assert queries.grad is not None
    assert [name for name, p in head.named_parameters() if p.grad is None] == []


def test_points_near_edges_are_preferred() -> None:
    masks = torch.linspace(9, -9, 16).expand(1, 16, 16)
    points = uncertain_points(masks, CONFIG.model_copy(update={"loss_points": 1000, "importance": 1.0}))
    assert points.shape == (1, 1000, 2)
    assert (points[0, :, 0] - 0.5).abs().mean() < 0.125
    anywhere = uncertain_points(masks, CONFIG.model_copy(update={"loss_points": 1000, "importance": 0.0}))
    assert (anywhere[0, :, 0] - 0.5).abs().mean() == pytest.approx(0.25, abs=0.03)


@torch.no_grad()
def test_masks_of_resized_features_are_resized_masks() -> None:
    embeddings, features = torch.randn(2, 6, 32), torch.randn(2, 32, 16, 16)
    small = F.interpolate(features, size=(4, 4), mode="bilinear", align_corners=False)
    masks = torch.einsum("bqc,bchw->bqhw", embeddings, features)
    expected = F.interpolate(masks, size=(4, 4), mode="bilinear", align_corners=False)
    torch.testing.assert_close(torch.einsum("bqc,bchw->bqhw", embeddings, small), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_scores_are_class_times_mask_probability() -> None:
    classes, masks = torch.randn(1, 3, CLASSES + 1), torch.randn(1, 3, 4, 4)
    scores = semantic_scores(classes.softmax(-1)[..., :-1], masks, (8, 8))
    large = F.interpolate(masks, size=(8, 8), mode="bilinear", align_corners=False)
    expected = sum(classes[0, q].softmax(0)[:-1, None, None] * large[0, q].sigmoid() for q in range(3))
    torch.testing.assert_close(scores[0], expected)


@pytest.mark.parametrize("size", [(64, 64), (50, 70)])
@torch.no_grad()
def test_logits_have_the_size_asked_for(size: tuple[int, int]) -> None:
    features = [torch.randn(1, 16, -(-size[0] // s), -(-size[1] // s)) for s in (4, 8, 16, 32)]
    assert make_head().logits(features, size).shape == (1, CLASSES, *size)


def test_linked_head_has_no_query_embeddings_and_needs_queries() -> None:
    names = {name.split(".")[0] for name, _ in make_head(linked=True).named_parameters()}
    assert "querys2feat" in names
    assert not names & {"query_embed", "query_feat"}
    with pytest.raises(ValueError, match="queries"):
        make_head(linked=True).logits(pyramid(), (64, 64))


def test_full_head_has_the_papers_size() -> None:
    """About 20.6 M parameters on ViT-L features (rein.md)."""
    with torch.device("meta"):
        head: Head = ConfiguredHead(HeadConfig(), 19)((1024,) * 4, linked=True)
    assert sum(p.numel() for p in head.parameters()) == pytest.approx(20.6e6, rel=0.01)
