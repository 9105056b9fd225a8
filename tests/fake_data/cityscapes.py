"""Cityscapes as leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip unpack (README of cityscapesScripts)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "cityscapes"
SIZE = (48, 96)
# helpers/labels.py: the ids of road, sidewalk, ... bicycle, and some of those that are not scored.
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
VOIDS = (1, 3, 0, 4, 5, 9, 14, 18, 29)

# 18 of them, so that every sixteenth is more than the first.
TRAIN = tuple(f"{city}_{number:06d}_000019" for city in ("aachen", "zurich") for number in range(9))
VAL = ("frankfurt_000000_000294", "frankfurt_000001_083852", "lindau_000003_000019", "munster_000121_000019")
TEST = ("berlin_000000_000019", "bielefeld_000000_000321")


def image(split: str, frame: str) -> str:
    """Where the picture of a frame lies."""
    return f"leftImg8bit/{split}/{frame.split('_')[0]}/{frame}_leftImg8bit.png"


def label(split: str, frame: str, kind: str = "labelIds") -> str:
    """Where its label map lies."""
    return f"gtFine/{split}/{frame.split('_')[0]}/{frame}_gtFine_{kind}.png"


def _pairs(split: str, frames: tuple[str, ...], kind: str = "labelIds") -> Pairs:
    return [(image(split, frame), label(split, frame, kind)) for frame in frames]


def _expected(kind: str) -> dict[str, Pairs]:
    sixteenth = ("aachen_000000_000019", "zurich_000007_000019")
    return {
        "cityscapes-train": _pairs("train", TRAIN, kind),
        "cityscapes-train-16th": _pairs("train", sixteenth, kind),
        "cityscapes-val": _pairs("val", VAL, kind),
    }


EXPECTED = _expected("labelIds")
# After mmsegmentation's converter both kinds lie there; some copies keep only what it wrote.
VARIANTS = {"mmsegmentation": (FOLDER, EXPECTED), "train-ids-only": (FOLDER, _expected("labelTrainIds"))}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def write_labels(home: Path, split: str, frame: str, kinds: tuple[str, ...] = ("labelIds",)) -> None:
    """The label map of a frame and the files that come with it."""
    labels = scene(frame, *SIZE)
    ids = encode(labels, IDS, VOIDS)
    if split == "test":
        ids = np.where(labels == 255, ids, 0)  # the server's: only what is out of view is marked
    for kind in kinds:
        write(home / label(split, frame, kind), ids if kind == "labelIds" else labels)
    write(home / label(split, frame, "color"), np.dstack([picture(labels, frame), np.full(SIZE, 255, np.uint8)]))
    write(home / label(split, frame, "instanceIds"), np.where(ids >= 24, ids.astype(np.uint16) * 1000, ids))
    touch(home / label(split, frame, "polygons").replace(".png", ".json"), "{}")


def make(root: Path, variant: str = "official") -> None:
    """Cityscapes below `root`."""
    home = root / FOLDER
    both = ("labelIds", "labelTrainIds")
    kinds = {"official": both[:1], "mmsegmentation": both, "train-ids-only": both[1:]}[variant]
    for split, frames in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        for frame in frames:
            write(home / image(split, frame), picture(scene(frame, *SIZE), frame))
            write_labels(home, split, frame, kinds)
    touch(home / "README", "The Cityscapes Dataset")
