"""What the corruptions share: random 16-bit draws and the cast to bytes."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]
Draws = npt.NDArray[np.uint16]


def draws(count: int, rng: np.random.Generator) -> Draws:
    """`count` uniform 16-bit numbers: the raw output of the generator in little-endian order on every platform."""
    words = np.asarray(rng.bit_generator.random_raw(-(-count // 4)))
    return words.astype("<u8", copy=False).view("<u2")[:count]


def finish(values: Image | Floats) -> Image:
    """Bytes as they are; floats, of either width, clipped and cut."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return to_bytes(np.asarray(values, values.dtype if values.dtype == np.float64 else np.float32))


def to_bytes(values: Floats, guard: float = 0.0) -> Image:
    """Clip to 0..255 and cut the fraction off, as the package does, in one pass.

    `guard` is added first: blurs of a flat area come out a rounding error below its level in float32,
    a thousand times less so in the package's float64.
    """
    values = np.ascontiguousarray(values)
    out = np.empty(values.shape, np.uint8)
    _to_bytes(values.reshape(-1), values.dtype.type(guard), out.reshape(-1))
    return out


@numba.njit(cache=True, nogil=True)
def _to_bytes(values: Floats, guard: np.floating, out: Image) -> None:
    for i in range(values.size):
        value = min(max(values[i] + guard, 0), 255)
        out[i] = np.uint8(np.int32(value))
