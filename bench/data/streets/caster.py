"""What each ray of the camera meets first."""

import numpy as np

from bench.data.streets.camera import EYE, ray, window
from bench.data.streets.ground import hit_ground
from bench.data.streets.kernels import SOURCES, kernel
from bench.data.streets.primitives import hit
from bench.data.streets.table import CX, CY, CZ, FAR
from bench.data.streets.types import Array

# Values of the index map where a ray meets no primitive.
SKY, GROUND = -2, -1
EDGE = 400.0  # metres of depth: beyond it there is sky instead of ground


def cast(prims: Array, street: Array, cam: Array, height: int, width: int) -> tuple[Array, Array]:
    """Nearest surface at every pixel centre.

    Args:
        prims: (N, COLUMNS) primitive table.
        street: (STREET_COLUMNS,) street row.
        cam: (13,) camera row.
        height, width: size in pixels.

    Returns:
        Depth along the optical axis (H, W) float64, metres, FAR in the sky; index (H, W) int32 of the primitive,
        GROUND or SKY.
    """
    n = len(prims)
    windows, near = np.empty((n, 4), np.int64), np.empty(n)
    extents(prims, cam, height, width, np.empty((8, 3)), windows, near)
    # Front to back: most samples of far things end at the depth test. Stable, so that the order is the same everywhere.
    order = np.argsort(near, kind="stable")
    depth, index = np.full((height, width), FAR), np.full((height, width), SKY, np.int32)
    _cast(prims, street, cam, order, windows, near, np.empty((height, width, 3)), depth, index)
    return depth, index


@kernel
def extents(
    prims: Array,
    cam: Array,
    height: int,
    width: int,
    corners: Array,
    windows: Array,
    near: Array,
    sources: int = SOURCES,
) -> None:
    """Write each primitive's pixels (N, 4) and least depth (N,): camera.window of each row."""
    for k in range(prims.shape[0]):
        near[k] = window(prims[k], cam, height, width, corners, windows[k])


@kernel
def _cast(
    prims: Array,
    street: Array,
    cam: Array,
    order: Array,
    windows: Array,
    near: Array,
    rays: Array,
    depth: Array,
    index: Array,
    sources: int = SOURCES,
) -> None:
    height, width = depth.shape
    for i in range(height):
        for j in range(width):
            dx, dy, dz = ray(cam, height, width, i + 0.5, j + 0.5)
            rays[i, j, 0], rays[i, j, 1], rays[i, j, 2] = dx, dy, dz
            t = hit_ground(street, cam[EYE], cam[EYE + 1], cam[EYE + 2], dx, dy, dz)
            if t < EDGE:
                depth[i, j], index[i, j] = t, GROUND
    for k in order:
        p = prims[k]
        if near[k] >= FAR:
            break
        ox, oy, oz = cam[EYE] - p[CX], cam[EYE + 1] - p[CY], cam[EYE + 2] - p[CZ]
        for i in range(windows[k, 0], windows[k, 1]):
            for j in range(windows[k, 2], windows[k, 3]):
                if depth[i, j] <= near[k]:
                    continue
                t = hit(p, ox, oy, oz, rays[i, j, 0], rays[i, j, 1], rays[i, j, 2])
                if t < depth[i, j]:
                    depth[i, j], index[i, j] = t, k
