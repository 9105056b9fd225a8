"""WildDash 2: wd_public_02.zip (images, labels, instances, panoptic) and the later panoptic-only wd_public_v2p0.zip."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.draw import ROAD, Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "wilddash2"
SIZE = (54, 96)
# wd2_unified_label_policy.json: Cityscapes' ids up to 33; 35 (van) is a car too, 34 (pick-up) a truck, 47 a rider.
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 47, 35, 34, 28, 31, 32, 33)
VOIDS = (0, 1, 2, 3, 18, 36, 37, 54, 66, 73)
MARKING = 38
FRAMES = ("ar0000_100000", "de0012_100000", "zm0003_100000")


def _expected(label: str) -> dict[str, Pairs]:
    return {"wilddash2": [(f"images/{f}.jpg", label.format(f)) for f in FRAMES]}


EXPECTED = _expected("labels/{}.png")
# What pano2sem.py of the authors makes of the later archive.
VARIANTS = {"pano2sem": ("wd_public_v2p0", _expected("semantic/{}_labelIds.png"))}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path, variant: str = "official") -> None:
    """WildDash 2 below `root`."""
    home = root / (FOLDER if variant == "official" else VARIANTS[variant][0])
    for frame in FRAMES:
        labels = scene(frame, *SIZE)
        coded = encode(labels, IDS, VOIDS)
        coded[(labels == ROAD) & (np.arange(SIZE[1])[None, :] % 8 == 0)] = MARKING
        write(home / f"images/{frame}.jpg", picture(labels, frame))
        write(home / f"panoptic/{frame}.png", np.dstack([coded, np.zeros_like(coded), np.zeros_like(coded)]))
        if variant == "official":
            write(home / f"labels/{frame}.png", coded)
            write(home / f"instances/{frame}.png", coded.astype(np.uint16) * 1000)
        else:
            write(home / f"semantic/{frame}_labelIds.png", coded)
    touch(home / "panoptic.json", "{}")
