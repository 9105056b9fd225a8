"""Scenes, pictures of them, and the ways in which label maps are stored. Everything follows from a frame's name."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.labels import PALETTE

Array = npt.NDArray[np.uint8]
Pairs = list[tuple[str, str | None]]
"""Images and their label files, relative to the data set's folder, sorted by image."""

ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, PLANT, TERRAIN, SKY, PERSON, RIDER, CAR = range(14)
BICYCLE = 18
VOID = 255


def frame_of(image: str) -> str:
    """The frame that an image file shows: its name without the suffixes that data sets add."""
    name = image.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for suffix in ("_leftImg8bit", "_rgb_anon", "_frame_camera"):
        name = name.split(suffix)[0]
    return name.removeprefix("rgb_")


def scene(frame: str, height: int, width: int) -> Array:
    """Train ids (height, width) of a street; 255 on the bonnet and in one corner. Ids 9 and 14 to 17 do not occur."""
    rng = np.random.default_rng(zlib.crc32(frame.encode()))
    labels = np.full((height, width), BUILDING, np.uint8)

    def box(label: int, top: float, bottom: float, left: float, right: float) -> None:
        rows, columns = (round(height * top), round(height * bottom)), (round(width * left), round(width * right))
        labels[rows[0] : rows[1], columns[0] : columns[1]] = label

    shift = rng.uniform(-0.05, 0.05, 12)
    box(SKY, 0, 0.25 + shift[0], 0, 1)
    box(PLANT, 0.2, 0.55, 0, 0.2 + shift[1])
    box(WALL, 0.4, 0.55, 0.85 + shift[2], 1)
    box(FENCE, 0.45, 0.55, 0.7 + shift[2], 0.85 + shift[2])
    box(ROAD, 0.55, 1, 0, 1)
    box(SIDEWALK, 0.55, 0.9, 0, 0.15 + shift[3])
    box(SIDEWALK, 0.6, 0.8, 0.85 + shift[4], 1)
    box(CAR, 0.5, 0.75, 0.4 + shift[5], 0.6 + shift[5])
    box(PERSON, 0.45, 0.7, 0.2 + shift[6], 0.26 + shift[6])
    box(RIDER, 0.45, 0.55, 0.3 + shift[7], 0.35 + shift[7])
    box(BICYCLE, 0.55, 0.65, 0.3 + shift[7], 0.35 + shift[7])
    box(POLE, 0.2, 0.6, 0.65 + shift[8], 0.68 + shift[8])
    box(SIGN, 0.2, 0.3, 0.66 + shift[8], 0.72 + shift[8])
    box(LIGHT, 0.25, 0.35, 0.75 + shift[9], 0.79 + shift[9])
    box(VOID, 0.92, 1, 0.1, 0.9)
    box(VOID, 0, 0.15, 0.9, 1)
    return labels


def picture(labels: Array, frame: str, light: float = 1.0) -> Array:
    """RGB (height, width, 3) in the colours of the classes, void grey, with noise; `light` < 1 darkens it."""
    rng = np.random.default_rng(zlib.crc32(frame.encode()) ^ 1)
    table = np.full((256, 3), 90.0)
    table[: len(PALETTE)] = PALETTE
    noisy = table[labels] * light + rng.normal(0, 6, (*labels.shape, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def encode(labels: Array, ids: Sequence[int], void: Sequence[int]) -> Array:
    """Train ids written as the data set's `ids` (one for each train id); void pixels take the `void` ids in turn."""
    table = np.zeros(256, np.uint8)
    table[: len(ids)] = [max(i, 0) for i in ids]
    coded = table[labels]
    turn = np.asarray(void, np.uint8)[np.arange(labels.shape[1]) // 3 % len(void)]
    return np.where(labels == VOID, turn[None, :], coded).astype(np.uint8)


def write(path: Path, pixels: npt.NDArray[np.generic]) -> None:
    """An image file of the suffix's kind: grey, RGB, or RGBA, 8 or 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels)
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]  # OpenCV stores BGR
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"cannot write {path}")


def write_palette(path: Path, ids: Array) -> None:
    """A PNG of kind P, whose pixels are indices into some palette: a viewer shows colours, the ids are the indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    image.putpalette([(i * k) % 256 for i in range(256) for k in (37, 91, 53)])  # turns grey ("L") into "P"
    image.save(path)


def touch(path: Path, text: str = "") -> None:
    """A text file that lies among the images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
