"""GTA5 as the ten image and ten label archives of "Playing for Data" unpack into one folder, with its split.mat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write, write_palette

FOLDER = "gta5"
SIZE = (53, 96)
# Those of Cityscapes; 34 marks licence plates.
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
VOIDS = (0, 1, 4, 5, 6, 34, 15, 30)
SPLITS = {"train": (1, 4, 6), "val": (2, 5), "test": (3,)}


def _pairs(numbers: tuple[int, ...], suffix: str) -> Pairs:
    return [(f"images/{n:05d}.png", f"labels/{n:05d}{suffix}.png") for n in numbers]


def _expected(suffix: str) -> dict[str, Pairs]:
    splits = {f"gta5-{split}": _pairs(numbers, suffix) for split, numbers in SPLITS.items()}
    ours = {"gta5-fit": _pairs((1, 3, 4, 6), suffix), "gta5-held-out": _pairs((2,), suffix)}
    return {"gta5": _pairs((1, 2, 3, 4, 5, 6), suffix), **splits, **ours}


EXPECTED = _expected("")
# mmsegmentation's converter, which Rein uses too, writes beside the original maps.
VARIANTS = {"rein": ("gta", EXPECTED), "train-ids-only": ("gta", _expected("_labelTrainIds"))}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path, variant: str = "official") -> None:
    """GTA5 below `root`."""
    home = root / (FOLDER if variant == "official" else VARIANTS[variant][0])
    for number in range(1, 7):
        frame = f"{number:05d}"
        labels = scene(frame, *SIZE)
        write(home / f"images/{frame}.png", picture(labels, frame))
        if variant != "train-ids-only":
            write_palette(home / f"labels/{frame}.png", encode(labels, IDS, VOIDS))
        if variant != "official":
            write(home / f"labels/{frame}_labelTrainIds.png", labels)
    if variant != "official":
        touch(home / "sample_class_stats.json", "[]")
    columns = {f"{split}Ids": np.array(numbers, np.uint16)[:, None] for split, numbers in SPLITS.items()}
    scipy.io.savemat(home / "split.mat", columns)
