"""Frames of the wide world with class-agnostic regions: what sam-mini is trained on.

Labels and instances serve to cut frames into regions and for nothing else: a region does not say of what class it is.
Neither the source nor any target domain is rendered here.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.data.streets import WORLD_VERSION, render
from bench.models.minis.corpus import photometric

CHUNK = 200  # frames a file
HEIGHT, WIDTH = 128, 256
WEARS = 4
FIRST_HELD_OUT = 2_000_000
"""Frames from here on are for evaluation."""


class Frames(NamedTuple):
    """Rendered frames, (N, 128, 256, ...)."""

    image: NDArray[np.uint8]  # RGB
    label: NDArray[np.uint8]
    instance: NDArray[np.uint16]  # 0 where a class has no instances


def load(first: int, count: int, cache: Path, threads: int = 1) -> Frames:
    """Render frames `first` to `first + count` of 'wild' (or read them back from `cache`, in chunks)."""
    cache.mkdir(parents=True, exist_ok=True)
    chunks = []
    for start in range(first, first + count, CHUNK):
        path = cache / f"sam-world{WORLD_VERSION}-{start:07d}.npz"
        if not path.exists():
            with ThreadPoolExecutor(threads) as pool:
                made = list(pool.map(_frame, range(start, start + CHUNK)))
            part = path.with_suffix(".part.npz")
            np.savez(part, *(np.stack(field) for field in zip(*made, strict=True)))
            part.rename(path)
        with np.load(path) as held:
            chunks.append([held[name] for name in held.files])
    return Frames(*(np.concatenate(field)[:count] for field in zip(*chunks, strict=True)))


def _frame(index: int) -> tuple[NDArray[Any], ...]:
    frame = render("wild", index, HEIGHT, WIDTH, wear=index % WEARS)
    return frame.image, frame.label, frame.instance.astype(np.uint16)


SIDE = 128
"""What the model sees: the longer side scaled to this, padded to a square at the bottom and on the right."""
GRID = 64
"""Side of the mask decoder's output: four times that of the embedding."""
CHANNELS = 64
"""Channels of the embedding, the prompts and the decoder."""
CELLS = 16
"""Side of the embedding."""
LEAST = 30
"""Pixels of the smallest region that is asked for, at the model's size or below it."""
POINTS = 5
PADDED = -10
"""SamModel's label of a point that is not there."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Region(NamedTuple):
    """A mask that a prompt may mean, (H, W) bool."""

    mask: NDArray[np.bool_]
    kind: str
    thing: bool  # for reports only


def regions(label: NDArray[np.uint8], instance: NDArray[np.uint16], least: int = LEAST) -> list[Region]:
    """All regions of at least so many pixels.

    "component": a 4-connected part of one class's pixels (what CLOUDS prompts with); "instance": one thing, where that
    is no component by itself; "class": all of a class that lies in several components.
    """
    found = []
    for name in np.unique(label):
        whole = label == name
        thing = bool(instance[whole].any())
        _, parts = cv2.connectedComponents(whole.astype(np.uint8), connectivity=4)
        sizes = np.bincount(parts.ravel())
        large = [part for part in range(1, len(sizes)) if sizes[part] >= least]
        found += [Region(parts == part, "component", thing) for part in large]
        if len(large) > 1:
            found.append(Region(whole, "class", thing))
        for number in np.unique(instance[whole]) if thing else ():
            mask = whole & (instance == number)
            area = int(mask.sum())
            part = parts[mask][0]
            if number and area >= least and not (area == sizes[part] and (parts[mask] == part).all()):
                found.append(Region(mask, "instance", thing))
    return found


def partition(label: NDArray[np.uint8], instance: NDArray[np.uint16]) -> NDArray[np.int32]:
    """A number for each pixel: that of its component and instance."""
    result = np.zeros(label.shape, np.int32)
    for name in np.unique(label):
        _, parts = cv2.connectedComponents((label == name).astype(np.uint8), connectivity=4)
        result += np.where(parts > 0, parts + result.max(), 0)
    numbers: NDArray[np.int64] = np.unique(result * 20_000 + instance, return_inverse=True)[1]
    return numbers.reshape(label.shape).astype(np.int32)


class Prompt(NamedTuple):
    """POINTS points, x and y in pixels of the mask, and SamModel's labels of them: 1, or PADDED."""

    points: NDArray[np.float32]
    labels: NDArray[np.int64]


