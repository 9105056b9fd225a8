"""The 19 Cityscapes classes, in train-id order, and their colours.

Source: Cityscapes (Cordts et al., CVPR 2016), its public label table. Torch-free.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.metrics import IGNORE

__all__ = ["CLASSES", "IGNORE", "PALETTE", "colourise"]


class LabelClass(NamedTuple):
    """One scored class: its name and its RGB colour in pictures."""

    name: str
    colour: tuple[int, int, int]


_TABLE: Final = (
    LabelClass("road", (128, 64, 128)),
    LabelClass("sidewalk", (244, 35, 232)),
    LabelClass("building", (70, 70, 70)),
    LabelClass("wall", (102, 102, 156)),
    LabelClass("fence", (190, 153, 153)),
    LabelClass("pole", (153, 153, 153)),
    LabelClass("traffic light", (250, 170, 30)),
    LabelClass("traffic sign", (220, 220, 0)),
    LabelClass("vegetation", (107, 142, 35)),
    LabelClass("terrain", (152, 251, 152)),
    LabelClass("sky", (70, 130, 180)),
    LabelClass("person", (220, 20, 60)),
    LabelClass("rider", (255, 0, 0)),
    LabelClass("car", (0, 0, 142)),
    LabelClass("truck", (0, 0, 70)),
    LabelClass("bus", (0, 60, 100)),
    LabelClass("train", (0, 80, 100)),
    LabelClass("motorcycle", (0, 0, 230)),
    LabelClass("bicycle", (119, 11, 32)),
)

CLASSES: Final[tuple[str, ...]] = tuple(row.name for row in _TABLE)
PALETTE: Final[tuple[tuple[int, int, int], ...]] = tuple(row.colour for row in _TABLE)


def colourise(label: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Train ids (H, W) to an RGB picture uint8 (H, W, 3); everything outside 0..18 is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(PALETTE)] = PALETTE
    picture: npt.NDArray[np.uint8] = table[np.clip(label, 0, IGNORE)]
    return picture
