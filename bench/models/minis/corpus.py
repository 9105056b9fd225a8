"""The unlabelled corpus: streets of the wide world, each photographed four times under unrelated styles.

A stand-in for the web-scale photographs that real foundation models are trained on. Labels, instances and depth that
the renderer also makes are thrown away here: nothing but pixels leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.streets import WORLD_VERSION, render

PATCH = 8
CHUNK = 250  # streets a file
WEARS = 4  # photographs of a street


class Views(NamedTuple):
    """A batch of streets. The teacher's frame is the student's moved by (down, right) patches, mirrored if `mirror`."""

    student: Tensor  # (B, 3, H, W) RGB in [0, 1]
    teacher: Tensor  # (B, 3, H, W) another photograph
    others: Tensor  # (B, WEARS - 1, 3, H, W) all other photographs, in the student's frame
    down: int
    right: int
    mirror: bool


def load(
    streets: int, cache: Path, tick: Callable[[int], None] = lambda _: None, threads: int = 2
) -> NDArray[np.uint8]:
    """Render (or read back from `cache`, in chunks) `streets`, WEARS times each: (streets, WEARS, 128, 256, 3)."""
    cache.mkdir(parents=True, exist_ok=True)
    chunks = []
    for first in range(0, streets, CHUNK):
        path = cache / f"world{WORLD_VERSION}-{WEARS}x{first:06d}.npy"
        if not path.exists():
            with ThreadPoolExecutor(threads) as pool:
                made = np.stack(list(pool.map(_photographs, range(first, first + CHUNK))))
            part = path.with_suffix(".part.npy")
            np.save(part, made)
            part.rename(path)
        chunks.append(np.load(path))
        tick(first + CHUNK)
    return np.concatenate(chunks)[:streets]


def _photographs(index: int) -> NDArray[np.uint8]:
    return np.stack([render("wild", index, 128, 256, wear=wear).image for wear in range(WEARS)])


def draw(corpus: NDArray[np.uint8], batch: int, size: tuple[int, int], rng: np.random.Generator) -> Views:
    """Random streets, cut at a random scale to `size`; the teacher's frame is moved and maybe mirrored."""
    height, width = size
    down, right = int(rng.integers(-2, 3)), int(rng.integers(-5, 6))
    mirror = bool(rng.random() < 0.5)
    tall, wide = height + PATCH * abs(down), width + PATCH * abs(right)
    fit = max(tall / corpus.shape[2], wide / corpus.shape[3])
    y, x = max(0, -down) * PATCH, max(0, -right) * PATCH
    ty, tx = max(0, down) * PATCH, max(0, right) * PATCH
    here = np.empty((batch, WEARS, height, width, 3), np.float32)  # the student's photograph first
    there = np.empty((batch, height, width, 3), np.float32)
    for k, index in enumerate(rng.integers(0, len(corpus), batch)):
        scale = max(fit, float(np.exp(rng.uniform(np.log(0.65), np.log(1.25)))))
        h, w = min(corpus.shape[2], round(tall / scale)), min(corpus.shape[3], round(wide / scale))
        top, left = rng.integers(0, corpus.shape[2] - h + 1), rng.integers(0, corpus.shape[3] - w + 1)
        flip = rng.random() < 0.5
        for place, wear in enumerate(rng.permutation(WEARS)):
            cut = corpus[index, wear, top : top + h, left : left + w]
            view = cv2.resize(cut[:, ::-1] if flip else cut, (wide, tall), interpolation=cv2.INTER_AREA)
            here[k, place] = view[y : y + height, x : x + width]
            if place == 1:
                there[k] = view[ty : ty + height, tx : tx + width]
    student, teacher = photometric(here[:, 0], rng, 1.0), photometric(there, rng, 0.3)
    return Views(tensor(student), tensor(teacher, mirror), tensor(here[:, 1:]), down, right, mirror)


def photometric(images: NDArray[np.float32], rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    """Change gain, offset, saturation and channel balance, add noise and blur: a draw for each frame. 0..255."""
    n = len(images)

    def spread(low: float, high: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return rng.uniform(low * strength, high * strength, shape).astype(np.float32)

    grey = images.mean(-1, keepdims=True)
    images = grey + (images - grey) * (1.0 + spread(-0.9, 0.4, (n, 1, 1, 1)))
    images = images * (1.0 + spread(-0.35, 0.35, (n, 1, 1, 3))) * (1.0 + spread(-0.3, 0.3, (n, 1, 1, 1)))
    images = images + spread(-30.0, 30.0, (n, 1, 1, 1))
    for k in np.flatnonzero(rng.random(n) < 0.35 * strength):
        images[k] += rng.standard_normal(images[k].shape, np.float32) * np.float32(rng.uniform(3, 25))
    for k in np.flatnonzero(rng.random(n) < 0.25 * strength):
        images[k] = cv2.GaussianBlur(images[k], (0, 0), float(rng.uniform(0.4, 1.3)))
    return images


def tensor(images: NDArray[np.float32], mirror: bool = False) -> Tensor:
    """0..255, channels last -> [0, 1], channels first."""
    images = np.moveaxis(images[:, :, ::-1] if mirror else images, -1, -3)
    return torch.from_numpy(np.ascontiguousarray(images)).clamp_(0, 255).div_(255.0)
