"""BRAVO's six sets, and the organisers' bravo_GT.tar unpacked into bravo_GT (bravo_toolkit/codec/bravo_tarfile.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_data.draw import Array, Pairs, frame_of, picture, scene, write

FOLDER = "bravo"
SIZE = (48, 96)

ACDC = (
    "bravo_ACDC/fog/test/GOPR0475/GOPR0475_frame_000247",
    "bravo_ACDC/night/test/GP010594/GP010594_frame_000087",
    "bravo_ACDC/snow/test/GP030176/GP030176_frame_000369",
)
SMIYC = tuple(f"bravo_SMIYC/RoadAnomaly21/images/{name}" for name in ("airplane0000", "validation0007", "zebra0001"))
CITY = ("frankfurt/frankfurt_000000_000576", "lindau/lindau_000000_000019", "munster/munster_000172_000019")
OBJECTS = tuple(f"bravo_synobjs/{name}" for name in ("armchair/1", "armchair/504", "polar bear/4"))
# Name of the set -> stems, then the suffixes of image, labels and anomaly mask.
SETS = {
    "acdc": (ACDC, "_rgb_anon.png", "_gt_labelTrainIds.png", None),
    "smiyc": (SMIYC, ".jpg", None, "_labels_semantic.png"),
    **{
        name: (tuple(f"bravo_{name}/{c}" for c in CITY), "_leftImg8bit.png", "_gt_labelTrainIds.png", mask)
        for name, mask in (("synrain", "_gt_invIds.png"), ("synflare", "_gt_invIds.png"), ("outofcontext", None))
    },
    "synobjs": (OBJECTS, ".png", "_gt.png", "_mask.png"),
}


def _label(stem: str, suffix: str | None) -> str | None:
    return None if suffix is None else f"bravo_GT/{stem}{suffix}"


EXPECTED: dict[str, Pairs] = {
    f"bravo-{name}": [(stem + image, _label(stem, label)) for stem in stems]
    for name, (stems, image, label, _) in SETS.items()
}
# Card -> the anomaly masks, in the order of EXPECTED.
ANOMALIES: dict[str, list[str]] = {
    f"bravo-{name}": [f"bravo_GT/{stem}{mask}" for stem in stems] for name, (stems, _, _, mask) in SETS.items() if mask
}
# What everyone can download: no labels.
VARIANTS = {"images-only": (FOLDER, {card: [(image, None) for image, _ in pairs] for card, pairs in EXPECTED.items()})}


def train_ids(path: str) -> Array:
    """What the labels of an image say."""
    return scene(frame_of(path), *SIZE)


def anomaly(path: str, unclear: bool = False) -> Array:
    """Its anomaly mask: 1 on the object; with `unclear`, 255 (not scored) around it."""
    mask = np.zeros(SIZE, np.uint8)
    if unclear:
        mask[20:34, 28:56] = 255
    mask[22:32, 32 + len(path) % 5 : 52] = 1
    return mask


def make(root: Path, variant: str = "official") -> None:
    """BRAVO below `root`."""
    home = root / FOLDER
    for name, (stems, image, label, mask) in SETS.items():
        for stem in stems:
            frame = frame_of(stem + image)
            shown = picture(scene(frame, *SIZE), frame)
            if mask:
                shown[anomaly(stem + image) == 1] = (200, 0, 200)
            write(home / (stem + image), shown)
            if variant != "official":
                continue
            if label:
                write(home / str(_label(stem, label)), scene(frame, *SIZE))
            if name == "acdc":  # uncertain regions, no anomalies
                write(home / str(_label(stem, "_gt_invIds.png")), np.eye(*SIZE, dtype=np.uint8))
            if name == "smiyc":  # a stand-in, for the toolkit wants a label map of every image
                write(home / str(_label(stem, "_labels_semantic_fake.png")), np.zeros(SIZE, np.uint8))
            if mask:
                write(home / str(_label(stem, mask)), anomaly(stem + image, unclear=name == "smiyc"))
