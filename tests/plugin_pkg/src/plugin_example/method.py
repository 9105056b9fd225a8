"""Scale and shift of every block's tokens are learned; the backbone is frozen."""

import torch
from torch import Tensor, nn

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, freeze


class ScaleShiftConfig(MethodConfig):
    """Options."""

    shift: bool = True
    """Whether a shift is learned beside the scale."""


class ScaleShift(nn.Module):
    """f -> f * gamma + beta after every block."""

    def __init__(self, widths: tuple[int, ...], shift: bool) -> None:
        super().__init__()
        self.scales = nn.ParameterList(torch.ones(width) for width in widths)
        self.shifts = nn.ParameterList(torch.zeros(width) for width in widths) if shift else None

    def forward(self, tokens: Tensor, block: int) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        scaled = tokens * self.scales[block]
        return scaled if self.shifts is None else scaled + self.shifts[block]


def build(backbone: Backbone, make_head: HeadFactory, config: ScaleShiftConfig) -> Segmenter:
    """A frozen backbone with the adapter after every block."""
    adapter = ScaleShift(backbone.widths, config.shift)
    return Segmenter(freeze(backbone), make_head(backbone.channels), adapter, no_decay=("adapter.",))


CARD = MethodCard(name="example", summary="scale and shift after every block", build=build, config=ScaleShiftConfig)
