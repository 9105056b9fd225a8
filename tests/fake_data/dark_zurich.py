"""Dark Zurich, validation: Dark_Zurich_val_anon.zip (README.md in it; mmsegmentation, "Prepare datasets")."""

from __future__ import annotations

from pathlib import Path

from fake_data.acdc import write_gt
from fake_data.draw import Array, Pairs, frame_of, picture, scene, touch, write

FOLDER = "dark_zurich"
SIZE = (54, 96)
FRAMES = ("GOPR0356_frame_000321", "GOPR0356_frame_000355", "GOPR0356_frame_000439")

EXPECTED: dict[str, Pairs] = {
    "dark-zurich-val": [
        (f"rgb_anon/val/night/GOPR0356/{f}_rgb_anon.png", f"gt/val/night/GOPR0356/{f}_gt_labelTrainIds.png")
        for f in FRAMES
    ]
}
VARIANTS = {"zip-name": ("Dark_Zurich_val_anon", EXPECTED)}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path, variant: str = "official") -> None:
    """Dark Zurich below `root`."""
    home = root / (FOLDER if variant == "official" else VARIANTS[variant][0])
    for frame, (image, label) in zip(FRAMES, EXPECTED["dark-zurich-val"], strict=True):
        write(home / image, picture(scene(frame, *SIZE), frame, 0.35))
        write_gt(home / str(label), frame)
        # The same place by day.
        day = f"rgb_anon/val_ref/day/GOPR0356_ref/{frame.replace('_frame', '_ref_frame')}_rgb_anon.png"
        write(home / day, picture(scene(frame, *SIZE), frame))
    touch(home / "lists_file_names/val_filenames.txt", "\n".join(FRAMES))
