"""SYNTHIA-RAND-CITYSCAPES as its archive unpacks (README.txt in it): RGB, Depth, GT/COLOR, GT/LABELS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "synthia/RAND_CITYSCAPES"
SIZE = (57, 96)
# Its README: 1 sky, 2 building, 3 road, 4 sidewalk, 5 fence, 6 vegetation, 7 pole, 8 car, 9 sign, 10 pedestrian,
# 11 bicycle, 12 motorcycle, 13 parking slot, 14 road work, 15 light, 16 terrain, 17 rider, 18 truck, 19 bus, 20 train,
# 21 wall, 22 lane marking; 0 void.
IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 16, 1, 10, 17, 8, 18, 19, 20, 12, 11)
VOIDS = (0, 13, 14, 22)


def _pairs(numbers: tuple[int, ...], suffix: str) -> Pairs:
    return [(f"RGB/{n:07d}.png", f"GT/LABELS/{n:07d}{suffix}.png") for n in numbers]


def _expected(suffix: str) -> dict[str, Pairs]:
    return {
        "synthia": _pairs((0, 1, 2, 3), suffix),
        "synthia-fit": _pairs((1, 2, 3), suffix),
        "synthia-val": _pairs((0,), suffix),
    }


EXPECTED = _expected("")
# mmsegmentation's converter writes beside the original maps, in a folder without RAND_CITYSCAPES.
VARIANTS = {"mmsegmentation": ("synthia", EXPECTED), "train-ids-only": ("synthia", _expected("_labelTrainIds"))}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path, variant: str = "official") -> None:
    """SYNTHIA below `root`."""
    home = root / (FOLDER if variant == "official" else VARIANTS[variant][0])
    for number in range(4):
        frame = f"{number:07d}"
        labels = scene(frame, *SIZE)
        write(home / f"RGB/{frame}.png", picture(labels, frame))
        if variant != "train-ids-only":
            # 16 bits, three channels: class, instance of moving things, nothing.
            classes = encode(labels, IDS, VOIDS).astype(np.uint16)
            instances = np.where(np.isin(classes, (8, 10)), 300 + number, 0).astype(np.uint16)
            write(home / f"GT/LABELS/{frame}.png", np.dstack([classes, instances, np.zeros_like(classes)]))
        if variant != "official":
            write(home / f"GT/LABELS/{frame}_labelTrainIds.png", labels)
        write(home / f"GT/COLOR/{frame}.png", picture(labels, frame))
        write(home / f"Depth/Depth/{frame}.png", np.full(SIZE, 5000, np.uint16))
    touch(home / "README.txt", "SYNTHIA")
