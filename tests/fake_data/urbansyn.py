"""UrbanSyn as published on Hugging Face: folders rgb, ss, ss_color, panoptic, depth, bbox2d, numbered from 0001."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "urbansyn"
SIZE = (48, 96)
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
NUMBERS = ("0001", "0002", "0003", "0004")


def _pairs(*numbers: str) -> Pairs:
    return [(f"rgb/rgb_{n}.png", f"ss/ss_{n}.png") for n in numbers]


EXPECTED: dict[str, Pairs] = {
    "urbansyn": _pairs(*NUMBERS),
    "urbansyn-fit": _pairs("0002", "0003", "0004"),
    "urbansyn-val": _pairs("0001"),
}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path) -> None:
    """UrbanSyn below `root`."""
    home = root / FOLDER
    for number in NUMBERS:
        labels = scene(number, *SIZE)
        write(home / f"rgb/rgb_{number}.png", picture(labels, number))
        write(home / f"ss/ss_{number}.png", encode(labels, range(19), (19,)))
        write(home / f"ss_color/ss_color_{number}.png", picture(labels, number))
        write(home / f"panoptic/panoptic_{number}.png", np.zeros((*SIZE, 3), np.uint8))
        touch(home / f"bbox2d/bbox2d_{number}.json", "[]")
    touch(home / "README.md", "UrbanSyn")
