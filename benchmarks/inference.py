"""Sliding-window inference of one image against mmsegmentation's of the same model, in fp32 and bf16.

    python -m benchmarks.inference [--backbone dinov2-small] [--size 512x1024] [--crop 512x512] [--threads 2]

Windows have a stride of two thirds of their size on both sides; mmsegmentation takes them one at a time, the suite
stacks them where that pays. Scores are compared before anything is timed. Needs the extra `mmseg`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from bench.inference import predict_logits
from benchmarks import mmseg_model, timing
from benchmarks.head import CLOSE, Predict, autocast, difference
from benchmarks.mmseg_model import Both
from benchmarks.timing import Size


def sliding(both: Both, images: Tensor, crop: Size) -> tuple[Predict, Predict]:
    """Images to class scores through windows, ours and theirs."""
    inference = cast("Callable[..., Tensor]", both.theirs.inference)
    metas = [mmseg_model.meta(image) for image in images]
    stride = mmseg_model.stride(crop)
    return (
        lambda: predict_logits(both.ours.logits, images, crop, stride),
        lambda: inference(images, metas),
    )


@torch.inference_mode()
def compare(options: argparse.Namespace) -> None:
    """Print all comparisons. Raises AssertionError where fp32 scores differ by more than 1e-4."""
    device = timing.begin(options)
    both = mmseg_model.build(mmseg_model.specify(options.backbone, sets=options.set), device, options.crop)
    images = torch.rand(1, 3, *options.size, device=device)
    ours, theirs = sliding(both, images, options.crop)
    found = difference(ours(), theirs())
    assert found < CLOSE, f"scores differ by {found}"
    print(f"{options.backbone}, {timing.text(options.size)} in windows of {timing.text(options.crop)}")
    print(f"largest difference in fp32: {found:.1e}")
    half = autocast(ours, device)
    print(timing.take_turns(ours, theirs, options, device).line("windows, fp32"), flush=True)
    print(timing.take_turns(half, theirs, options, device).line("windows, bf16 against fp32"), flush=True)
    print(timing.take_turns(half, autocast(theirs, device), options, device).line("windows, both bf16"))


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line without mmsegmentation."""
    parser = timing.parser("inference", __doc__, rounds=3)
    parser.add_argument("--backbone", default="dinov2-small")
    parser.add_argument("--size", type=timing.size, default=(512, 1024), help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--crop", type=timing.size, default=(512, 512), help="HEIGHTxWIDTH of a window")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
