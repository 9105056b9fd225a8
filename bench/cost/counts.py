"""What of a model is counted, not timed: parameters and floating-point operations."""

from __future__ import annotations

from collections.abc import Callable

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.api import Segmenter
from bench.cost.figures import Parameters
from bench.parts import Backbone


def count(segmenter: Segmenter) -> Parameters:
    """Numbers of parameters; what no backbone and no head holds belongs to the adapter."""
    everything = dict(segmenter.named_parameters())
    parts = {"backbone": segmenter.backbone, "head": segmenter.head}
    held = {name: {id(p) for p in part.parameters()} for name, part in parts.items()}
    rest = {id(p) for p in everything.values()} - held["backbone"] - held["head"]
    held["adapter"] = rest
    held["head"] = held["head"] - held["backbone"]
    counts: dict[str, int] = {}
    for part, known in held.items():
        mine = [p for p in everything.values() if id(p) in known]
        counts[part] = sum(p.numel() for p in mine)
        counts[f"trainable_{part}"] = sum(p.numel() for p in mine if p.requires_grad)
    total = sum(p.numel() for p in everything.values())
    trainable = sum(p.numel() for p in everything.values() if p.requires_grad)
    return Parameters(trainable=trainable, total=total, **counts)


def flops(module: Segmenter | Backbone, predict: Callable[[], object]) -> int:
    """Floating-point operations of one call of `predict`, which calls the module.

    Of matrix products, attention and convolutions, a multiplication and an addition being two.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    # The counter follows modules by gradient hooks on their inputs, and fails where an input is itself a parameter
    # (learned queries). It knows attention only as the matrix products it is made of.
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            predict()
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
    return int(counter.get_total_flops())
