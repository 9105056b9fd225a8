"""MUSES: the archives of frame_camera and gt_semantic unpacked into one folder (README.md of its SDK)."""

from __future__ import annotations

from pathlib import Path

from fake_data.cityscapes import IDS, VOIDS
from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "muses"
SIZE = (54, 96)
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
OTHERS = (("train", ("REC0002_frame_000001",)), ("test", ("REC0200_frame_000009",)))
VAL = {
    ("clear", "day"): ("REC0006_frame_042875", "REC0008_frame_000011"),
    ("clear", "night"): ("REC0035_frame_017222",),
    ("fog", "day"): ("REC0043_frame_002211", "REC0043_frame_010101"),
    ("fog", "night"): ("REC0101_frame_000404",),
    ("rain", "day"): ("REC0077_frame_011111",),
    ("rain", "night"): ("REC0113_frame_006060",),
    ("snow", "day"): ("REC0129_frame_031415",),
    ("snow", "night"): ("REC0140_frame_000002", "REC0141_frame_000002"),
}


def _image(split: str, weather: str, time: str, frame: str) -> str:
    return f"frame_camera/{split}/{weather}/{time}/{frame}_frame_camera.png"


def _label(split: str, weather: str, time: str, frame: str, kind: str = "labelTrainIds") -> str:
    return f"gt_semantic/{split}/{weather}/{time}/{frame}_gt_{kind}.png"


def _pairs(weather: str, time: str) -> Pairs:
    frames = VAL[weather, time]
    return [(_image("val", weather, time, f), _label("val", weather, time, f)) for f in frames]


EXPECTED: dict[str, Pairs] = {
    "muses-val": [pair for condition in VAL for pair in _pairs(*condition)],
    **{f"muses-{weather}-{time}-val": _pairs(weather, time) for weather, time in VAL},
}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path) -> None:
    """MUSES below `root`."""
    home = root / FOLDER
    for (weather, time), frames in VAL.items():
        for split, names in (("val", frames), *OTHERS):
            for frame in names:
                labels = scene(frame, *SIZE)
                where = (split, weather, time, frame)
                write(home / _image(*where), picture(labels, frame, 0.35 if time == "night" else 1))
                if split == "test":
                    continue
                write(home / _label(*where), labels)
                write(home / _label(*where, "labelIds"), encode(labels, IDS, VOIDS))
                write(home / _label(*where, "labelColor"), picture(labels, frame))
    touch(home / "meta.json", "{}")
