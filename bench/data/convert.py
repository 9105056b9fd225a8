"""A halved copy of a data set, beside it: what `halve` of a view does on the fly, done once.

Rein's published code prepares Mapillary so. The copy holds lossless pictures and train ids, so scores are the same
with it and without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from bench import protocols
from bench.data.ahead import ahead
from bench.data.cards import FilesCard, folders
from bench.data.decoders import read_grey, read_image
from bench.data.files import loader
from bench.data.layouts import Found, Item
from bench.data.reader import Sample
from bench.data.stream import default_workers
from bench.data.tables import load_table
from bench.data.views import half
from bench.errors import PrerequisiteError, UserError
from bench.observer import Observer, Silent
from bench.writing import write_atomically

COMPLETE = "complete.json"
"""Written last: what the copy is of."""


class Converted(NamedTuple):
    """A copy that is complete."""

    folder: Path
    written: int
    """Images written by this call; the others were there."""


def halve(card: FilesCard, found: Found, observer: Observer | None = None) -> Converted:
    """Write the halved copy beside the data set, in parallel; goes on where an earlier call stopped.

    Raises DamagedFile for an image that cannot be read, PrerequisiteError where the copy cannot be written, UserError
    for a set with anomaly masks, which the copy would not hold.
    """
    if card.family not in _halved_families():
        raise UserError(f"no track halves {card.family}: nothing would read a copy of {card.name}")
    if found.layout.anomaly or not found.layout.labels:
        raise UserError(f"dataset {card.name}: only images with labels and nothing else are copied")
    observer = observer or Silent()
    folder, load = copy_folder(card, found), loader(card, found)
    missing = [item for item in found.items if not all(path.exists() for path in _paths(folder, item))]

    def write(item: Item) -> None:
        small = half(load(item))
        for path, array in zip(_paths(folder, item), (small.image[..., ::-1], small.label), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, methodcaller("write", _png(array)))

    observer.start(card.name, len(found.items), len(found.items) - len(missing))
    try:
        for _ in ahead(write, missing, threads=default_workers()):
            observer.advance(card.name)
        text = json.dumps(_identity(card, found))
        write_atomically(folder / COMPLETE, methodcaller("write", text.encode()))
    except OSError as error:
        raise PrerequisiteError(f"cannot write the copy to {folder}: {error.strerror or error}") from error
    observer.finish(card.name)
    return Converted(folder, len(missing))


def _halved_families() -> set[str]:
    rules = [track for name in protocols.names() for track in protocols.load_protocol(name).tracks]
    return {family for track in rules for family, view in track.views.items() if view.halve}


def copy_folder(card: FilesCard, found: Found) -> Path:
    """Where the halved copy is, or would be: beside the data set's folder, by what it is of, so never out of date."""
    folder = found.folder.absolute()
    identity = hashlib.sha256(json.dumps(_identity(card, found)).encode()).hexdigest()[:16]
    return folder.parent / f"{folder.name}-halved" / f"{card.name}-{identity}"


def has_copy(card: FilesCard, found: Found) -> bool:
    """Whether a complete copy of exactly these images is there."""
    folder = copy_folder(card, found)
    try:
        same = json.loads((folder / COMPLETE).read_text(encoding="utf-8")) == _identity(card, found)
    except (OSError, ValueError):  # none, or not what this suite wrote
        return False
    return same and all(path.exists() for item in found.items for path in _paths(folder, item))


def copy_loader(card: FilesCard, found: Found) -> Callable[[Item], Sample]:
    """A function from an item to its halved sample, read from the copy."""
    folder = copy_folder(card, found)

    def load(item: Item) -> Sample:
        image, label = _paths(folder, item)
        return Sample(read_image(image), read_grey(label), item.name)

    return load


def _paths(folder: Path, item: Item) -> tuple[Path, Path]:
    return folder / "images" / f"{item.name}.png", folder / "labels" / f"{item.name}.png"


def _identity(card: FilesCard, found: Found) -> dict[str, Any]:
    """What the copy was made of: any other image, label, layout or table makes another copy."""
    digest = hashlib.sha256()
    for item in found.items:
        stats = [path.stat() for path in (item.image, item.label) if path is not None]
        digest.update(f"{item.name} {[(stat.st_size, stat.st_mtime_ns) for stat in stats]}\n".encode())
    table = load_table(found.layout.table or card.table, folders()).content() if card.table else None
    files = digest.hexdigest()
    return {"dataset": card.name, "layout": found.layout.name, "files": files, "table": json.dumps(table)}


def _png(array: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", array)[1])
