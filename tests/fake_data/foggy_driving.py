"""Foggy Driving: fine labels for leftImg8bit/test, coarse ones for leftImg8bit/test_extra (its README.md)."""

from __future__ import annotations

import zlib
from pathlib import Path

from fake_data.cityscapes import IDS, VOIDS
from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "Foggy_Driving"
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
FRAMES = (
    ("test/pedestrian", "pedestrian_20161201_101324"),
    ("test/public", "public_20161213_083206"),
    ("test_extra/pedestrian", "pedestrian_20170225_094814"),
    ("test_extra/web", "web_3127505619_8ed5ec8947"),
    ("test_extra/web", "web_Foggy_Waldinger"),
)


def _label(place: str, frame: str, kind: str) -> str:
    quality = "gtFine" if place.startswith("test/") else "gtCoarse"
    return f"{quality}/{place}/{frame}_{quality}_{kind}.png"


EXPECTED: dict[str, Pairs] = {
    "foggy-driving-test": [
        (f"leftImg8bit/{place}/{frame}_leftImg8bit.png", _label(place, frame, "labelIds")) for place, frame in FRAMES
    ]
}


def size(frame: str) -> tuple[int, int]:
    """Height and width, different from frame to frame."""
    return (54, 96) if zlib.crc32(frame.encode()) % 2 else (62, 83)


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *size(frame_of(path)))


def make(root: Path) -> None:
    """Foggy Driving below `root`."""
    home = root / FOLDER
    for place, frame in FRAMES:
        labels = scene(frame, *size(frame))
        write(home / f"leftImg8bit/{place}/{frame}_leftImg8bit.png", picture(labels, frame))
        write(home / _label(place, frame, "labelIds"), encode(labels, IDS, VOIDS))
        write(home / _label(place, frame, "labelTrainIds"), labels)
        write(home / _label(place, frame, "color"), picture(labels, frame))
        touch(home / f"bboxGt/{place}/{frame}.txt", "0 1 1 9 9\n")
    names = (f"leftImg8bit/{place}/{frame}_leftImg8bit.png\n" for place, frame in FRAMES)
    touch(home / "lists_file_names/leftImg8bit_testall_filenames.txt", "".join(names))
