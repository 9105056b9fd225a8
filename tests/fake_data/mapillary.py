"""Mapillary Vistas v1.2 and v2.0 in one archive, as it unpacks today; JPEGs and label maps of many sizes."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from fake_data.draw import ROAD, SIGN, VOID, Array, Pairs, encode, frame_of, picture, scene, write, write_palette

FOLDER = "mapillary"
# config_v1.2.json: the position in this list is the id.
NAMES = """\
Bird, Ground Animal, Curb, Fence, Guard Rail, Barrier, Wall, Bike Lane, Crosswalk - Plain, Curb Cut, Parking, \
Pedestrian Area, Rail Track, Road, Service Lane, Sidewalk, Bridge, Building, Tunnel, Person, Bicyclist, \
Motorcyclist, Other Rider, Lane Marking - Crosswalk, Lane Marking - General, Mountain, Sand, Sky, Snow, Terrain, \
Vegetation, Water, Banner, Bench, Bike Rack, Billboard, Catch Basin, CCTV Camera, Fire Hydrant, Junction Box, \
Mailbox, Manhole, Phone Booth, Pothole, Street Light, Pole, Traffic Sign Frame, Utility Pole, Traffic Light, \
Traffic Sign (Back), Traffic Sign (Front), Trash Can, Bicycle, Boat, Bus, Car, Caravan, Motorcycle, On Rails, \
Other Vehicle, Trailer, Truck, Wheeled Slow, Car Mount, Ego Vehicle, Unlabeled"""
IDS = (13, 15, 17, 6, 3, 45, 48, 50, 30, 29, 27, 19, 20, 55, 61, 54, 58, 57, 52)
VOIDS = (64, 65, 63, 0, 12, 31)
BIKE_LANE, SIGN_BACK = 7, 49  # road and traffic sign by name, void by id

FRAMES = {
    "training": ("_0AYXgYQ0mh5kJsm8WGhfA", "zzMpXYjuTzvm1CABbMB6PA"),
    "validation": ("-6QC1TvvRvBmqMVvrJvxaA", "S2vjth7lk4EIKius2I-1AA", "_qQvkBnd7HTyFKqnMHOSOQ"),
}
SHORT = {"training": "train", "validation": "val"}


def _pairs(split: str, label: str) -> Pairs:
    return [(f"{split}/images/{f}.jpg", label.format(split=split, short=SHORT[split], f=f)) for f in FRAMES[split]]


def _expected(label: str, *extra: str) -> dict[str, Pairs]:
    return {
        "mapillary-train": _pairs("training", label),
        **{card: _pairs("validation", label) for card in ("mapillary-val", *extra)},
    }


EXPECTED = _expected("{split}/v1.2/labels/{f}.png", "mapillary-val-by-id")
VARIANTS = {
    "flat": (FOLDER, _expected("{split}/labels/{f}.png", "mapillary-val-by-id")),
    # Rein's converter keeps the size and maps by name; its half/ is other data.
    "rein": (FOLDER, _expected("cityscapes_trainIdLabel/{short}/label/{f}.png")),
}


def size(frame: str) -> tuple[int, int]:
    """Height and width, different from frame to frame."""
    return (72, 96) if zlib.crc32(frame.encode()) % 2 else (60, 106)


def ids(frame: str) -> Array:
    """The stored ids: a bike lane on part of the road, and the back of signs on one half of them."""
    labels = scene(frame, *size(frame))
    coded = encode(labels, IDS, VOIDS)
    left = np.arange(labels.shape[1])[None, :] < labels.shape[1] // 2
    lower = np.arange(labels.shape[0])[:, None] % 2 == 1
    coded[(labels == ROAD) & left] = BIKE_LANE
    coded[(labels == SIGN) & lower] = SIGN_BACK
    return coded


def train_ids(path: str, by: str = "name") -> Array:
    """What the labels of an image say, by either map."""
    frame = frame_of(path)
    labels = scene(frame, *size(frame))
    unknown_by_id = np.isin(ids(frame), (BIKE_LANE, SIGN_BACK))
    return np.where(unknown_by_id, VOID, labels).astype(np.uint8) if by == "id" else labels


def make(root: Path, variant: str = "official") -> None:
    """Mapillary Vistas below `root`."""
    home = root / FOLDER
    for split, frames in FRAMES.items():
        for frame in frames:
            labels, coded = scene(frame, *size(frame)), ids(frame)
            write(home / f"{split}/images/{frame}.jpg", picture(labels, frame))
            if variant == "flat":
                write_palette(home / f"{split}/labels/{frame}.png", coded)
                write(home / f"{split}/instances/{frame}.png", coded.astype(np.uint16) * 256)
            elif variant == "official":
                write_palette(home / f"{split}/v1.2/labels/{frame}.png", coded)
                write(home / f"{split}/v1.2/instances/{frame}.png", coded.astype(np.uint16) * 256)
                write_palette(home / f"{split}/v2.0/labels/{frame}.png", np.full_like(coded, 120))
            else:
                write(home / f"cityscapes_trainIdLabel/{SHORT[split]}/label/{frame}.png", labels)
                if split == "validation":
                    write(home / f"half/val_img/{frame}.jpg", picture(labels, frame)[::2, ::2])
                    write(home / f"half/val_label/{frame}.png", labels[::2, ::2])
    write(home / "testing/images/__CRyFzoDOXn6unQ6a3DnQ.jpg", np.zeros((60, 80, 3), np.uint8))
    config = {"labels": [{"name": name.lower(), "readable": name} for name in NAMES.split(", ")], "version": "1.2"}
    (home / "config_v1.2.json").write_text(json.dumps(config))
