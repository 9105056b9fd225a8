"""A training step against mmsegmentation's of the same model: forward, losses with matching, backward, AdamW.

    python -m benchmarks.training [--backbone dinov2-small] [--size 512x512] [--batch 1] [--threads 2]

The backbone is frozen and shared, the head trains; images are noise, labels large patches of all 19 classes. Both
sides clip gradients and step AdamW with the recipe's settings. Theirs is torch's default AdamW, ours the fused one of
`bench.train`. Losses are compared before anything is timed: of equal masks and of equal order, as points are random.
Needs the extra `mmseg`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import CLASSES
from benchmarks import mmseg_model, timing
from benchmarks.head import autocast
from benchmarks.mmseg_model import Both
from benchmarks.timing import Size

Losses = Callable[[], Tensor]
CLIP = 1.0


def labels(batch: int, size: Size) -> Tensor:
    """Train ids (B, H, W) int64: 8 x 8 patches of random classes, the top strip ignored."""
    coarse = torch.randint(0, len(CLASSES), (batch, 1, 8, 8)).float()
    found = F.interpolate(coarse, size=size, mode="nearest")[:, 0].long()
    found[:, : size[0] // 16] = 255
    return found


def losses(both: Both, images: Tensor, wanted: Tensor) -> tuple[Losses, Losses]:
    """The sum of all loss terms of a batch, ours and theirs."""
    call, samples = cast("Callable[..., dict[str, Tensor]]", both.theirs.loss), mmseg_model.samples(wanted)

    def theirs() -> Tensor:
        found = call(images, samples)
        return torch.stack([value.sum() for name, value in found.items() if "loss" in name]).sum()

    return lambda: torch.stack(list(both.ours.loss(images, wanted).values())).sum(), theirs


def step(loss: Losses, parameters: list[nn.Parameter], fused: bool) -> Callable[[], None]:
    """One iteration: gradients of `loss`, clipped, and AdamW over `parameters`."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-6, weight_decay=0.05, fused=fused or None)

    def work() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()

    return work


def compare(options: argparse.Namespace) -> None:
    """Print all comparisons. Raises AssertionError where the sums of losses are of no kin."""
    device = timing.begin(options)
    both = mmseg_model.build(mmseg_model.specify(options.backbone, sets=options.set), device)
    both.ours.train()
    both.theirs.train()
    images = torch.rand(options.batch, 3, *options.size, device=device)
    wanted = labels(options.batch, options.size).to(device)
    ours, theirs = losses(both, images, wanted)
    with torch.no_grad():
        first, second = float(ours()), float(theirs())
    assert abs(first - second) < 0.05 * abs(second), f"losses differ: {first} and {second}"
    print(f"{options.backbone}, {options.batch} x {timing.text(options.size)}, losses {first:.2f} and {second:.2f}")
    mine = [parameter for parameter in both.ours.head.parameters() if parameter.requires_grad]
    other = list(cast(nn.Module, both.theirs.decode_head).parameters())
    plain = step(theirs, other, fused=False)
    print(timing.take_turns(step(ours, mine, True), plain, options, device).line("training step, fp32"), flush=True)
    half = step(autocast(ours, device), mine, True)
    print(timing.take_turns(half, plain, options, device).line("training step, bf16 against fp32"))


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line without mmsegmentation."""
    parser = timing.parser("training", __doc__, rounds=3)
    parser.add_argument("--backbone", default="dinov2-small")
    parser.add_argument("--size", type=timing.size, default=(512, 512), help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--batch", type=timing.count, default=1)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
