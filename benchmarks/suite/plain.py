"""The hot paths in the plainest torch: what each paper writes, one layer, image and window after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from unittest import mock

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from bench.inference import windows
from bench.models.heads.deformable import MultiScaleDeformableAttention
from bench.models.heads.layers import Attention, sine_positions
from bench.models.heads.mask2former import Mask2FormerHead
from bench.models.heads.mask2former_loss import Predictions
from bench.models.heads.pixel_decoder import LEVELS
from bench.spec import HeadConfig
from methods.rein import Rein

Size = tuple[int, int]


def deformable(
    module: MultiScaleDeformableAttention, tokens: Tensor, positions: Tensor, references: Tensor, shapes: list[Size]
) -> Tensor:
    """What the module gives, by grid_sample, all samples made before they are summed."""
    heads, query = module.heads, tokens + positions
    offsets = module.sampling_offsets(query).unflatten(2, (heads, module.levels, module.points, 2))
    weights = module.attention_weights(query).unflatten(2, (heads, -1)).softmax(-1)
    sizes = tokens.new_tensor([[width, height] for height, width in shapes])
    grids = 2 * (references[:, None, None, None] + offsets / sizes[:, None]) - 1
    samples = []
    for level, part in enumerate(module.value_proj(tokens).split([h * w for h, w in shapes], dim=1)):
        maps = part.transpose(1, 2).reshape(len(tokens) * heads, -1, *shapes[level])
        grid = grids[:, :, :, level].transpose(1, 2).flatten(0, 1)
        samples.append(F.grid_sample(maps, grid, align_corners=False))
    mixed = (torch.stack(samples, -2).flatten(-2) * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
    out: Tensor = module.output_proj(mixed.view(len(tokens), -1, query.shape[1]).transpose(1, 2))
    return out


def attention(
    module: Attention, query: Tensor, positions: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None = None
) -> Tensor:
    """What the module gives, its weights (B, heads, Q, S) made; `hidden` (B, 1, Q, S) is true where not to look."""
    weights, biases = module.attn.in_proj_weight.chunk(3), module.attn.in_proj_bias.chunk(3)
    q, k, v = (
        F.linear(x, weight, bias).unflatten(-1, (module.heads, -1)).transpose(1, 2)
        for x, weight, bias in zip((query + positions, key, value), weights, biases, strict=True)
    )
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if hidden is not None:
        scores = scores.masked_fill(hidden, -math.inf)
    return query + module.attn.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def logits(head: Mask2FormerHead, features: list[Tensor], size: Size) -> Tensor:
    """What the head gives: masks after every layer, resized to be looked through, and all of them at full size."""
    with mock.patch.object(MultiScaleDeformableAttention, "forward", deformable):
        pixels = head.pixel_decoder(features)
    positions, decoder = head.query_embed.weight, head.transformer_decoder
    state = head.query_feat.weight.expand(len(features[0]), -1, -1)
    for index in range(len(decoder.layers) + 1):
        normed = decoder.post_norm(state)
        classes = head.cls_embed(normed)
        masks = torch.einsum("bqc,bchw->bqhw", head.mask_embed(normed), pixels.mask_features)
        if index == len(decoder.layers):
            break
        layer, level = decoder.layers[index], index % LEVELS
        value = pixels.memory[level] + head.level_embed.weight[level]
        key = value + sine_positions(*pixels.shapes[level], value.shape[-1], value)
        small = F.interpolate(masks, size=pixels.shapes[level], mode="bilinear", align_corners=False)
        hidden = small.flatten(2).sigmoid() < 0.5
        hidden &= ~hidden.all(-1, keepdim=True)
        state = layer.norms[0](attention(layer.cross_attn, state, positions, key, value, hidden[:, None]))
        state = layer.norms[1](attention(layer.self_attn, state, positions, state + positions, state))
        state = layer.norms[2](state + layer.ffn.layers(state))
    full = F.interpolate(masks, size=size, mode="bilinear", align_corners=False).sigmoid()
    return torch.einsum("bqk,bqhw->bkhw", classes.softmax(-1)[..., :-1], full)


def losses(
    predictions: Predictions, labels: Tensor, config: HeadConfig, points: Tensor | None = None
) -> dict[str, Tensor]:
    """The weighted losses by layer: all queries' masks, matched layer by layer and image by image."""
    masks, found = predictions.masks(), {}
    for layer, (classes, own) in enumerate(zip(predictions.classes, masks, strict=True)):
        prefix = "" if layer == len(masks) - 1 else f"d{layer}."
        target = torch.full(classes.shape[:2], classes.shape[2] - 1)
        chosen, truth = [], []
        for image in range(len(labels)):
            present = labels[image].unique()
            present = present[present != 255]
            given = (labels[image] == present[:, None, None]).float()
            rows, columns = _match(classes[image], own[image], present, given, config, points)
            target[image, rows] = present[columns]
            chosen.append(own[image, rows])
            truth.append(given[columns])
        masked, wanted = torch.cat(chosen)[:, None], torch.cat(truth)[:, None]
        places = _uncertain(masked.detach(), config) if points is None else points.expand(len(masked), -1, -1)
        logit, share = _sample(masked, places), _sample(wanted, places)
        weight = torch.ones(classes.shape[2])
        weight[-1] = config.no_object
        entropy = F.cross_entropy(classes.flatten(0, 1), target.flatten(), weight)
        found[f"{prefix}loss_cls"] = config.class_weight * entropy
        found[f"{prefix}loss_mask"] = config.mask_weight * F.binary_cross_entropy_with_logits(logit, share)
        found[f"{prefix}loss_dice"] = config.dice_weight * _dice(logit.sigmoid(), share).mean()
    return found


