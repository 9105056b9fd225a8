"""A halved copy of a data set, beside it: what `halve` of a view does on the fly, done once.

Rein's published code prepares Mapillary so. The copy holds lossless pictures and train ids, so scores are the same
with it and without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.ahead import ahead
from bench.data.cards import FilesCard, revision
from bench.data.decoders import read_grey, read_image
from bench.data.files import loader
from bench.data.layouts import Found, Item
from bench.data.reader import Sample
from bench.data.stream import default_workers
from bench.data.views import half
from bench.errors import PrerequisiteError
from bench.observer import Observer, Silent
from bench.result import write_atomically

COMPLETE = "complete.json"
"""Written last: what the copy is of."""


class Converted(NamedTuple):
    """A copy that is complete."""

    folder: Path
    written: int
    """Images written by this call; the others were there."""


def halve(card: FilesCard, found: Found, observer: Observer | None = None) -> Converted:
    """Write the halved copy beside the data set, in parallel; goes on where an earlier call stopped.

    Raises DamagedFile for an image that cannot be read, PrerequisiteError where the copy cannot be written.
    """
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


def copy_folder(card: FilesCard, found: Found) -> Path:
    """Where the halved copy is, or would be: beside the data set's folder, by what it is of, so never out of date."""
    folder = found.folder.absolute()
    return folder.parent / f"{folder.name}-halved" / f"{card.name}-{revision(card)}"


def has_copy(card: FilesCard, found: Found) -> bool:
    """Whether a complete copy of exactly these images is there."""
    path = copy_folder(card, found) / COMPLETE
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == _identity(card, found)


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
    return {"dataset": card.name, "revision": revision(card), "images": len(found.items)}


def _png(array: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", array)[1])
