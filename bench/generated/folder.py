"""The folder of generated images: made in batches, gone on with, checked when it is used again, opened as a data set.

`index.json` holds the settings and the prompts and is written once, `images.jsonl` a line for each image. Image i is
`<i, six digits>.png`, made of prompt i modulo their number with seed i: it depends on nothing else, so that several
runs share a folder, also at once, and more images can be added to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from bench.data.ahead import ahead
from bench.data.decoders import read_image
from bench.data.labels import IGNORE
from bench.data.reader import Sample, SegmentationDataset
from bench.data.stream import default_workers
from bench.errors import DamagedFile, PrerequisiteError, UserError, what_is_wrong
from bench.generated.identity import digest, settings
from bench.generated.prompts import prompts_of
from bench.observer import Observer, Silent
from bench.writing import write_atomically

if TYPE_CHECKING:
    import torch

    from bench.config import GeneratedConfig

INDEX, IMAGES = "index.json", "images.jsonl"
TASK = "generated"
"""What an observer hears of the making of images."""


class Made(NamedTuple):
    """What `make` did."""

    folder: Path
    images: int
    """Those that are there now, of the ones asked for."""
    new: int
    """Those that were made by this call."""
    prompts: tuple[str, ...]


class Checked(NamedTuple):
    """What was found in a folder, by number of image."""

    missing: list[int]
    unrecorded: list[int]
    """Whole images whose records are missing, for their maker was stopped just then."""


class Index(BaseModel):
    """What all images of a folder have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    prompts: tuple[str, ...]


def make(config: GeneratedConfig, folder: Path, device: torch.device, observer: Observer | None = None) -> Made:
    """Make the first `config.images` images in `folder`, those that are not there yet, on `device`.

    Neither model is loaded when nothing is missing. Raises UserError for a folder of other settings, DamagedFile for an
    image that is not as it was made, PrerequisiteError where a model or room on the disk is missing, and what the
    language model and the generator raise.
    """
    observer = observer or Silent()
    if config.images == 0:
        return Made(folder, 0, 0, ())
    index = _index(folder, config)
    if index is None:
        index, checked = _begin(folder, config, device), Checked(list(range(config.images)), [])
    else:
        checked = _check(folder, config, observer)
    try:
        _record(folder, {number: _sha256(folder / _name(number)) for number in checked.unrecorded}, index)
        new = _paint(config, folder, checked.missing, index, device, observer) if checked.missing else 0
    except OSError as error:
        raise PrerequisiteError(f"cannot write to {folder}: {error.strerror or error}") from error
    return Made(folder, config.images, new, index.prompts)


def open_generated(config: GeneratedConfig, folder: Path) -> SegmentationDataset:
    """The first `config.images` images of a folder, with nothing but ignored labels.

    Its revision is that of the images' content: what one device makes is not to the bit what another does. Raises
    UserError where there is no folder, or one of other settings, DamagedFile for an image that is missing or, when it
    is asked for, cannot be read.
    """
    if _index(folder, config) is None:
        raise UserError(f"there are no generated images in {folder}: `python -m bench generate` makes them")
    paths = [folder / _name(number) for number in range(config.images)]
    if gone := next((path for path in paths if not path.is_file()), None):
        raise DamagedFile(gone, "the generated image is missing: `python -m bench generate` makes it again")
    records = _records(folder)
    sums = [records.get(path.name) or _sha256(path) for path in paths]
    load = partial(_load, paths, config.image_size)
    names = [path.stem for path in paths]
    opened = SegmentationDataset("generated", names, load, digest(sums).removeprefix("sha256:"), keep=False)
    opened.images, opened.labelled = [str(path) for path in paths], False
    return opened


def _load(paths: Sequence[Path], size: tuple[int, int], number: int) -> Sample:
    image = read_image(paths[number])
    if image.shape[:2] != size:
        raise DamagedFile(paths[number], f"it is not of the size {size[0]} x {size[1]}: delete it and make it again")
    return Sample(image, np.full(size, IGNORE, np.uint8), paths[number].stem)


def _name(number: int) -> str:
    return f"{number:06d}.png"


def _index(folder: Path, config: GeneratedConfig) -> Index | None:
    """The folder's index, None where there is none yet."""
    path = folder / INDEX
    try:
        index = Index.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise DamagedFile(path, f"{what_is_wrong(error)}; delete the folder to have it made again") from error
    except OSError as error:
        raise DamagedFile(path, error.strerror or str(error)) from error
    mine = settings(config)
    keys = sorted(key for key in mine.keys() | index.settings.keys() if mine.get(key) != index.settings.get(key))
    if keys:
        differs = "; ".join(f"{key} is {index.settings.get(key)}, not {mine.get(key)}" for key in keys)
        raise UserError(f"{folder} holds images of other settings ({differs}): choose another folder or delete it")
    if not index.prompts or digest(index.prompts) != mine.get("prompts", digest(index.prompts)):
        raise DamagedFile(path, "its prompts are not those of its settings; delete the folder to have it made again")
    return index


