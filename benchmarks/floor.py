"""Where the time of a prediction and of a training step goes, and how near it is to its arithmetic.

    python -m benchmarks.floor [--backbone dinov2-small] [--size 512x512] [--threads 1]

Of ours and of mmsegmentation's same model, whose scores, losses and gradients are compared first. The floor is the
number of operations in matrix products, attention and convolutions (torch's FLOP counter) over the rate at which this
machine multiplies large matrices, measured in the same run: nothing that does this arithmetic in this precision is
faster. Needs the extra `mmseg`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bench.errors import UserError
from benchmarks import head, mmseg_model, timing, training
from benchmarks.head import autocast
from benchmarks.training import labels, losses, step

KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm"),
    "convolutions": ("convolution", "conv2d"),
    "attention": ("scaled_dot_product",),
    "deformable sampling": ("_Sample", "grid_sampler"),
    "copies and casts": ("copy_", "cat", "fill_", "zero_"),
    "norms, softmax, activations": ("norm", "softmax", "gelu", "relu", "sigmoid", "softplus", "threshold", "clamp"),
}
SIDE = 2048
"""Of the square matrices whose product tells the machine's rate."""


def kind(name: str) -> str:
    """Of an operator, by its name in torch's profiler."""
    plain = name.removeprefix("aten::")
    for found, parts in KINDS.items():
        if any(plain == part if part in ("mm", "addmm", "bmm", "baddbmm") else part in plain for part in parts):
            return found
    return "all else"


def rate(options: argparse.Namespace, dtype: torch.dtype) -> float:
    """Operations a second in a product of large matrices."""
    a, b = (torch.rand(SIDE, SIDE, dtype=dtype) for _ in range(2))
    return 2 * SIDE**3 / timing.alone(lambda: a @ b, options) * 1e3


def spent(work: Callable[[], object]) -> Counter[str]:
    """Milliseconds of the CPU by kind of operator."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        work()
    times: Counter[str] = Counter()
    for event in found.key_averages():
        times[kind(event.key)] += event.self_cpu_time_total / 1e3
    return times


class Operations(TorchDispatchMode):
    """Counts by torch's formulas; its own counter follows modules, too, and fails where an input is a parameter."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator and count it."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def operations(work: Callable[[], object]) -> int:
    """Of one call, backward passes included."""
    with Operations() as counter, sdpa_kernel(SDPBackend.MATH):
        work()
    return counter.total


def tell(what: str, work: Callable[[], object], counted: int, options: argparse.Namespace, speed: float) -> None:
    """Print the time of `work`, its floor, and where it goes."""
    whole, times = timing.alone(work, options), spent(work)
    floor = counted / speed * 1e3
    print(f"\n{what}: {whole:.0f} ms; {counted / 1e9:.0f} GFLOPs in {floor:.0f} ms at best ({whole / floor:.2f} times)")
    total = sum(times.values())
    for name in [*KINDS, "all else"]:
        print(f"  {name:<30} {times[name]:>7.0f} ms  {100 * times[name] / total:>3.0f} %", flush=True)


def compare(options: argparse.Namespace) -> None:
    """Print all: ours in fp32 and bf16, and theirs in fp32.

    Raises AssertionError where scores, losses or gradients differ (`head.check`, `training.check`).
    """
    device = timing.begin(options)
    if device.type != "cpu":
        raise UserError("the floor is that of the CPU: leave --device out")
    both = mmseg_model.build(mmseg_model.specify(options.backbone, sets=options.set), device)
    images, wanted = torch.rand(1, 3, *options.size), labels(1, options.size)
    with torch.inference_mode():
        print(f"largest difference of scores: {head.check(both, images):.1e}")
    both.ours.train()
    both.theirs.train()
    found = training.check(both, images, wanted)
    print(f"relative differences: losses {found.loss:.1e}, gradients {found.gradient:.1e}", flush=True)
    ours, theirs = losses(both, images, wanted)
    metas = [mmseg_model.meta(image) for image in images]
    infer = cast("Callable[..., Tensor]", both.theirs.inference)
    full, half = rate(options, torch.float32), rate(options, torch.bfloat16)
    print(f"{options.backbone}, {timing.text(options.size)}: {full / 1e9:.0f} GFLOP/s, {half / 1e9:.0f} in bf16")
    mine = [parameter for parameter in both.ours.head.parameters() if parameter.requires_grad]
    other = list(cast(nn.Module, both.theirs.decode_head).parameters())

    def predict() -> Tensor:
        with torch.inference_mode():
            return both.ours.logits(images)

    def theirs_predict() -> Tensor:
        with torch.inference_mode():
            return infer(images, metas)

    both.ours.eval()
    both.theirs.eval()
    with torch.no_grad():
        counted = operations(lambda: both.ours.logits(images))
    tell("prediction, ours, fp32", predict, counted, options, full)
    tell("prediction, mmsegmentation, fp32", theirs_predict, counted, options, full)
    tell("prediction, ours, bf16", autocast(predict, device), counted, options, half)
    both.ours.train()
    both.theirs.train()
    counted = operations(lambda: ours().backward())
    tell("training step, ours, fp32", step(ours, mine, True), counted, options, full)
    tell("training step, mmsegmentation, fp32", step(theirs, other, False), counted, options, full)
    tell("training step, ours, bf16", step(autocast(ours, device), mine, True), counted, options, half)


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line without mmsegmentation."""
    parser = timing.parser("floor", __doc__, rounds=3)
    parser.add_argument("--backbone", default="dinov2-small")
    parser.add_argument("--size", type=timing.size, default=(512, 512), help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
