"""Mask2Former's loss (arXiv 2112.01527, section 3.3), of all layers and images of a batch at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from bench.data.labels import IGNORE
from bench.spec import HeadConfig

EPS = 1.0
"""Added above and below the line in dice."""


class Predictions(NamedTuple):
    """Of the initial queries and of every layer, in order: class logits (L, B, Q, K + 1), mask embeddings
    (L, B, Q, C); mask logits are their products with mask_features (B, C, h, w)."""

    classes: Tensor
    embeddings: Tensor
    mask_features: Tensor

    def masks(self) -> Tensor:
        """Mask logits (L, B, Q, h, w) at a quarter of the image's size."""
        return torch.einsum("lbqc,bchw->lbqhw", self.embeddings, self.mask_features)

    def last_masks(self) -> Tensor:
        """Mask logits (B, Q, h, w) of the last layer, the only ones that a prediction needs."""
        return torch.einsum("bqc,bchw->bqhw", self.embeddings[-1], self.mask_features)

    def masks_at(self, points: Tensor) -> Tensor:
        """Mask logits (L, B, Q, P) at points (B, P, 2) of each image: samples are linear, so features are sampled."""
        return torch.einsum("lbqc,bcp->lbqp", self.embeddings, sample_masks(self.mask_features, points))

    def matched_masks(self, matches: Matches) -> Tensor:
        """Mask logits (M, h, w) of the matched queries alone, few of all."""
        # One index into flattened embeddings: three indices at once are slow on the CPU.
        row = (matches.layer * self.embeddings.shape[1] + matches.image) * self.embeddings.shape[2] + matches.query
        chosen = self.embeddings.flatten(0, 2).index_select(0, row)
        counts = torch.bincount(matches.image, minlength=len(self.mask_features)).tolist()
        parts = zip(chosen.split(counts), self.mask_features.flatten(2), strict=True)
        masks: Tensor = torch.cat([own @ features for own, features in parts])
        return masks.view(-1, *self.mask_features.shape[2:])


class Matches(NamedTuple):
    """One entry per matched (layer, query) and ground-truth mask, each (M,) int64; a mask is (image, class).

    Ordered by image.
    """

    layer: Tensor
    image: Tensor
    query: Tensor
    label: Tensor


def mask2former_loss(
    predictions: Predictions, labels: Tensor, config: HeadConfig, points: Tensor | None = None
) -> dict[str, Tensor]:
    """Weighted losses per layer from predictions and labels (B, H, W), 255 ignored.

    Ground truth is one mask per class present. `points` (P, 2), (x, y) in [0, 1], replaces all random points.
    """
    with torch.autocast(labels.device.type, enabled=False):
        predictions = Predictions(*(x.float() for x in predictions))
        matches = match(Predictions(*(x.detach() for x in predictions)), labels, config, points)
        class_losses = _class_losses(predictions.classes, matches, config.no_object)
        mask_losses, dice_losses = _mask_losses(predictions, labels, matches, config, points)
    losses: dict[str, Tensor] = {}
    last = len(class_losses) - 1
    for layer in range(last + 1):
        prefix = "" if layer == last else f"d{layer}."
        losses[f"{prefix}loss_cls"] = config.class_weight * class_losses[layer]
        losses[f"{prefix}loss_mask"] = config.mask_weight * mask_losses[layer]
        losses[f"{prefix}loss_dice"] = config.dice_weight * dice_losses[layer]
    return losses


@torch.no_grad()
def match(predictions: Predictions, labels: Tensor, config: HeadConfig, points: Tensor | None) -> Matches:
    """The cheapest assignment of queries to ground-truth masks in every layer and image."""
    layers, batch, queries, outputs = predictions.classes.shape
    known = outputs - 1
    if points is None:
        places = torch.rand(batch, config.loss_points, 2, device=labels.device)
    else:
        places = points.expand(batch, -1, -1)
    predicted = predictions.masks_at(places).transpose(0, 1).flatten(1, 2)
    corners = label_corners(labels, torch.arange(batch, device=labels.device), places)
    wanted = predicted.new_zeros(batch, places.shape[1], known + 1)
    for label, share in zip(corners.labels, corners.shares, strict=True):
        wanted.scatter_add_(2, label.long().clamp_(max=known).unsqueeze(-1), share.unsqueeze(-1))
    wanted = wanted[..., :known]
    probability = predicted.sigmoid()
    cross_entropy = (F.softplus(predicted).sum(-1, keepdim=True) - predicted @ wanted) / places.shape[1]
    total = probability.sum(-1, keepdim=True) + wanted.sum(1, keepdim=True)
    dice = 1 - (2 * probability @ wanted + EPS) / (total + EPS)
    mask_costs = (config.mask_weight * cross_entropy + config.dice_weight * dice).unflatten(1, (layers, queries))
    costs = mask_costs.transpose(0, 1) - config.class_weight * predictions.classes.softmax(-1)[..., :-1]
    # A diverged model is for the trainer to report, by its loss; the assignment takes finite costs only.
    finite = costs.nan_to_num(1e6, 1e6, -1e6).cpu().numpy()
    return _assign(finite, _present(labels, known).cpu().numpy(), labels.device)


