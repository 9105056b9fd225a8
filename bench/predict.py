"""Predictions of a trained run as files: for any pictures, and for servers that hold a test set's labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from bench.api import Segmenter
from bench.data.ahead import ahead
from bench.data.cards import FilesCard, folders, load_files_card
from bench.data.decoders import read_grey, read_image
from bench.data.labels import colourise
from bench.data.layouts import require_usable, starred
from bench.data.stream import default_workers
from bench.data.tables import load_table
from bench.data.views import shown_size
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.inference import layout, predict_logits
from bench.observer import Observer, Silent
from bench.protocols import load_protocol
from bench.spec import RunSpec, View
from bench.writing import write_atomically

Image = npt.NDArray[np.uint8]
Ids = Literal["train-ids", "cityscapes-ids"]
SUFFIXES = (".png", ".jpg", ".jpeg")
IDS, COLOURS = "_ids.png", "_colour.png"
"""Endings of the two files made of each picture."""


class Written(NamedTuple):
    """What was written for one picture."""

    picture: Path
    files: list[Path]


class Predicted(NamedTuple):
    """What became of the pictures."""

    written: list[Written]
    damaged: list[DamagedFile]


class Predictor:
    """A segmenter with the windows of its run's track."""

    def __init__(self, segmenter: Segmenter, spec: RunSpec, fabric: Fabric) -> None:
        self.segmenter, self.layout, self.fabric = segmenter.to(fabric.device), layout(spec), fabric

    def __call__(self, image: Image, view: View) -> Image:
        """Train ids (H, W) of an RGB image (H, W, 3), shown to the model as `view` says."""
        height, width = image.shape[:2]
        rows, columns = shown_size((height, width), view)
        if (rows, columns) != (height, width):
            image = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)
        return self.classes(image, (height, width))

    def classes(self, image: Image, size: tuple[int, int]) -> Image:
        """Train ids of `size` (height, width) of an image (H, W, 3) that is shown as it is; scores are resized."""
        batch = torch.from_numpy(image).to(self.fabric.device).permute(2, 0, 1)[None].float().div_(255)
        with self.fabric.autocast():
            scores = predict_logits(self.segmenter.logits, batch, self.layout.crop, self.layout.stride)
        if tuple(scores.shape[-2:]) != size:
            scores = F.interpolate(scores.float(), size=size, mode="bilinear", align_corners=False)
        return scores.argmax(1)[0].to(torch.uint8).cpu().numpy()


class Pictures(NamedTuple):
    """What is to be predicted."""

    files: list[Path]
    others: int
    """Files in the same folders that are no PNG or JPEG pictures."""


def pictures(paths: Sequence[Path]) -> Pictures:
    """The pictures among `paths`, and those in the folders among them.

    Raises UserError where there is none, or two of one name.
    """
    found: list[Path] = []
    others = 0
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if not file.name.startswith("."))
            mine = [file for file in inside if file.suffix.lower() in SUFFIXES]
            found, others = found + mine, others + len(inside) - len(mine)
        elif path.is_file():
            found.append(path)
        else:
            raise UserError(f"{path}: there is no such file or folder")
    if not found:
        raise UserError(f"no picture ({', '.join(SUFFIXES)}) in {', '.join(map(str, paths))}")
    stems: dict[str, Path] = {}
    for path in found:
        if path.stem in stems:
            raise UserError(f"{stems[path.stem]} and {path} would be written to the same files: rename one")
        stems[path.stem] = path
    return Pictures(found, others)


def predict(
    predictor: Predictor, files: Sequence[Path], out: Path, ids: Ids = "train-ids", observer: Observer | None = None
) -> Predicted:
    """Write ids (PNG, grey) and a colour overlay of each picture into the folder `out`.

    Pictures that cannot be read are named in the end. Raises UserError for an `out` that has the pictures in it, which
    would be predicted next time, PrerequisiteError where it cannot be written.
    """
    observer = observer or Silent()
    if out.resolve() in {path.resolve().parent for path in files}:
        raise UserError(f"--out {out}: the pictures are in there; choose another folder")
    encode = _encoder(ids)
    written: list[Written] = []
    damaged: list[DamagedFile] = []
    observer.start("predict", len(files))
    for path, image in zip(files, ahead(_readable, files, threads=default_workers()), strict=True):
        observer.advance("predict")
        if isinstance(image, DamagedFile):
            damaged.append(image)
            continue
        classes = predictor(image, View())
        overlay = np.asarray(cv2.addWeighted(image, 0.5, colourise(classes), 0.5, 0), np.uint8)[..., ::-1]
        both = [(out / f"{path.stem}{IDS}", encode(classes)), (out / f"{path.stem}{COLOURS}", overlay)]
        for target, array in both:
            _save(target, array)
        written.append(Written(path, [target for target, _ in both]))
    observer.finish("predict")
    return Predicted(written, damaged)


def _readable(path: Path) -> Image | DamagedFile:
    try:
        return read_image(path)
    except DamagedFile as error:
        return error


def submit(
    predictor: Predictor,
    spec: RunSpec,
    name: str,
    out: Path,
    data_root: Path | None = None,
    observer: Observer | None = None,
) -> int:
    """Write the folder that the server of data set `name` takes, read it again, and return its number of files.

    Raises UserError for a data set without a server, DatasetNotFound, DamagedFile and PrerequisiteError.
    """
    card, observer = load_files_card(name), observer or Silent()
    if card.submission is None:
        raise UserError(f"dataset {name} has no server: `evaluate` scores it")
    found, encode, ids = require_usable(card, data_root), _encoder(card.submission.ids), card.submission.ids
    view = _view(spec, card)
    targets = {item.image: out / starred([card.submission.file], item.key._replace(pattern=0)) for item in found.items}
    observer.start(name, len(targets))
    for path, image in _read(list(targets)):
        _save(targets[path], encode(predictor(image, view)))
        _require_sound(targets[path], image.shape[:2], ids)
        observer.advance(name)
    observer.finish(name)
    return len(targets)


def require_empty(folder: Path) -> None:
    """Raise UserError for a folder that has files: old predictions must not be sent with new ones."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--out {folder}: there is something already; choose a new folder")


def _view(spec: RunSpec, card: FilesCard) -> View:
    """How the run's track shows images of the card's family."""
    rules = load_protocol(spec.protocol.partition("@")[0]).rules(spec.track.name)
    return rules.views.get(card.family, View())


def _read(paths: Sequence[Path]) -> Iterator[tuple[Path, Image]]:
    return zip(paths, ahead(read_image, paths, threads=default_workers()), strict=True)


def _encoder(ids: Ids) -> Callable[[Image], Image]:
    """From train ids to the ids that are written."""
    table = np.arange(256, dtype=np.uint8)
    if ids == "cityscapes-ids":
        for own, train in load_table("cityscapes-ids", folders()).ids.items():
            table[train] = own
    return partial(_take, table)


def _take(table: Image, classes: Image) -> Image:
    return table[classes]


def _save(path: Path, array: Image) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, methodcaller("write", bytes(cv2.imencode(".png", array)[1])))
    except OSError as error:
        raise PrerequisiteError(f"cannot write {path}: {error.strerror or error}") from error


def _require_sound(path: Path, size: tuple[int, ...], ids: Ids) -> None:
    """Read a written file again: of the image's size, and only ids that the server knows."""
    table = load_table("cityscapes-ids", folders()).ids
    known = set(table) if ids == "cityscapes-ids" else set(table.values())
    array = read_grey(path)
    if array.shape != size or not set(np.unique(array).tolist()) <= known:
        raise DamagedFile(path, "it was written wrongly: write the submission again")
