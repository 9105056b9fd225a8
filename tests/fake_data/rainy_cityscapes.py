"""Rainy Cityscapes (leftImg8bit_trainval_rain.zip): a few frames, each in 36 kinds of rain, labels from gtFine."""

from __future__ import annotations

from pathlib import Path

from fake_data import cityscapes
from fake_data.draw import Pairs, picture, scene, write

FOLDER = cityscapes.FOLDER
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
FRAMES = ("lindau_000003_000019", "munster_000121_000019")
KINDS = (
    "alpha_0.01_beta_0.005_dropsize_0.01_pattern_1",
    "alpha_0.02_beta_0.01_dropsize_0.005_pattern_5",
    "alpha_0.03_beta_0.015_dropsize_0.002_pattern_12",
)

train_ids = cityscapes.train_ids


def image(frame: str, kind: str) -> str:
    """Where a rainy picture of a validation frame lies."""
    return f"leftImg8bit_rain/val/{frame.split('_')[0]}/{frame}_leftImg8bit_rain_{kind}.png"


EXPECTED: dict[str, Pairs] = {
    "rainy-cityscapes-val": [(image(f, kind), cityscapes.label("val", f)) for f in FRAMES for kind in KINDS]
}


def make(root: Path) -> None:
    """Rainy Cityscapes below `root`, and the label maps it needs."""
    home = root / FOLDER
    for frame in FRAMES:
        cityscapes.write_labels(home, "val", frame)
        for kind in KINDS:
            write(home / image(frame, kind), picture(scene(frame, *cityscapes.SIZE), frame + kind, 0.8))