def _present(labels: Tensor, known: int) -> Tensor:
    """Which classes occur in each image, (B, known) bool."""
    offsets = (known + 1) * torch.arange(len(labels), device=labels.device)
    counted = torch.where(labels < known, labels, known).flatten(1) + offsets[:, None]
    return torch.bincount(counted.flatten(), minlength=len(labels) * (known + 1)).view(-1, known + 1)[:, :known] > 0


def _assign(costs: np.ndarray, present: np.ndarray, device: torch.device) -> Matches:
    """Hungarian matching of costs (L, B, Q, K) over the classes present in each image."""
    found: list[np.ndarray] = [np.empty((4, 0), dtype=np.int64)]
    for image in range(costs.shape[1]):
        labels = np.flatnonzero(present[image])
        for layer in range(len(costs)):
            rows, columns = linear_sum_assignment(costs[layer, image][:, labels])
            place = np.array([[layer], [image]]).repeat(len(rows), axis=1)
            found.append(np.vstack([place, rows, labels[columns]]))
    return Matches(*torch.from_numpy(np.hstack(found)).to(device))


def _class_losses(classes: Tensor, matches: Matches, no_object: float) -> Tensor:
    """Cross entropy per layer, weighted by class and averaged by the weights, (L,)."""
    known = classes.shape[-1] - 1
    target = torch.full(classes.shape[:3], known, device=classes.device)
    target[matches.layer, matches.image, matches.query] = matches.label
    weight = torch.where(target == known, no_object, 1.0)
    entropy = F.cross_entropy(classes.flatten(0, 2), target.flatten(), reduction="none").view_as(weight)
    return (weight * entropy).sum((1, 2)) / weight.sum((1, 2))


def _mask_losses(
    predictions: Predictions, labels: Tensor, matches: Matches, config: HeadConfig, points: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Binary cross entropy and dice of the matched masks per layer, averaged over the layer's masks, (L,) each."""
    chosen, layers = predictions.matched_masks(matches), len(predictions.classes)
    places = uncertain_points(chosen.detach(), config) if points is None else points.expand(len(chosen), -1, -1)
    predicted = sample_masks(chosen.unsqueeze(1), places).squeeze(1)
    wanted = label_corners(labels, matches.image, places).mask(matches.label[:, None])
    entropy = F.binary_cross_entropy_with_logits(predicted, wanted, reduction="none").mean(1)
    probability = predicted.sigmoid()
    overlap = 2 * (probability * wanted).sum(1) + EPS
    dice = 1 - overlap / (probability.sum(1) + wanted.sum(1) + EPS)
    count = torch.bincount(matches.layer, minlength=layers).clamp(min=1)
    zeros = chosen.new_zeros(layers)
    return (
        zeros.index_add(0, matches.layer, entropy) / count,
        zeros.index_add(0, matches.layer, dice) / count,
    )


@torch.no_grad()
def uncertain_points(masks: Tensor, config: HeadConfig) -> Tensor:
    """Points (M, P, 2) for masks (M, h, w): of oversampled random ones those nearest the mask's edge, and random ones.

    PointRend's sampling (arXiv 1912.08193, section 3.1).
    """
    uncertain = int(config.importance * config.loss_points)
    candidates = torch.rand(len(masks), int(config.oversample * config.loss_points), 2, device=masks.device)
    certainty = sample_masks(masks.unsqueeze(1), candidates).squeeze(1).abs()
    nearest = certainty.topk(uncertain, dim=1, largest=False, sorted=False).indices
    # As complex numbers x and y are fetched at once.
    kept = torch.view_as_real(torch.view_as_complex(candidates).gather(1, nearest))
    return torch.cat([kept, torch.rand(len(masks), config.loss_points - uncertain, 2, device=masks.device)], dim=1)


def sample_masks(masks: Tensor, points: Tensor) -> Tensor:
    """Bilinear samples of masks (M, C, h, w) at points (M, P, 2), zeros outside -> (M, C, P)."""
    return F.grid_sample(masks, points.mul(2).sub_(1).unsqueeze(2), align_corners=False).squeeze(3)


class Corners(NamedTuple):
    """The four pixels around each point: their labels (uint8, 255 outside), and their shares in bilinear sampling."""

    labels: list[Tensor]
    shares: list[Tensor]

    def mask(self, label: Tensor) -> Tensor:
        """Bilinear samples of the masks `labels == label`, which are never made, in the points' shape."""
        label = label.to(torch.uint8)
        parts = [torch.where(own == label, share, 0.0) for own, share in zip(self.labels, self.shares, strict=True)]
        return parts[0].add_(parts[1]).add_(parts[2]).add_(parts[3])


def label_corners(labels: Tensor, image: Tensor, points: Tensor) -> Corners:
    """What surrounds points (M, P, 2) of the images with indices (M,) in labels (B, H, W)."""
    height, width = labels.shape[-2:]
    # Small integers: this is bound by memory.
    padded = F.pad(labels.to(torch.uint8), (1, 1, 1, 1), value=IGNORE).flatten()
    x, y = points[..., 0] * width + 0.5, points[..., 1] * height + 0.5
    column, row = x.int(), y.int()
    first = (image.int()[:, None] * (height + 2) + row) * (width + 2) + column
    right, down = x - column, y - row
    left, up = 1 - right, 1 - down
    places = (first, first + 1, first + width + 2, first + width + 3)
    return Corners(
        [padded.index_select(0, place.flatten()).view_as(place) for place in places],
        [up * left, up * right, down * left, down * right],
    )
