"""IDD Segmentation, parts I (PNG) and II (JPEG) in one folder, with maps made by AutoNUE's createLabels.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "IDD_Segmentation"
# helpers/anue_labels.py, level3Id of road, sidewalk, building, ...; -1 where no id is one class only (train).
IDS = (0, 2, 22, 14, 15, 20, 19, 18, 24, 3, 25, 4, 5, 9, 10, 11, -1, 6, 7)
VOIDS = (255, 1, 8, 12, 13, 16, 17, 21, 23)
VAL = (("119/902541", ".png"), ("135/330189", ".png"), ("201/frame0029", ".jpg"), ("204/frame1189", ".jpg"))
TRAIN = (("0/005506", ".png"),)


def _label(split: str, name: str, kind: str = "labellevel3Ids") -> str:
    return f"gtFine/{split}/{name}_gtFine_{kind}.png"


def _pairs(suffixes: tuple[str, ...]) -> Pairs:
    wanted = [(name, suffix) for name, suffix in VAL if suffix in suffixes]
    return [(f"leftImg8bit/val/{name}_leftImg8bit{suffix}", _label("val", name)) for name, suffix in wanted]


EXPECTED: dict[str, Pairs] = {"idd-val": _pairs((".png", ".jpg"))}
VARIANTS = {"part-1": ("idd", {"idd-val": _pairs((".png",))}), "part-2": ("idd", {"idd-val": _pairs((".jpg",))})}


def size(frame: str) -> tuple[int, int]:
    """Height and width: the frames of the two parts differ."""
    return (45, 80) if frame.startswith("frame") else (54, 96)


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *size(frame_of(path)))


def make(root: Path, variant: str = "official") -> None:
    """IDD below `root`."""
    home = root / (FOLDER if variant == "official" else VARIANTS[variant][0])
    left_out = {"part-1": ".jpg", "part-2": ".png"}.get(variant)
    for split, names in (("val", VAL), ("train", TRAIN)):
        for name, suffix in names:
            if suffix == left_out:
                continue
            frame = frame_of(name)
            labels = scene(frame, *size(frame))
            coded = encode(labels, IDS, VOIDS)
            write(home / f"leftImg8bit/{split}/{name}_leftImg8bit{suffix}", picture(labels, frame))
            write(home / _label(split, name), coded)
            write(home / _label(split, name, "instancelevel3Ids"), np.where(coded >= 4, coded.astype(np.uint16), 0))
            touch(home / _label(split, name, "polygons").replace(".png", ".json"), "{}")
