"""A training step against mmsegmentation's of the same model: forward, losses with matching, backward, AdamW.

    python -m benchmarks.training [--backbone dinov2-small] [--size 512x512] [--batch 1] [--threads 2]

The backbone is frozen and shared, the head trains; images are noise, labels large patches of all 19 classes. Both
sides clip gradients and step AdamW with the recipe's settings. Theirs is torch's default AdamW, ours the fused one of
`bench.train`. Before anything is timed, every loss term and the gradient of every parameter are compared, with the same
points drawn for both; when timed, each draws its own. Needs the extra `mmseg`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, cast
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import CLASSES
from bench.models.heads.mask2former import Mask2FormerHead
from benchmarks import mmseg_model, timing
from benchmarks.head import autocast
from benchmarks.mmseg_model import Both
from benchmarks.timing import Size

Losses = Callable[[], Tensor]
CLIP = 1.0


class Difference(NamedTuple):
    """Of ours from theirs, relative to theirs, by their lengths."""

    loss: float
    """The largest of any loss term."""
    gradient: float
    """Of the gradients of all parameters, as one vector."""
    parameter: float
    """The largest of any parameter's gradient."""


CLOSE = Difference(1e-5, 2e-4, 1e-2)
"""A sampling point that rounding moves across the middle of a pixel has another slope there: in the weights that place
such points a gradient differs by a thousandth."""


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


def check(both: Both, images: Tensor, wanted: Tensor) -> Difference:
    """How far losses and gradients of the two are apart in fp32 where both use the same points.

    Raises AssertionError where that is more than `CLOSE`.
    """
    head = cast(Mask2FormerHead, both.ours.head)
    places = torch.rand(head.config.loss_points, 2, device=images.device)
    ours = head.loss(both.ours.backbone(images), wanted, points=places)
    with _drawing(places):
        found = cast("Callable[..., dict[str, Tensor]]", both.theirs.loss)(images, mmseg_model.samples(wanted))
    theirs = {name.removeprefix("decode."): value for name, value in found.items() if "loss" in name}
    mine, other = _gradients(head, ours), _gradients(cast(nn.Module, both.theirs.decode_head), theirs)
    pairs = [_pairs(ours, theirs), _pairs(mine, other)]
    whole = torch.stack([theirs.norm() for _, theirs in pairs[1]]).norm()
    apart = torch.stack([(ours - theirs).norm() for ours, theirs in pairs[1]]).norm()
    # Some are nothing but rounding, as that of a bias before a softmax.
    worst = (max(float((a - b).norm() / b.norm().clamp(min=1e-6 * whole)) for a, b in pair) for pair in pairs)
    difference = Difference(next(worst), float(apart / whole), next(worst))
    assert all(a < b for a, b in zip(difference, CLOSE, strict=True)), f"losses or gradients differ: {difference}"
    return difference


def _pairs(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    assert ours.keys() == theirs.keys(), f"one side alone has {sorted(ours.keys() ^ theirs.keys())}"
    return [(ours[name].detach(), value.detach()) for name, value in theirs.items()]


def _gradients(module: nn.Module, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    total = torch.stack([value.sum() for value in losses.values()]).sum()
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(named, found, strict=True) if gradient is not None}


@contextmanager
def _drawing(points: Tensor) -> Iterator[None]:
    """Within it, mmdetection's head draws these points (P, 2) for matching and for the losses."""
    from mmdet.models.dense_heads import mask2former_head

    def fixed(masks: Tensor, *_: object) -> Tensor:
        return points.expand(len(masks), -1, -1)

    with (
        mock.patch.object(mask2former_head, "get_uncertain_point_coords_with_randomness", fixed),
        mock.patch.object(torch, "rand", return_value=points[None]),
    ):
        yield


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
    """Print all comparisons. Raises AssertionError where losses or gradients differ (`check`)."""
    device = timing.begin(options)
    both = mmseg_model.build(mmseg_model.specify(options.backbone, sets=options.set), device)
    both.ours.train()
    both.theirs.train()
    images = torch.rand(options.batch, 3, *options.size, device=device)
    wanted = labels(options.batch, options.size).to(device)
    ours, theirs = losses(both, images, wanted)
    found = check(both, images, wanted)
    print(f"{options.backbone}, {options.batch} x {timing.text(options.size)}")
    print(f"relative differences: losses {found.loss:.1e}, gradients {found.gradient:.1e}", flush=True)
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
