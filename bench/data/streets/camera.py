"""The camera: a pinhole with square pixels, its rays, and the part of the screen that a primitive can cover."""

import numpy as np

from bench.data.streets.kernels import inner
from bench.data.streets.primitives import corner
from bench.data.streets.table import CX, CY, CZ, FAR, NEAR
from bench.data.streets.types import Array, direction

# Columns of the camera row (float64): position, focal length in half image widths, and three world axes.
EYE, FOCAL, RIGHT, UP, FORWARD = 0, 3, 4, 7, 10


def camera(x: float, height: float, focal: float, pitch: float, roll: float) -> Array:
    """The row (13,) of a camera above z = 0 that looks along the street. Pitch (down) and roll as tan of half."""
    cp, sp = direction(pitch)
    cr, sr = direction(roll)
    right = (cr, sr * cp, sr * sp)
    up = (-sr, cr * cp, cr * sp)
    return np.array([x, height, 0.0, focal, *right, *up, 0.0, -sp, cp])


@inner
def ray(cam: Array, height: int, width: int, row: float, col: float) -> tuple[float, float, float]:
    """World direction through a pixel position; its component along the optical axis is 1, so t is depth."""
    u = (col - width / 2.0) / (width / 2.0) / cam[FOCAL]
    v = -(row - height / 2.0) / (width / 2.0) / cam[FOCAL]
    return (
        cam[RIGHT] * u + cam[UP] * v + cam[FORWARD],
        cam[RIGHT + 1] * u + cam[UP + 1] * v + cam[FORWARD + 1],
        cam[RIGHT + 2] * u + cam[UP + 2] * v + cam[FORWARD + 2],
    )


@inner
def to_camera(cam: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """World offset from the camera -> components along its right, up and forward axes."""
    return (
        cam[RIGHT] * x + cam[RIGHT + 1] * y + cam[RIGHT + 2] * z,
        cam[UP] * x + cam[UP + 1] * y + cam[UP + 2] * z,
        cam[FORWARD] * x + cam[FORWARD + 1] * y + cam[FORWARD + 2] * z,
    )


@inner
def window(p: Array, cam: Array, height: int, width: int, corners: Array, out: Array) -> float:
    """Write the pixels (row from, to, column from, to) that a primitive's box covers to `out`; return its least depth.

    The window is empty, and the depth FAR, for a primitive that the camera cannot see. `corners` (8, 3) is scratch.
    """
    near = FAR
    for k in range(8):
        x, y, z = corner(p, k)
        x, y, z = x + p[CX] - cam[EYE], y + p[CY] - cam[EYE + 1], z + p[CZ] - cam[EYE + 2]
        corners[k, 0], corners[k, 1], corners[k, 2] = to_camera(cam, x, y, z)
        near = min(near, corners[k, 2])
    x0, x1, y0, y1 = FAR, -FAR, FAR, -FAR
    for k in range(8):
        for bit in (1, 2, 4):  # the edge to the corner m that differs in one axis
            m = k ^ bit
            if m < k or (corners[k, 2] < NEAR and corners[m, 2] < NEAR):
                continue
            for e in (k, m):
                x, y, z = corners[e, 0], corners[e, 1], corners[e, 2]
                if z < NEAR:  # clip this edge at the near plane
                    o = m if e == k else k
                    f = (NEAR - z) / (corners[o, 2] - z)
                    x, y, z = x + f * (corners[o, 0] - x), y + f * (corners[o, 1] - y), NEAR
                u, v = cam[FOCAL] * x / z, -cam[FOCAL] * y / z
                x0, x1, y0, y1 = min(x0, u), max(x1, u), min(y0, v), max(y1, v)
    if x0 > x1:
        out[:] = 0
        return FAR
    scale = width / 2.0
    out[0] = int(max(0.0, np.floor(y0 * scale + height / 2.0)))
    out[1] = int(min(float(height), np.ceil(y1 * scale + height / 2.0)))
    out[2] = int(max(0.0, np.floor(x0 * scale + scale)))
    out[3] = int(min(float(width), np.ceil(x1 * scale + scale)))
    return max(near, NEAR)
