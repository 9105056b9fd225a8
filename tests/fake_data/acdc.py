"""ACDC as rgb_anon_trainvaltest.zip and gt_trainval.zip unpack; the test labels stay with the server."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.cityscapes import IDS, VOIDS
from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "acdc"
SIZE = (54, 96)
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
LIGHT = {"fog": 1.0, "night": 0.35, "rain": 0.8, "snow": 1.1}

FRAMES = {
    ("fog", "train"): ("GOPR0475_frame_000041", "GOPR0476_frame_000054"),
    ("fog", "val"): ("GOPR0476_frame_000854", "GP010476_frame_000001"),
    ("fog", "test"): ("GOPR0475_frame_000247", "GP020478_frame_000042"),
    ("night", "train"): ("GOPR0351_frame_000159", "GP010376_frame_000129"),
    ("night", "val"): ("GOPR0356_frame_000324", "GP010397_frame_000001", "GP020397_frame_000027"),
    ("night", "test"): ("GOPR0355_frame_000138", "GP010594_frame_000087"),
    ("rain", "train"): ("GOPR0400_frame_000269", "GP010400_frame_000004"),
    ("rain", "val"): ("GOPR0402_frame_000092", "GP020402_frame_000011"),
    ("rain", "test"): ("GOPR0572_frame_000145", "GP030573_frame_000914"),
    ("snow", "train"): ("GOPR0122_frame_000234", "GOPR0604_frame_000221"),
    ("snow", "val"): ("GOPR0606_frame_000109", "GOPR0607_frame_000092"),
    ("snow", "test"): ("GOPR0122_frame_000651", "GP030176_frame_000369"),
}


def image(condition: str, split: str, frame: str) -> str:
    """Where the picture of a frame lies."""
    return f"rgb_anon/{condition}/{split}/{frame.split('_')[0]}/{frame}_rgb_anon.png"


def label(condition: str, split: str, frame: str, kind: str = "labelTrainIds") -> str:
    """Where its label map lies."""
    return f"gt/{condition}/{split}/{frame.split('_')[0]}/{frame}_gt_{kind}.png"


def _pairs(condition: str, split: str) -> Pairs:
    frames = FRAMES[condition, split]
    return [(image(condition, split, f), None if split == "test" else label(condition, split, f)) for f in frames]


EXPECTED: dict[str, Pairs] = {
    **{f"acdc-{c}-{s}": _pairs(c, s) for c in LIGHT for s in ("val", "test")},
    "acdc-train": [pair for c in ("fog", "night", "rain", "snow") for pair in _pairs(c, "train")],
    "acdc-test": [pair for c in ("fog", "night", "rain", "snow") for pair in _pairs(c, "test")],
}


def train_ids(path: str) -> Array:
    """What the labels of an image say (those of test are not on disk)."""
    return scene(frame_of(path), *SIZE)


def write_gt(path: Path, frame: str, size: tuple[int, int] = SIZE) -> None:
    """The label map `path`, ending in _gt_labelTrainIds.png, and the four files that lie beside it."""
    labels = scene(frame, *size)
    stem = path.name.removesuffix("labelTrainIds.png")
    uncertain = np.zeros(size, np.uint8)
    uncertain[: size[0] // 4, : size[1] // 4] = 1
    write(path, labels)
    write(path.with_name(stem + "labelIds.png"), encode(labels, IDS, VOIDS))
    write(path.with_name(stem + "labelColor.png"), picture(labels, frame))
    write(path.with_name(stem + "invIds.png"), uncertain)
    write(path.with_name(stem + "invGray.png"), uncertain * 255)


def make(root: Path) -> None:
    """ACDC below `root`."""
    home = root / FOLDER
    for (condition, split), frames in FRAMES.items():
        for frame in frames:
            sequence = frame.split("_")[0]
            shown = picture(scene(frame, *SIZE), frame, LIGHT[condition])
            write(home / image(condition, split, frame), shown)
            # The same place in clear weather, for every split.
            reference = f"rgb_anon/{condition}/{split}_ref/{sequence}/{frame}_rgb_ref_anon.png"
            write(home / reference, picture(scene(frame, *SIZE), frame))
            if split != "test":
                write_gt(home / label(condition, split, frame), frame)
    touch(home / "README.md", "ACDC")
