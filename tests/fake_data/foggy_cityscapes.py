"""Foggy Cityscapes (leftImg8bit_trainvaltest_foggy.zip): three strengths of fog beside Cityscapes' own gtFine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data import cityscapes
from fake_data.draw import Pairs, picture, scene, write

FOLDER = cityscapes.FOLDER
VARIANTS: dict[str, tuple[str, dict[str, Pairs]]] = {}
BETAS = {"005": "0.005", "01": "0.01", "02": "0.02"}

train_ids = cityscapes.train_ids


def image(frame: str, beta: str, folder: str = "leftImg8bit_foggy") -> str:
    """Where the foggy picture of a validation frame lies."""
    return f"{folder}/val/{frame.split('_')[0]}/{frame}_leftImg8bit_foggy_beta_{beta}.png"


EXPECTED: dict[str, Pairs] = {
    f"foggy-cityscapes-{tag}-val": [(image(f, beta), cityscapes.label("val", f)) for f in cityscapes.VAL]
    for tag, beta in BETAS.items()
}


def make(root: Path) -> None:
    """Foggy Cityscapes below `root`, and the label maps it needs."""
    home = root / FOLDER
    for frame in cityscapes.VAL:
        cityscapes.write_labels(home, "val", frame)
        clear = picture(scene(frame, *cityscapes.SIZE), frame)
        for number, beta in enumerate(BETAS.values(), 1):
            foggy = (clear * (1 - 0.2 * number) + 220 * 0.2 * number).astype(np.uint8)
            write(home / image(frame, beta), foggy)
            write(home / image(frame, beta, "leftImg8bit_foggyDBF"), foggy)  # a later rendering, not read
