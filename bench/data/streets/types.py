"""Names shared by the rooms of the embedded world."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Frame(NamedTuple):
    """One rendered view. Heights and widths are in pixels."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    label: NDArray[np.uint8]  # (H, W) Cityscapes train ids 0..18
    instance: NDArray[np.int32]  # (H, W) 0 where a class has no instances, else unique within the frame
    depth: NDArray[np.float32]  # (H, W) metres along the optical axis; inf for the sky
