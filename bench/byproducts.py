"""The counts of a result as arrays: what it is checked with, kept for its scores. Imports no torch."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bench.result import TargetResult

_BIN = np.dtype([("pixels", np.int64), ("confidence", np.float64), ("right", np.int64)])


@dataclass
class Byproducts:
    """What a result is checked with, for further use: given to `read_result`, it is not made twice."""

    matrices: npt.NDArray[np.int64] | None = None
    """`stacked`, in the file's order."""
    bins: npt.NDArray[np.void] | None = None
    """`stacked_bins`, in the file's order."""
    texts: Mapping[str, str] | None = None
    """The `canonical_fields` of its spec."""


def stacked(targets: Mapping[str, TargetResult]) -> npt.NDArray[np.int64]:
    """The confusion matrices of all targets, (targets, classes, classes), in their order.

    Raises ValueError for matrices that are not square, not of one size, or have a count that is negative or no int64.
    """
    every = [target.confusion for target in targets.values()]
    classes = len(every[0]) if every else 0
    rows = list(chain.from_iterable(every))
    if set(map(len, every)) | set(map(len, rows)) > {classes}:
        _refuse(targets, classes)
    counts = list(chain.from_iterable(rows))
    try:  # a third of the time of `np.array`, which looks for the shape first
        flat = np.frombuffer(struct.pack(f"={len(counts)}q", *counts), dtype=np.int64)
    except struct.error:
        raise ValueError("a confusion matrix has a count beyond 64 bits") from None
    matrices = flat.reshape(len(targets), classes, classes)
    if flat.size and flat.min() < 0:
        where = int(matrices.min(axis=(1, 2)).argmin())
        raise ValueError(f"the confusion matrix of {list(targets)[where]!r} has a negative count")
    return matrices


def _refuse(targets: Mapping[str, TargetResult], classes: int) -> NoReturn:
    """Say which matrix is not of (classes, classes)."""
    for name, target in targets.items():
        if set(map(len, target.confusion)) - {len(target.confusion)}:
            raise ValueError(f"the confusion matrix of {name!r} is not square")
    name = next(name for name, target in targets.items() if len(target.confusion) != classes)
    raise ValueError(f"the confusion matrix of {name!r} is not of {classes} classes, as the first is")


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
