"""Deformable attention's sampling on the CPU: compiled loops, forward and backward, over tokens as they lie in memory.

`grid_sample` wants maps with channels first, makes every sample before it is weighted, and keeps all of them for the
backward pass. Here a sample is read where the value projection left it, weighted and added at once.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

Array = npt.NDArray[Any]
# Sums may be reordered, so that they use whole vector registers; NaN stays NaN.
_FAST = {"reassoc", "contract", "nsz"}


def sample(
    value: Tensor, shapes: list[tuple[int, int]], references: Tensor, offsets: Tensor, weights: Tensor
) -> Tensor:
    """Weighted sums of bilinear samples, zeros outside the maps; differentiable but for `references`.

    value (B, S, heads, D) holds the levels' maps one after the other; references (N, 2) are (x, y) in [0, 1], offsets
    (B, N, heads, levels, points, 2) from there in cells of each level's map; weights (B, heads, levels, points, N),
    as their softmax is quick over points that do not lie side by side. All on the CPU, float32 or float64. Returns
    (B, N, heads, D).
    """
    levels = torch.tensor(shapes, dtype=torch.int64)
    found: Tensor = _Sample.apply(value, levels, references, offsets, weights)
    return found


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, value: Tensor, levels: Tensor, references: Tensor, offsets: Tensor, weights: Tensor
    ) -> Tensor:
        """See `sample`."""
        held = [x.contiguous() for x in (value, levels, references, offsets, weights)]
        ctx.save_for_backward(*held)
        out = value.new_empty(*offsets.shape[:3], value.shape[3])
        arrays = [x.detach().numpy() for x in (*held, out)]
        _spread(partial(_forward, *arrays), offsets.shape[1])
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of value, offsets and weights."""
        value, levels, references, offsets, weights = ctx.saved_tensors
        found = torch.zeros_like(value), torch.empty_like(offsets), torch.empty_like(weights)
        held = (value, levels, references, offsets, weights, gradients[0].contiguous(), *found)
        arrays = [x.detach().numpy() for x in held]
        # Each thread has heads of its own: no two add to the same value.
        _spread(partial(_backward, *arrays), value.shape[2])
        return found[0], None, None, found[1], found[2]


def _spread(work: Callable[[int, int], None], length: int) -> None:
    """`work` on the parts of range(length), one for each of torch's threads."""
    threads = min(torch.get_num_threads(), length)
    bounds = [length * part // threads for part in range(threads + 1)]
    parts = list(pairwise(bounds))
    others = [_pool().submit(work, *part) for part in parts[1:]]
    work(*parts[0])
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="sampling")


