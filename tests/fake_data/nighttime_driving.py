"""Nighttime Driving: NighttimeDrivingTest.zip (mmsegmentation, "Prepare datasets"). Its file names are made up here."""

from __future__ import annotations

from pathlib import Path

from fake_data.cityscapes import IDS, VOIDS
from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, write

FOLDER = "NighttimeDrivingTest"
SIZE = (54, 96)
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
FRAMES = ("0_0", "0_12", "7_3")
LABELS = "gtCoarse_daytime_trainvaltest/test/night/{}_gtCoarse_{}.png"

EXPECTED: dict[str, Pairs] = {
    "nighttime-driving-test": [
        (f"leftImg8bit/test/night/{f}_leftImg8bit.png", LABELS.format(f, "labelTrainIds")) for f in FRAMES
    ]
}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path) -> None:
    """Nighttime Driving below `root`."""
    home = root / FOLDER
    for frame in FRAMES:
        labels = scene(frame, *SIZE)
        write(home / f"leftImg8bit/test/night/{frame}_leftImg8bit.png", picture(labels, frame, 0.35))
        write(home / LABELS.format(frame, "labelTrainIds"), labels)
        write(home / LABELS.format(frame, "labelIds"), encode(labels, IDS, VOIDS))
        write(home / LABELS.format(frame, "color"), picture(labels, frame))