def prompt(mask: NDArray[np.bool_], rng: np.random.Generator, fewer: float, astray: float) -> Prompt:
    """Random points inside a mask.

    `fewer` of all prompts have 1 to 4 points in place of 5; in `astray` of those of three or more points one or two
    miss the mask, as a teacher's wrong label map makes them: most by a few pixels, some by any distance.
    """
    count = int(rng.integers(1, POINTS)) if rng.random() < fewer else POINTS
    inside = np.flatnonzero(mask)
    chosen = rng.choice(inside, count)
    if count >= 3 and rng.random() < astray:
        wrong = 2 if count == POINTS and rng.random() < 0.3 else 1
        beside = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~mask
        outside = np.flatnonzero(beside if rng.random() < 0.7 else ~mask)
        if len(outside):
            chosen[:wrong] = rng.choice(outside, wrong)
    points = np.zeros((POINTS, 2), np.float32)
    points[:count, 0], points[:count, 1] = chosen % mask.shape[1], chosen // mask.shape[1]
    return Prompt(points, np.where(np.arange(POINTS) < count, 1, PADDED))


class Batch(NamedTuple):
    """Images and K prompts of each, as SamModel takes them."""

    images: Tensor  # (B, 3, SIDE, SIDE) normalised, zeros where padded
    points: Tensor  # (B, K, POINTS, 2) x, y in pixels of the square
    labels: Tensor  # (B, K, POINTS)
    masks: Tensor  # (B, K, GRID, GRID) share of each cell that the mask covers
    valid: Tensor  # (B, GRID, GRID) 1 where the image is, 0 where padded
    groups: Tensor  # (B, CELLS, CELLS) number of the region in the middle of each cell of the embedding, -1 if padded


