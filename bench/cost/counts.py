"""What of a model is counted, not timed: parameters and floating-point operations."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.api import Segmenter
from bench.cost.figures import Parameters
from bench.parts import Backbone


def parts(segmenter: Segmenter) -> dict[str, list[nn.Parameter]]:
    """The parameters of backbone, head and adapter, each once; what no backbone and no head holds is the adapter's."""
    found: dict[str, list[nn.Parameter]] = {"backbone": [], "head": [], "adapter": []}
    mine, heads = ({id(p) for p in part.parameters()} for part in (segmenter.backbone, segmenter.head))
    for held in segmenter.parameters():
        found["backbone" if id(held) in mine else "head" if id(held) in heads else "adapter"].append(held)
    return found


def count(segmenter: Segmenter) -> Parameters:
    """Numbers of parameters: all and those that train, of the model and of its `parts`."""
    counts: dict[str, int] = {}
    for part, of in parts(segmenter).items():
        counts[part] = sum(held.numel() for held in of)
        counts[f"trainable_{part}"] = sum(held.numel() for held in of if held.requires_grad)
    trainable = sum(number for part, number in counts.items() if part.startswith("trainable"))
    return Parameters(trainable=trainable, total=sum(counts.values()) - trainable, **counts)


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
