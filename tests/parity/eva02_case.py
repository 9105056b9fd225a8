"""A random EVA02 case in the golden folder's format, computed by the plain reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from eva02_reference import backbone_weights, features, queries
from rein_cases import Case, build_untrained
from safetensors.torch import save_file
from torch import Tensor

from bench.models.heads.mask2former import Mask2FormerHead

CONFIG: dict[str, Any] = {
    "kind": "eva02",
    "embed_dim": 48,
    "depth": 6,
    "num_heads": 4,
    "img_size": 64,
    "patch_size": 16,
    "out_indices": [1, 2, 3, 5],
    "token_length": 12,
    "lora_dim": 4,
    "feat_channels": 32,
    "encoder_layers": 2,
    "encoder_ffn": 64,
    "encoder_heads": 4,
    "decoder_layers": 3,
    "decoder_ffn": 64,
    "decoder_heads": 8,
    "num_queries": 12,
    "num_classes": 19,
    "slide_crop": 64,
    "slide_stride": 42,
}


def write_case(folder: Path, name: str, seed: int = 0) -> None:
    """Write NAME.json, NAME.weights.safetensors and NAME.tensors.safetensors."""
    case = make_case(seed)
    (folder / f"{name}.json").write_text(json.dumps(case.config))
    save_file(case.weights, folder / f"{name}.weights.safetensors")
    save_file(case.tensors, folder / f"{name}.tensors.safetensors")


def make_case(seed: int) -> Case:
    """Backbone, Rein and queries of the reference, with its gradients; on top of them the suite's own head.

    The head is held against the published implementation by the given DINOv2 case.
    """
    torch.manual_seed(seed)
    config = dict(CONFIG)
    untrained = build_untrained(config)
    head = untrained.head
    assert isinstance(head, Mask2FormerHead)
    assert untrained.adapter is not None
    with torch.no_grad():
        # As initialised, sampling points lie exactly on cells, where the gradient of bilinear sampling jumps.
        for name, parameter in head.named_parameters():
            if "sampling_offsets" in name or "attention_weights" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    w = backbone_weights(config)
    r = {name: p.detach().clone() for name, p in untrained.adapter.named_parameters()}
    # At its initial values Rein changes next to nothing, and a test would not see it.
    r["scale"].fill_(0.3)
    r["learnable_tokens_a"].mul_(10)
    r["learnable_tokens_b"].mul_(10)
    tensors = inputs(config)
    for parameter in r.values():
        parameter.requires_grad_(True)
    losses = head.loss(features(w, r, tensors["input"], config), tensors["gt"], queries(r), points=tensors["points"])
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    config["losses"] = {f"decode.{name}": value.item() for name, value in losses.items()}
    config |= {"total_loss": total.item(), "trainable_backbone": sum(p.numel() for p in r.values())}
    for name, parameter in r.items():
        assert parameter.grad is not None
        tensors[f"grad.backbone.reins.{name}"] = parameter.grad
    with torch.no_grad():
        tensors |= outputs(head, w, r, tensors, config)
    weights = {f"backbone.{name}": t for name, t in w.items()}
    weights |= {f"backbone.reins.{name}": t.detach() for name, t in r.items()}
    weights |= {f"decode_head.{name}": t for name, t in head.state_dict().items()}
    return Case(config, weights, {name: t.detach().contiguous() for name, t in tensors.items()})


def inputs(config: dict[str, Any]) -> dict[str, Tensor]:
    """Random images, blocky labels with an ignored strip, and loss points."""
    size = config["img_size"]
    gt = torch.randint(0, 6, (2, 8, 8)).repeat_interleave(size // 8, 1).repeat_interleave(size // 8, 2)
    gt[:, :5] = 255
    return {
        "input": torch.randn(2, 3, size, size),
        "wide_input": torch.randn(1, 3, size, 144),
        "points": torch.rand(128, 2),
        "gt": gt,
    }


def outputs(
    head: Mask2FormerHead,
    w: dict[str, Tensor],
    r: dict[str, Tensor],
    tensors: dict[str, Tensor],
    config: dict[str, Any],
) -> dict[str, Tensor]:
    """Everything a case holds that is no gradient."""
    size = (config["img_size"], config["img_size"])
    maps, q = features(w, r, tensors["input"], config), queries(r)
    pixels = head.pixel_decoder(maps)
    predictions = head.decode(pixels, q)
    found = {f"feature_{i}": m for i, m in enumerate(maps)}
    found |= {"queries": q, "mask_features": pixels.mask_features, "seg_logits": head.logits(maps, size, q)}
    for i, (memory, shape) in enumerate(zip(pixels.memory, pixels.shapes, strict=True)):
        found[f"multi_scale_{i}"] = memory.transpose(1, 2).unflatten(2, shape)
    for i, (classes, masks) in enumerate(zip(predictions.classes, predictions.masks(), strict=True)):
        found |= {f"cls_logits_{i}": classes, f"mask_logits_{i}": masks}
    found["wide_seg_logits"] = slide(
        lambda window: head.logits(features(w, r, window, config), size, q), tensors["wide_input"], config
    )
    return found


def slide(score: Callable[[Tensor], Tensor], image: Tensor, config: dict[str, Any]) -> Tensor:
    """Windows of the case's crop along the width, overlaps averaged."""
    crop, stride, width = config["slide_crop"], config["slide_stride"], image.shape[3]
    starts = sorted({min(start, width - crop) for start in range(0, width - crop + stride, stride)})
    total = torch.zeros(1, config["num_classes"], crop, width)
    count = torch.zeros(width)
    for start in starts:
        total[..., start : start + crop] += score(image[..., start : start + crop])
        count[start : start + crop] += 1
    return total / count
