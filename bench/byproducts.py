"""The counts of a result as arrays: what it is checked with, kept for its scores. Imports no torch."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bench.result import TargetResult

_BIN = np.dtype([("pixels", np.int64), ("confidence", np.float64), ("right", np.int64)])


@dataclass
class Byproducts:
    """What a result is checked with, for further use: given to `read_result`, it is not made twice."""

    matrices: npt.NDArray[np.int64] | None = None
    """Of all targets, (targets, classes, classes), in the file's order: see `bench.matrices`."""
    bins: npt.NDArray[np.void] | None = None
    """`stacked_bins`, in the file's order."""
    texts: Mapping[str, str] | None = None
    """The `canonical_fields` of its spec."""


def stacked_bins(targets: Mapping[str, TargetResult]) -> npt.NDArray[np.void]:
    """The bins of confidence of all targets, (targets, bins) of pixels, confidence and right, in their order.

    Empty ones are added where a target has fewer than another. Raises ValueError for counts beyond 64 bits.
    """
    every = [target.reliability.bins for target in targets.values()]
    most = max(map(len, every), default=0)
    filled = chain.from_iterable(
        bins if len(bins) == most else bins + [(0, 0.0, 0)] * (most - len(bins)) for bins in every
    )
    try:
        packed = struct.pack("=" + "qdq" * (most * len(every)), *chain.from_iterable(filled))
    except struct.error:
        raise ValueError("a bin of confidence has a count beyond 64 bits") from None
    return np.frombuffer(packed, dtype=_BIN).reshape(len(every), most)