def _begin(folder: Path, config: GeneratedConfig, device: torch.device) -> Index:
    """Write the index; of two processes that do it at once, both go on with that of the first."""
    index = Index(settings=settings(config), prompts=tuple(prompts_of(config, device)))
    content = json.dumps(index.model_dump(mode="json"), indent=1).encode() + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _publish(folder / INDEX, content)
    except OSError as error:
        raise PrerequisiteError(f"cannot write to {folder}: {error.strerror or error}") from error
    written = _index(folder, config)
    assert written is not None
    return written


def _check(folder: Path, config: GeneratedConfig, observer: Observer) -> Checked:
    """Look at every image that is asked for. Raises DamagedFile for one that is not as it was made."""
    records, found = _records(folder), Checked([], [])
    observer.start(f"check {TASK}", config.images)
    check = partial(_is_there, folder, config.image_size, records)
    for number, there in enumerate(ahead(check, range(config.images), threads=default_workers())):
        observer.advance(f"check {TASK}")
        if not there:
            found.missing.append(number)
        elif _name(number) not in records:
            found.unrecorded.append(number)
    observer.finish(f"check {TASK}")
    return found


def _is_there(folder: Path, size: tuple[int, int], records: dict[str, str], number: int) -> bool:
    """Whether an image is there and sound; one without a record is if it is an image of the right size."""
    path = folder / _name(number)
    if not path.is_file():
        return False
    known = records.get(path.name)
    if known is None:
        try:
            return read_image(path).shape[:2] == size
        except DamagedFile:
            path.unlink(missing_ok=True)
            return False
    if _sha256(path) != known:
        raise DamagedFile(path, "it is not the image that was made (its sha256 differs): delete it to have it again")
    return True


def _paint(
    config: GeneratedConfig, folder: Path, left: list[int], index: Index, device: torch.device, observer: Observer
) -> int:
    """Make the images `left`; those that another process makes meanwhile are taken over. Returns how many it made."""
    from bench.generated.painter import batch_size, painter_for

    prompts, at_once, new = index.prompts, batch_size(config, device), 0
    painter = painter_for(config, device)
    observer.start(TASK, config.images, config.images - len(left))
    for first in range(0, len(left), at_once):
        batch = left[first : first + at_once]
        numbers = [number for number in batch if not (folder / _name(number)).exists()]
        images = painter.paint([prompts[number % len(prompts)] for number in numbers], numbers) if numbers else []
        sums = {}
        for number, image in zip(numbers, images, strict=True):
            if image.min() == image.max():
                raise UserError(f"generator {config.generator} painted image {number} in one colour: take another one")
            content = bytes(cv2.imencode(".png", image[..., ::-1])[1])
            kept = _publish(folder / _name(number), content)
            sums[number] = hashlib.sha256(kept).hexdigest()
            new += kept is content
        _record(folder, sums, index)
        observer.advance(TASK, len(batch))
    observer.finish(TASK)
    return new


def _record(folder: Path, sums: dict[int, str], index: Index) -> None:
    """Add a line for each image. Raises OSError."""
    if not sums:
        return
    records = [
        {"file": _name(number), "prompt": number % len(index.prompts), "seed": number, "sha256": sha256}
        for number, sha256 in sums.items()
    ]
    with (folder / IMAGES).open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
        torn = file.read(1) not in (b"", b"\n")  # by a machine that stopped in the middle of a line
        file.write(("\n" * torn + "".join(json.dumps(record) + "\n" for record in records)).encode())
        file.flush()
        os.fsync(file.fileno())


def _publish(path: Path, content: bytes) -> bytes:
    """Write a whole file, unless another process did meanwhile; returns what is there now: `content`, or theirs."""
    whole = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    write_atomically(whole, methodcaller("write", content))
    try:
        os.link(whole, path)
    except FileExistsError:
        return path.read_bytes()
    except OSError:  # a file system without links
        os.replace(whole, path)
    finally:
        whole.unlink(missing_ok=True)
    return content


def _records(folder: Path) -> dict[str, str]:
    """File name -> sha256. Of an image that was made again the last record holds; a torn line holds none."""
    found: dict[str, str] = {}
    path = folder / IMAGES
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
            found[str(record["file"])] = str(record["sha256"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DamagedFile(path, error.strerror or str(error)) from error