def _sample(masks: Tensor, points: Tensor) -> Tensor:
    return F.grid_sample(masks, (2 * points - 1)[:, :, None], align_corners=False)[:, 0, :, 0]


def _dice(probability: Tensor, share: Tensor) -> Tensor:
    return 1 - (2 * (probability * share).sum(-1) + 1) / (probability.sum(-1) + share.sum(-1) + 1)


@torch.no_grad()
def _match(
    classes: Tensor, masks: Tensor, present: Tensor, given: Tensor, config: HeadConfig, points: Tensor | None
) -> tuple[Tensor, Tensor]:
    places = torch.rand(1, config.loss_points, 2) if points is None else points[None]
    logit = _sample(masks[:, None], places.expand(len(masks), -1, -1))
    share = _sample(given[:, None], places.expand(len(given), -1, -1))
    inside, outside = (
        F.binary_cross_entropy_with_logits(logit, x, reduction="none") for x in (logit * 0 + 1, logit * 0)
    )
    entropy = (inside @ share.T + outside @ (1 - share).T) / logit.shape[1]
    dice = _dice(logit.sigmoid()[:, None], share)
    cost = config.mask_weight * entropy + config.dice_weight * dice
    cost -= config.class_weight * classes.softmax(-1)[:, present]
    rows, columns = linear_sum_assignment(cost.numpy())
    return torch.from_numpy(rows), torch.from_numpy(columns)


@torch.no_grad()
def _uncertain(masks: Tensor, config: HeadConfig) -> Tensor:
    uncertain = int(config.importance * config.loss_points)
    candidates = torch.rand(len(masks), int(config.oversample * config.loss_points), 2)
    nearest = _sample(masks, candidates).abs().topk(uncertain, dim=1, largest=False).indices
    kept = candidates.gather(1, nearest[..., None].expand(-1, -1, 2))
    return torch.cat([kept, torch.rand(len(masks), config.loss_points - uncertain, 2)], dim=1)


def sliding(predict: Callable[[Tensor], Tensor], images: Tensor, crop: Size, stride: Size) -> Tensor:
    """Class scores of images (B, 3, H, W) from windows, one at a time; where they overlap, their mean."""
    height, width = images.shape[-2:]
    rows_, cover = [], images.new_zeros(height, width)
    for image in images:
        total = 0.0
        for rows, columns in windows((height, width), crop, stride):
            right, below = width - columns.stop, height - rows.stop
            scores = predict(image[None, :, rows, columns])[0]
            total = total + F.pad(scores, (columns.start, right, rows.start, below))
        rows_.append(total)
    for rows, columns in windows((height, width), crop, stride):
        cover[rows, columns] += 1
    return torch.stack(rows_) / cover


def rein(module: Rein, features: Tensor, block: int) -> Tensor:
    """f + s MLP_f(f + softmax(f T^T / sqrt(C))[:, 1:] MLP_T(T[1:])) for one block, from its factors on."""
    tokens = module.learnable_tokens_a[block] @ module.learnable_tokens_b[block]
    similarity = (features @ tokens.T / math.sqrt(features.shape[-1])).softmax(-1)
    delta = similarity[..., 1:] @ module.mlp_token2feat(tokens[1:])
    refined: Tensor = features + module.scale * module.mlp_delta_f(features + delta)
    return refined


def rein_queries(module: Rein) -> Tensor:
    """The head's queries: maximum, mean and last of all blocks' tokens, merged."""
    tokens = torch.stack([a @ b for a, b in zip(module.learnable_tokens_a, module.learnable_tokens_b, strict=True)])
    blocks = module.transform(tokens)
    merged: Tensor = module.merge(torch.stack([blocks.amax(0), blocks.mean(0), blocks[-1]], dim=-1).flatten(1))
    return merged
