"""Confusion matrices of a result: arrays, read straight from the text of its file. Imports no torch.

Most numbers of a result file are their counts. As JSON each becomes an object, in a list, to be looked at one by one:
of thousands of files, a fifth of a report's time. So `cut_out` takes the text of the matrices
out of the file's and makes one array of it, and the schema finds a number in each one's place.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from pydantic import PlainSerializer, PlainValidator, ValidationInfo

if TYPE_CHECKING:
    from bench.result import TargetResult

IntArray = npt.NDArray[np.int64]

_KEY = b'"confusion"'
_ENDS = b",;"
"""Between two matrices: JSON has no such sign outside of its strings."""
_OPENS = re.compile(rb"\s*:\s*\[\s*(?=\[)")
_ESCAPED_LETTER = re.compile(rb"\\u00[67]")
_MOST = 10**18
_SPACE, _DIGITS = b" \n\r\t", b"0123456789"


class CutOut(NamedTuple):
    """The text of a result file without its confusion matrices."""

    text: bytes
    """The number of a matrix in its place, which says where it is in `matrices`."""
    matrices: IntArray
    """(matrices, classes, classes), in the file's order."""


def cut_out(text: bytes) -> CutOut | None:
    """The confusion matrices of a result file, and what is left of it.

    None where they are not all square, of one size and of plain counts below 10^18: whoever reads the whole text then
    learns what is wrong. What is given is exactly what a JSON parser finds.
    """
    before, *after = text.split(_KEY)
    pieces = [before]
    found: list[bytes] = []
    for part in after:
        opens = _OPENS.match(part)
        key = part.find(b'"')  # the next one: what lies before it is looked at in `_parse`
        closes = part.rfind(b"]", 0, key if key > 0 else len(part))
        if opens is None or closes < opens.end():
            return None
        pieces += (_KEY, b":%d" % len(found), part[closes + 1 :])
        found.append(part[opens.end() : closes])
    short = b"".join(pieces)
    if not found or (b"\\" in short and _ESCAPED_LETTER.search(short)):  # a key may be spelled with \u0063
        return None
    matrices = _parse(_ENDS.join(found), len(found))
    return None if matrices is None else CutOut(short, matrices)


def _parse(rows: bytes, count: int) -> IntArray | None:
    """(count, classes, classes) of the text of their rows, joined by _ENDS; None unless it is exactly that."""
    between = rows.translate(None, _DIGITS)
    frame = between.translate(None, _SPACE)
    classes = frame.find(b"]")
    if frame != _frame(count, classes):
        return None
    try:
        counts = np.fromstring(rows.translate(None, b"[];"), dtype=np.int64, sep=",")
    except (ValueError, DeprecationWarning):  # where warnings are errors: see the size below
        return None
    # A number is as long as its text: none begins with 0, or is two with a space in between. Beyond 64 bits the largest
    # that fits is read.
    whole = counts.size == count * classes**2 and counts.max() < _MOST
    if not whole or _digits(counts) != len(rows) - len(between):
        return None
    counts.setflags(write=False)
    return counts.reshape(count, classes, classes)


@functools.cache
def _frame(count: int, classes: int) -> bytes:
    """The brackets and commas of the rows of `count` matrices."""
    row = b"[" + b"," * (classes - 1) + b"]"
    return _ENDS.join([b",".join([row] * classes)] * count)


def _digits(counts: IntArray) -> int:
    """How many decimal digits these counts have together."""
    most, power, digits = int(counts.max(initial=0)), 10, counts.size
    while power <= most:
        digits += int(np.count_nonzero(counts >= power))
        power *= 10
    return digits


def _matrix(value: Any, info: ValidationInfo) -> IntArray:
    """A square matrix of counts, from lists or an array, or by the number that `cut_out` left in its place."""
    cut = getattr(info.context, "matrices", None)
    if type(value) is int and isinstance(cut, np.ndarray) and 0 <= value < len(cut):
        return cast("IntArray", cut[value])
    try:
        found = np.array(value)
    except (ValueError, TypeError):  # rows of different lengths
        found = np.empty(0)
    if found.ndim != 2 or found.shape[0] != found.shape[1] or found.dtype.kind != "i":
        raise ValueError("the matrix is not square, or has other entries than whole numbers of 64 bits")
    if found.size and found.min() < 0:
        raise ValueError("the matrix has a negative count")
    found = found.astype(np.int64, copy=False)
    found.setflags(write=False)
    return found


Matrix = Annotated[
    IntArray,
    PlainValidator(_matrix, json_schema_input_type=list[list[int]]),
    PlainSerializer(np.ndarray.tolist, return_type=list[list[int]]),
]
"""(classes, classes) int64, rows are the truth; lists of lists in JSON."""


def stacked(targets: Mapping[str, TargetResult]) -> IntArray:
    """The confusion matrices of all targets, (targets, classes, classes), in their order.

    Raises ValueError for matrices that are not of one size.
    """
    if not targets:
        return np.zeros((0, 0, 0), dtype=np.int64)
    every = [target.confusion for target in targets.values()]
    for name, matrix in zip(targets, every, strict=True):
        if matrix.shape != every[0].shape:
            raise ValueError(f"the confusion matrix of {name!r} is not of {len(every[0])} classes, as the first is")
    return np.stack(every)
