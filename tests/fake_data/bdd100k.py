"""BDD100K: bdd100k_images_10k.zip and bdd100k_sem_seg_labels_trainval.zip unpacked (doc.bdd100k.com, "Download")."""

from __future__ import annotations

from pathlib import Path

from fake_data.draw import Array, Pairs, frame_of, picture, scene, touch, write

FOLDER = "bdd100k"
SIZE = (54, 96)
FRAMES = {
    "train": ("0004a4c0-d4dff0ad", "00067cfb-5443fe39", "0a0a0b1a-27d9fc44"),
    "val": ("7d06fefd-f7be05a6", "b1c66a42-6f7d68ca", "c3a58d0e-1f0a7b2c"),
}
TEST = "cabc30fc-e7726578"


def _expected(image: str, label: str) -> dict[str, Pairs]:
    return {
        f"bdd100k-{split}": [(image.format(split, f), label.format(split, f)) for f in frames]
        for split, frames in FRAMES.items()
    }


EXPECTED = _expected("images/10k/{}/{}.jpg", "labels/sem_seg/masks/{}/{}.png")
# bdd100k_seg.zip, the first release, which RobustNet and its followers read.
VARIANTS = {"2018": (FOLDER, _expected("seg/images/{}/{}.jpg", "seg/labels/{}/{}_train_id.png"))}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def make(root: Path, variant: str = "official") -> None:
    """BDD100K below `root`."""
    home = root / FOLDER
    for split, frames in FRAMES.items():
        for frame in frames:
            labels = scene(frame, *SIZE)
            shown = picture(labels, frame)
            if variant == "2018":
                write(home / f"seg/images/{split}/{frame}.jpg", shown)
                write(home / f"seg/labels/{split}/{frame}_train_id.png", labels)
                write(home / f"seg/color_labels/{split}/{frame}_train_color.png", shown)
                continue
            write(home / f"images/10k/{split}/{frame}.jpg", shown)
            write(home / f"labels/sem_seg/masks/{split}/{frame}.png", labels)
            write(home / f"labels/sem_seg/colormaps/{split}/{frame}.png", shown)
            touch(home / f"labels/sem_seg/polygons/sem_seg_{split}.json", "[]")
    if variant == "official":
        write(home / f"images/10k/test/{TEST}.jpg", picture(scene(TEST, *SIZE), TEST))
        write(home / f"images/100k/val/{TEST}.jpg", picture(scene(TEST, *SIZE), TEST))
