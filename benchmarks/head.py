"""The Mask2Former head, and the whole model around it, against mmsegmentation's and mmdetection's of the same weights.

    python -m benchmarks.head [--backbone dinov2-small] [--size 512x512] [--threads 2]

Predicting one image: the head alone on the same feature maps, then images to class scores, in fp32 and under bf16
autocast. Both sides share the backbone. Outputs are compared before anything is timed. Needs the extra `mmseg`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks import mmseg_model, timing
from benchmarks.mmseg_model import Both

CLOSE = 1e-4
Predict = Callable[[], Tensor]


def heads(both: Both, features: list[Tensor], size: tuple[int, int]) -> tuple[Predict, Predict]:
    """Feature maps to class scores, ours and theirs."""
    predict = cast("Callable[..., Tensor]", cast(nn.Module, both.theirs.decode_head).predict)
    metas = [mmseg_model.meta(torch.empty(size)) for _ in features[0]]

    def ours() -> Tensor:
        return both.ours.head.logits(features, size)

    return ours, lambda: predict(features, metas, None)


def models(both: Both, images: Tensor) -> tuple[Predict, Predict]:
    """Images to class scores, ours and theirs."""
    encode_decode = cast("Callable[..., Tensor]", both.theirs.encode_decode)
    metas = [mmseg_model.meta(image) for image in images]
    return lambda: both.ours.logits(images), lambda: encode_decode(images, metas)


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference of two sides' scores."""
    return float((ours.float() - theirs.float()).abs().max())


@torch.inference_mode()
def compare(options: argparse.Namespace) -> None:
    """Print all comparisons. Raises AssertionError where fp32 scores differ by more than 1e-4."""
    device = timing.begin(options)
    both = mmseg_model.build(mmseg_model.specify(options.backbone, sets=options.set), device)
    images = torch.rand(options.batch, 3, *options.size, device=device)
    print(f"{options.backbone}, {options.batch} x {timing.text(options.size)}")
    print(f"largest difference in fp32: {check(both, images):.1e}", flush=True)
    features = both.ours.backbone(images)
    backbone = timing.alone(lambda: both.ours.backbone(images), options, device)
    print(f"the shared backbone in fp32: {backbone:.1f} ms", flush=True)
    sides = {"head": heads(both, features, options.size), "whole model": models(both, images)}
    for name, (ours, theirs) in sides.items():
        half = autocast(ours, device)
        print(timing.take_turns(ours, theirs, options, device).line(f"{name}, fp32"), flush=True)
        print(timing.take_turns(half, theirs, options, device).line(f"{name}, bf16 against fp32"), flush=True)
        print(timing.take_turns(half, autocast(theirs, device), options, device).line(f"{name}, both bf16"), flush=True)


def check(both: Both, images: Tensor) -> float:
    """Largest difference of the two models' scores, of their own order of magnitude 1; asserted to be small."""
    ours, theirs = models(both, images)
    found = difference(ours(), theirs())
    assert found < CLOSE, f"scores differ by {found}"
    return found


def autocast(work: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """`work` with its matrix products in bfloat16."""

    def half() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return work()

    return half


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line without mmsegmentation."""
    parser = timing.parser("head", __doc__)
    parser.add_argument("--backbone", default="dinov2-small")
    parser.add_argument("--size", type=timing.size, default=(512, 512), help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--batch", type=timing.count, default=1)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