@numba.njit(cache=True, nogil=True, inline="always")
def _corners(x, y, height, width, start, row, share):  # type: ignore[no-untyped-def]  # compiled
    """Rows of the four cells around a place and their shares; False where the place is outside, or no number."""
    if not (-1 < x < width and -1 < y < height):
        return False
    left, top = int(np.floor(x)), int(np.floor(y))
    right_share, down_share = x - left, y - top
    for corner in range(4):
        column, line = left + corner % 2, top + corner // 2
        across = right_share if corner % 2 else 1 - right_share
        down = down_share if corner // 2 else 1 - down_share
        inside = 0 <= column < width and 0 <= line < height
        row[corner] = start + min(max(line, 0), height - 1) * width + min(max(column, 0), width - 1)
        share[corner] = across * down if inside else 0.0
    return True


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _forward(  # type: ignore[no-untyped-def]  # compiled
    value, levels, references, offsets, weights, out, first, last
):
    """Fill out[:, first:last]."""
    batch, _, heads, depth = value.shape
    points = offsets.shape[4]
    row, share = np.empty(4, np.int64), np.empty(4, value.dtype)
    for image in range(batch):
        for token in range(first, last):
            for head in range(heads):
                total = out[image, token, head]
                total[:] = 0
                start = 0
                for level in range(len(levels)):
                    height, width = levels[level]
                    base_x = references[token, 0] * width - value.dtype.type(0.5)
                    base_y = references[token, 1] * height - value.dtype.type(0.5)
                    for point in range(points):
                        x = base_x + offsets[image, token, head, level, point, 0]
                        y = base_y + offsets[image, token, head, level, point, 1]
                        if _corners(x, y, height, width, start, row, share):
                            weight = weights[image, head, level, point, token]
                            a, b, c, d = share[0] * weight, share[1] * weight, share[2] * weight, share[3] * weight
                            v0, v1 = value[image, row[0], head], value[image, row[1], head]
                            v2, v3 = value[image, row[2], head], value[image, row[3], head]
                            for channel in range(depth):
                                total[channel] += a * v0[channel] + b * v1[channel] + c * v2[channel] + d * v3[channel]
                    start += height * width


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _backward(  # type: ignore[no-untyped-def]  # compiled
    value, levels, references, offsets, weights, grad, grad_value, grad_offsets, grad_weights, first, last
):
    """Fill the gradients of heads first..last-1; that of the value is added to."""
    batch, tokens, _, depth = grad.shape
    points = offsets.shape[4]
    row, share = np.empty(4, np.int64), np.empty(4, value.dtype)
    for image in range(batch):
        for token in range(tokens):
            for head in range(first, last):
                given = grad[image, token, head]
                start = 0
                for level in range(len(levels)):
                    height, width = levels[level]
                    base_x = references[token, 0] * width - value.dtype.type(0.5)
                    base_y = references[token, 1] * height - value.dtype.type(0.5)
                    for point in range(points):
                        x = base_x + offsets[image, token, head, level, point, 0]
                        y = base_y + offsets[image, token, head, level, point, 1]
                        if not _corners(x, y, height, width, start, row, share):
                            grad_offsets[image, token, head, level, point] = 0
                            grad_weights[image, head, level, point, token] = 0
                            continue
                        weight = weights[image, head, level, point, token]
                        a, b, c, d = share[0] * weight, share[1] * weight, share[2] * weight, share[3] * weight
                        v0, v1 = value[image, row[0], head], value[image, row[1], head]
                        v2, v3 = value[image, row[2], head], value[image, row[3], head]
                        g0, g1 = grad_value[image, row[0], head], grad_value[image, row[1], head]
                        g2, g3 = grad_value[image, row[2], head], grad_value[image, row[3], head]
                        s0 = s1 = s2 = s3 = value.dtype.type(0)
                        for channel in range(depth):
                            s0 += given[channel] * v0[channel]
                            s1 += given[channel] * v1[channel]
                            s2 += given[channel] * v2[channel]
                            s3 += given[channel] * v3[channel]
                        for channel in range(depth):
                            g0[channel] += a * given[channel]
                        for channel in range(depth):
                            g1[channel] += b * given[channel]
                        for channel in range(depth):
                            g2[channel] += c * given[channel]
                        for channel in range(depth):
                            g3[channel] += d * given[channel]
                        grad_weights[image, head, level, point, token] = (
                            share[0] * s0 + share[1] * s1 + share[2] * s2 + share[3] * s3
                        )
                        _slopes(
                            x, y, height, width, s0, s1, s2, s3, weight, grad_offsets[image, token, head, level, point]
                        )
                    start += height * width


@numba.njit(cache=True, nogil=True, inline="always")
def _slopes(x, y, height, width, s0, s1, s2, s3, weight, out):  # type: ignore[no-untyped-def]  # compiled
    """Derivatives of a weighted sample by x and y, from the samples s of the four cells; cells outside count 0."""
    left, top = np.floor(x), np.floor(y)
    right_share, down_share = x - left, y - top
    if left < 0:
        s0 = s2 = s0 * 0
    if left + 1 >= width:
        s1 = s3 = s1 * 0
    if top < 0:
        s0 = s1 = s1 * 0
    if top + 1 >= height:
        s2 = s3 = s3 * 0
    out[0] = weight * ((s1 - s0) * (1 - down_share) + (s3 - s2) * down_share)
    out[1] = weight * ((s2 - s0) * (1 - right_share) + (s3 - s1) * right_share)
