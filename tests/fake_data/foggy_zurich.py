"""Foggy Zurich: thousands of frames in RGB/, labels for 40, named by lists_file_names/RGB_testv2_filenames.txt."""

from __future__ import annotations

from pathlib import Path

from fake_data.cityscapes import IDS, VOIDS
from fake_data.draw import Array, Pairs, encode, frame_of, picture, scene, touch, write

FOLDER = "Foggy_Zurich"
SIZE = (54, 96)
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
LABELLED = (
    "GOPR0120/1508039675.0_frame_000391.png",
    "GP010229/1508040913.0_frame_000955.png",
    "GP020229/1508041241.0_frame_000210.png",
)
UNLABELLED = ("GOPR0120/1508039675.0_frame_000001.png", "GP040229/1508042000.0_frame_000100.png")

EXPECTED: dict[str, Pairs] = {"foggy-zurich-test": [(f"RGB/{name}", f"gt_labelTrainIds/{name}") for name in LABELLED]}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path) -> None:
    """Foggy Zurich below `root`."""
    home = root / FOLDER
    for name in (*LABELLED, *UNLABELLED):
        frame = frame_of(name)
        labels = scene(frame, *SIZE)
        write(home / "RGB" / name, picture(labels, frame))
        if name in LABELLED:
            write(home / "gt_labelTrainIds" / name, labels)
            write(home / "gt_labelIds" / name, encode(labels, IDS, VOIDS))
            write(home / "gt_color" / name, picture(labels, frame))
    lists = home / "lists_file_names"
    touch(lists / "RGB_testv2_filenames.txt", "".join(f"RGB/{name}\n" for name in reversed(LABELLED)))
    touch(lists / "RGB_testv1_filenames.txt", f"RGB/{LABELLED[0]}\n")
    touch(lists / "RGB_light_filenames.txt", f"RGB/{UNLABELLED[0]}\n")
    touch(lists / "gt_labelTrainIds_testv2_filenames.txt", "".join(f"gt_labelTrainIds/{n}\n" for n in LABELLED))
