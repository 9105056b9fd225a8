"""The loss of Segment Anything (arXiv 2304.02643, appendix A), for SamModel's outputs at their own resolution."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SamModel

from bench.models.minis.sam_corpus import CELLS, CHANNELS, Batch, Ellipses


class Weights(NamedTuple):
    """What counts how much.

    `focal`: against dice; 20 in the paper, none at first here: while nothing is known of where a mask lies, focal loss
    asks for no mask at all, and gets it.
    `others`: of the candidates that are not the best one, 0 in the paper; a short training starves those that never
    were.
    """

    focal: float
    others: float


class Losses(NamedTuple):
    """Means over the prompts of a batch."""

    mask: Tensor  # weighted focal + dice
    quality: Tensor  # squared error of the predicted IoU
    iou: Tensor  # of the candidate that fits best, no gradient


def losses(logits: Tensor, quality: Tensor, masks: Tensor, valid: Tensor, weights: Weights) -> Losses:
    """From logits (N, C, h, w), predicted IoU (N, C), cover (N, h, w) in [0, 1] and where the image is, (N, h, w).

    Of C candidates the one with the least loss learns the mask; the others a little.
    """
    wanted, where = masks.unsqueeze(1), valid.unsqueeze(1)
    each = weights.focal * focal(logits, wanted, where) + dice(logits, wanted, where)
    overlap = iou(logits.detach(), wanted, where)
    best = each.min(1).values
    return Losses(
        (best + weights.others * (each.mean(1) - best)).mean(),
        F.mse_loss(quality, overlap),
        overlap.max(1).values.mean(),
    )


def focal(logits: Tensor, wanted: Tensor, where: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss (arXiv 1708.02002), mean over the image's pixels: (N, C)."""
    entropy = F.binary_cross_entropy_with_logits(logits, wanted.expand_as(logits), reduction="none")
    weight = where * (1 - alpha + (2 * alpha - 1) * wanted)
    return (weight * (logits.sigmoid() - wanted).abs().pow(gamma) * entropy).sum((2, 3)) / where.sum((2, 3))


def dice(logits: Tensor, wanted: Tensor, where: Tensor) -> Tensor:
    """1 - Dice coefficient (arXiv 1606.04797), (N, C)."""
    probability = logits.sigmoid() * where
    overlap = 2 * (probability * wanted).sum((2, 3)) + 1
    return 1 - overlap / (probability.sum((2, 3)) + wanted.sum((2, 3)) + 1)


def iou(logits: Tensor, wanted: Tensor, where: Tensor) -> Tensor:
    """Intersection over union of the masks at threshold 0, (N, C)."""
    mine, its = (logits > 0) & (where > 0), wanted > 0.5
    return (mine & its).sum((2, 3)) / (mine | its).sum((2, 3)).clamp(min=1)


class Answers(NamedTuple):
    """Losses of one batch."""

    first: Losses  # from the points
    second: Losses | None  # from points and the mask of the best predicted quality of the first answer
    grouping: Tensor


def grouping(embeddings: Tensor, groups: Tensor, cells: int = 200) -> Tensor:
    """How badly an embedding's cells tell which of them belong together, without any prompt.

    Not in the paper. A prompt teaches the encoder about one region, this about all of a frame at once, which a short
    training needs. embeddings (B, C, h, w), groups (B, h, w) with -1 where padded: cosines of pairs of random cells
    as logits of "same region", both answers weighing the same.
    """
    flat, names = F.normalize(embeddings.flatten(2), dim=1), groups.flatten(1)
    total = embeddings.new_zeros(())
    for features, name in zip(flat, names, strict=True):
        where = torch.nonzero(name >= 0)[:, 0]
        where = where[:: max(1, len(where) // cells)]
        alike = 8.0 * (features[:, where].T @ features[:, where]) - 4.0
        same = name[where][:, None] == name[where]
        # A crop may show one region alone: then there is no pair of strangers.
        for logits, chosen in ((-alike, same), (alike, ~same)):
            total = total + (F.softplus(logits) * chosen).sum() / chosen.sum().clamp(min=1)
    return total / len(flat)


def passes(model: SamModel, batch: Batch, weights: Weights, again_every: int, *, single: bool, joined: bool) -> Answers:
    """Two answers to the same prompts. The images are embedded once; only if `joined` do masks teach the encoder.

    Every `again_every`th prompt gets the second answer, none if 0; `single` asks for the one mask of
    `multimask_output=False` in it.
    """
    embeddings = model.vision_encoder(batch.images).last_hidden_state
    together = grouping(embeddings, batch.groups)
    if not joined:
        embeddings = embeddings.detach()
    out = model(image_embeddings=embeddings, input_points=batch.points, input_labels=batch.labels)
    logits, quality = out.pred_masks.flatten(0, 1), out.iou_scores.flatten(0, 1)
    prompts = batch.points.shape[1]
    masks, valid = batch.masks.flatten(0, 1), batch.valid.repeat_interleave(prompts, 0)
    first = losses(logits, quality, masks, valid, weights)
    second = None
    if again_every:
        few = torch.arange(0, len(logits), again_every)
        # SamModel adds a mask to its image's embedding, so each prompt with one gets its own copy.
        out = model(
            image_embeddings=embeddings[few // prompts],
            input_points=batch.points.flatten(0, 1)[few, None],
            input_labels=batch.labels.flatten(0, 1)[few, None],
            input_masks=logits.detach()[few, quality[few].argmax(1), None],
            multimask_output=not single,
        )
        second = losses(out.pred_masks[:, 0], out.iou_scores[:, 0], masks[few], valid[few], weights)
    return Answers(first, second, together)


def first_lesson(model: SamModel, lesson: Ellipses, weights: Weights) -> Losses:
    """What a point is, before there are images: ellipses around points, on embeddings of faint noise.

    From real regions, most of them small, a fresh decoder does not find out within minutes that points say where.
    """
    noise = torch.randn(1, CHANNELS, CELLS, CELLS, generator=torch.Generator().manual_seed(0))
    out = model(image_embeddings=0.3 * noise, input_points=lesson.points[None])
    return losses(out.pred_masks[0], out.iou_scores[0], lesson.masks, torch.ones_like(lesson.masks), weights)
