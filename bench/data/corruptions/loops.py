"""The loops of blur.py, compiled. Images come as (H, W * channels); what they add up keeps its order."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from bench.data.corruptions.pixels import Draws, Floats, Image

Values = npt.NDArray[np.integer | np.floating]
"""uint8 or float32"""
Doubles = npt.NDArray[np.float64]
Offsets = npt.NDArray[np.int64]
_BLOCK: Final = 2048
"""Values of a row that are worked on together, so that all that is around them stays in the cache."""


@numba.njit(cache=True, nogil=True)
def defocus(values: Values, quarter: Floats, channels: int, guard: float, out: Image) -> None:
    """Filter with weights that are the same in all quarters: rows and then columns at equal distances go together."""
    height, width = out.shape
    reach = len(quarter) - 1
    margin, kept = reach * channels, 2 * reach + 1
    for begin in range(0, width, _BLOCK):
        count = min(_BLOCK, width - begin)
        around = np.empty((kept, count + 2 * margin), np.float32)  # the rows around, in turn
        pairs = np.empty((reach + 1, count + 2 * margin), np.float32)
        line, total = np.empty(count + 2 * margin, np.float32), np.empty(count, np.float32)
        for entering in range(height + 2 * reach):
            _copy(values[entering, begin:], around[entering % kept])
            row = entering - 2 * reach
            if row < 0:
                continue
            _copy(around[(row + reach) % kept], pairs[0])
            for near in range(1, reach + 1):
                _add(around[(row + reach - near) % kept], around[(row + reach + near) % kept], pairs[near])
            total[:] = guard
            for far in range(reach, -1, -1):
                line[:] = 0
                _combine(pairs, quarter[far], line)
                if far:
                    start = margin - far * channels
                    add_pair(line[start:], line[start + 2 * far * channels :], np.float32(1), total)
            _add(line[margin:], total, total)
            for i in range(count):
                out[row, begin + i] = np.uint8(np.int32(min(max(total[i], np.float32(0)), np.float32(255))))


@numba.njit(cache=True, nogil=True)
def _copy(values: Values, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = values[i]


@numba.njit(cache=True, nogil=True)
def _add(one: Floats, other: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = one[i] + other[i]


@numba.njit(cache=True, nogil=True)
def _combine(rows: Floats, weights: Floats, total: Floats) -> None:
    """Add the weighted rows up to the last that counts, four at a time: a sum is fetched and stored less often."""
    used = len(weights)
    while used and weights[used - 1] == 0:
        used -= 1
    for k in range(0, used - used % 4, 4):
        one, two, three, four = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        w1, w2, w3, w4 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for i in range(len(total)):
            total[i] += (one[i] * w1 + two[i] * w2) + (three[i] * w3 + four[i] * w4)
    for k in range(used - used % 4, used):
        row, weight = rows[k], weights[k]
        for i in range(len(total)):
            total[i] += row[i] * weight


@numba.njit(cache=True, nogil=True)
def scale(numbers: Draws, below: int, out: Image) -> None:
    for i in range(len(out)):
        out[i] = np.uint8(np.uint32(numbers[i]) * np.uint32(below) >> np.uint32(16))


@numba.njit(cache=True, nogil=True)
def displace(pixels: Image, moves: Image, offsets: Offsets, reach: int, shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            pixel = row * width + column
            here = pixel * channels
            there = here + offsets[moves[pixel]]
            for channel in range(channels):
                pixels[here + channel] = pixels[there + channel]


@numba.njit(cache=True, nogil=True)
def sum_copies(values: Values, rows: Offsets, columns: Offsets, weights: Doubles, out: Values) -> None:
    """Weighted sum of windows of `values` that begin at (row, column), in blocks that stay in the cache."""
    height, width = out.shape
    block = np.empty(min(_BLOCK, width))
    for row in range(height):
        for begin in range(0, width, _BLOCK):
            total = block[: min(_BLOCK, width - begin)]
            total[:] = 0
            for copy in range(len(rows)):
                start = begin + columns[copy]
                source = values[row + rows[copy], start : start + len(total)]
                weight = weights[copy]
                for i in range(len(total)):
                    total[i] += weight * source[i]
            for i in range(len(total)):
                out[row, begin + i] = total[i]


@numba.njit(cache=True, nogil=True)
def add_zoom(
    values: Values,
    rows: Offsets,
    row_shares: Floats,
    columns: Offsets,
    column_shares: Floats,
    channels: int,
    total: Floats,
) -> None:
    """Add the bilinear sample of `values` at the given rows and columns; each row is stretched once."""
    height, width = len(rows), len(columns)
    last = len(values) - 1
    upper, lower = np.empty(width, np.float32), np.empty(width, np.float32)
    here = -2
    for row in range(height):
        if rows[row] == here + 1:
            upper, lower = lower, upper
            stretch(values[min(rows[row] + 1, last)], columns, column_shares, channels, lower)
        elif rows[row] != here:
            stretch(values[rows[row]], columns, column_shares, channels, upper)
            stretch(values[min(rows[row] + 1, last)], columns, column_shares, channels, lower)
        here = rows[row]
        share = row_shares[row]
        for i in range(width):
            total[row, i] += upper[i] + share * (lower[i] - upper[i])


@numba.njit(cache=True, nogil=True)
def stretch(values: Values, columns: Offsets, shares: Floats, channels: int, out: Floats) -> None:
    last = len(values) - 1
    for i in range(len(out)):
        one = np.float32(values[columns[i]])
        other = np.float32(values[min(columns[i] + channels, last)])
        out[i] = one + shares[i] * (other - one)


@numba.njit(cache=True, nogil=True)
def smooth(values: Image, levels: Doubles, weights: Doubles, channels: int, out: Image) -> None:
    """Down the columns, then along the row; from the farthest pair to the nearest, in scipy's order."""
    height, width = values.shape
    radius = len(weights) - 1
    margin, kept = radius * channels, 2 * radius + 1
    near = np.empty((kept, width))  # the rows around, in turn
    line, total = np.empty(width + 2 * margin), np.empty(width)
    middle = line[margin : margin + width]
    for entering in range(height + radius):
        if entering < height:
            for i in range(width):
                near[entering % kept, i] = levels[values[entering, i]]
        row = entering - radius
        if row < 0:
            continue
        middle[:] = near[row % kept] * weights[0]
        for far in range(radius, 0, -1):
            add_pair(near[max(row - far, 0) % kept], near[min(row + far, height - 1) % kept], weights[far], middle)
        for i in range(margin):
            line[i] = middle[i % channels]
            line[margin + width + i] = middle[width - channels + i % channels]
        total[:] = middle * weights[0]
        for far in range(radius, 0, -1):
            start = margin - far * channels
            add_pair(line[start:], line[start + 2 * far * channels :], weights[far], total)
        for i in range(width):
            out[row, i] = np.uint8(min(max(total[i], 0.0), 1.0) * 255)


@numba.njit(cache=True, nogil=True)
def add_pair(one: Floats, other: Floats, weight: float | np.floating, total: Floats) -> None:
    for i in range(len(total)):
        total[i] += (one[i] + other[i]) * weight