def draw(frames: Frames, images: int, prompts: int, recipe: dict[str, Any], rng: np.random.Generator) -> Batch:
    """Random cuts of random frames under random light, with random regions of each."""
    batch = Batch(
        torch.zeros(images, 3, SIDE, SIDE),
        torch.zeros(images, prompts, POINTS, 2),
        torch.zeros(images, prompts, POINTS, dtype=torch.int64),
        torch.zeros(images, prompts, GRID, GRID),
        torch.zeros(images, GRID, GRID),
        torch.full((images, CELLS, CELLS), -1),
    )
    for place, index in enumerate(rng.integers(0, len(frames.image), images)):
        image, label, instance = cut(frames, int(index), rng, recipe["cuts"])
        height, width = label.shape
        seen = photometric(image[None].astype(np.float32), rng, recipe["light"])[0].clip(0, 255)
        square = prepare(torch.from_numpy(seen).permute(2, 0, 1) / 255)
        batch.images[place] = square
        scale = SIDE / max(height, width)
        rows, columns = round(height * GRID / max(height, width)), round(width * GRID / max(height, width))
        batch.valid[place, :rows, :columns] = 1
        parts = cv2.resize(partition(label, instance), (columns // 4, rows // 4), interpolation=cv2.INTER_NEAREST)
        batch.groups[place, : rows // 4, : columns // 4] = torch.from_numpy(parts)
        found = regions(label, instance, round(LEAST * max(1.0, max(height, width) / SIDE) ** 2))
        # A frame has many small regions; large ones are to be seen as well.
        odds = np.array([recipe["kinds"][region.kind] * region.mask.sum() ** 0.3 for region in found])
        for k, n in enumerate(rng.choice(len(found), prompts, len(found) < prompts, odds / odds.sum())):
            asked = prompt(found[n].mask, rng, recipe["fewer"], recipe["astray"])
            batch.points[place, k] = torch.from_numpy(asked.points) * scale
            batch.labels[place, k] = torch.from_numpy(asked.labels)
            small = cv2.resize(found[n].mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
            batch.masks[place, k, :rows, :columns] = torch.from_numpy(small)
    return batch


class Ellipses(NamedTuple):
    """Prompts that need no image."""

    points: Tensor  # (K, POINTS, 2) x, y in pixels of the square
    masks: Tensor  # (K, GRID, GRID) in {0, 1}


def ellipses(count: int, rng: np.random.Generator) -> Ellipses:
    """Ellipses of 6 to 40 pixels across, each with points inside."""
    centre, radius = rng.uniform(10, SIDE - 10, (count, 1, 2)), rng.uniform(3, 20, (count, 1, 2))
    points = centre + radius * rng.uniform(-0.7, 0.7, (count, POINTS, 2))
    places = (np.arange(GRID) + 0.5) * SIDE / GRID
    x = ((places[None, None, :] - centre[:, :, :1]) / radius[:, :, :1]) ** 2
    y = ((places[None, :, None] - centre[:, :, 1:]) / radius[:, :, 1:]) ** 2
    return Ellipses(torch.from_numpy(points).float(), torch.from_numpy((x + y < 1).astype(np.float32)))


class View(NamedTuple):
    """One image of any size with its label and instance maps, types as in Frames."""

    image: NDArray[Any]
    label: NDArray[Any]
    instance: NDArray[Any]


def cut(frames: Frames, index: int, rng: np.random.Generator, odds: dict[str, float]) -> View:
    """A frame whole, or a part of it at about its size (64 x 128, or a square of 128 x 128), mirrored at random.

    "mosaic": two parts of 64 x 128, one over the other, so that the square has no padding: two for the price of one.
    """
    shape = str(rng.choice(list(odds), p=list(odds.values())))
    if shape == "mosaic":
        above, below = (cut(frames, i, rng, {"crop": 1.0}) for i in (index, int(rng.integers(len(frames.image)))))
        # No region may reach from one part into the other.
        apart = np.where(below.instance > 0, below.instance + 10_000, 0).astype(np.uint16)
        return View(
            np.concatenate([above.image, below.image]),
            np.concatenate([above.label, below.label + np.uint8(100)]),
            np.concatenate([above.instance, apart]),
        )
    height, width = {"whole": (HEIGHT, WIDTH), "crop": (HEIGHT // 2, WIDTH // 2), "square": (HEIGHT, HEIGHT)}[shape]
    scale = 1.0 if shape == "whole" else float(rng.uniform(*{"crop": (0.75, 1.5), "square": (1.0, 1.5)}[shape]))
    tall, wide = min(HEIGHT, round(height / scale)), min(WIDTH, round(width / scale))
    top, left = rng.integers(0, HEIGHT - tall + 1), rng.integers(0, WIDTH - wide + 1)
    step = int(rng.choice([1, -1]))
    fields = (field[index, top : top + tall, left : left + wide][:, ::step] for field in frames)
    view = View(*(np.ascontiguousarray(field) for field in fields))
    if shape == "whole":
        return view
    size = (width, height)
    return View(
        cv2.resize(view.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR),
        cv2.resize(view.label, size, interpolation=cv2.INTER_NEAREST),
        cv2.resize(view.instance, size, interpolation=cv2.INTER_NEAREST),
    )


def prepare(image: Tensor) -> Tensor:
    """RGB in [0, 1] (3, H, W) -> what SamImageProcessor makes of it: the square, normalised, (3, SIDE, SIDE)."""
    height, width = image.shape[-2:]
    scale = SIDE / max(height, width)
    size = (int(height * scale + 0.5), int(width * scale + 0.5))
    scaled = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    scaled = (scaled - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    return F.pad(scaled, (0, SIDE - size[1], 0, SIDE - size[0]))
