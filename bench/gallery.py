"""Qualitative pictures of trained runs, for the static page: written by the models, read by `bench.report.page`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures

from bench import metrics
from bench.data.corruptions import corrupt
from bench.data.labels import IGNORE, PALETTE
from bench.data.reader import Sample, open_dataset
from bench.data.views import show
from bench.errors import PrerequisiteError, UnknownName, UserError
from bench.predict import Predictor
from bench.report.page.gallery import COLUMNS, ERROR, IMAGE, SCORES, TRUTH, Line, read_scores
from bench.report.scores import SCORED
from bench.result import result_path
from bench.spec import RunSpec, Target
from bench.writing import write_atomically

WIDEST = 1024
"""Pictures wider than this are made smaller, after they were scored; px."""
WRONG, UNLABELLED = (230, 120, 0), (128, 128, 128)
"""Orange and grey, which colour-blind readers tell apart, over the grey image."""
Classes = npt.NDArray[np.uint8]


class Which(NamedTuple):
    """One image of a target."""

    target: str
    number: int
    """From 0, in the data set's order."""

    def __str__(self) -> str:
        return f"{self.target}-{self.number}"


def parse(text: str) -> Which:
    """`harbour:3`. Raises UserError."""
    target, colon, number = text.rpartition(":")
    if not colon or not target or not number.isdecimal():
        raise UserError(f"--sample {text!r}: write TARGET:NUMBER, for instance --sample harbour:0")
    return Which(target, int(number))


def write_sample(
    predictor: Predictor, spec: RunSpec, which: Which, out: Path, data_root: Path | None = None
) -> tuple[Path, Line]:
    """Write the image, its ground truth, and the run's prediction and error; add the run to the sample's scores.

    Returns the folder, ``out/<protocol>/<target>-<number>``, and the line of `scores.csv`, of the image at the size it
    is scored at. Raises UnknownName, UserError (no such image; a folder of another image), DatasetNotFound,
    DamagedFile and PrerequisiteError.
    """
    target = _target(spec, which)
    sample = _sample(target, which.number, data_root)
    height, width = sample.label.shape
    predicted = predictor.classes(sample.image, (height, width))
    matrix = metrics.confusion(predicted, sample.label, len(PALETTE))
    line = Line(
        result_path(spec, Path()).stem,
        spec.method,
        spec.backbone,
        spec.seed,
        round(100 * metrics.miou(matrix, SCORED[spec.classes]), 2),
        round(100 * metrics.pixel_accuracy(matrix), 2),
    )
    folder = out / spec.protocol / str(which)
    truth = _map(sample.label)
    if (folder / TRUTH).is_file() and (folder / TRUTH).read_bytes() != truth:
        raise UserError(f"{folder} holds another image, of other data: delete it and write it again")
    files = {
        IMAGE: _photo(sample.image),
        TRUTH: truth,
        f"{line.run}.png": _map(predicted),
        f"{line.run}{ERROR}": _error(predicted, sample.label),
    }
    scores = folder / SCORES
    known = [each for each in read_scores(scores) if each.run != line.run] if scores.is_file() else []
    files[SCORES] = _table(sorted([*known, line], key=lambda each: (each.method, each.backbone, each.seed, each.run)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, methodcaller("write", content))
    except OSError as error:
        raise PrerequisiteError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder, line


def _target(spec: RunSpec, which: Which) -> Target:
    targets = {target.name: target for target in spec.targets}
    if which.target not in targets:
        raise UnknownName(f"target of protocol {spec.protocol}:", which.target, targets)
    return targets[which.target]


def _sample(target: Target, number: int, data_root: Path | None) -> Sample:
    """The image as evaluation sees it: corrupted, and at the size of the target's view."""
    dataset = open_dataset(target.dataset, target.images, data_root, halved=target.view.halve)
    images = len(dataset) if target.images is None else target.images
    if number >= images:
        raise UserError(f"--sample {target.name}:{number}: it has {images} images, numbered from 0")
    sample = dataset[number]
    if target.corruption is not None and target.severity is not None:
        sample = sample._replace(image=corrupt(sample.image, target.corruption, target.severity, seed=sample.name))
    return show(sample, target.view)


def _photo(image: npt.NDArray[np.uint8]) -> bytes:
    return _encoded(Pictures.fromarray(image), "WEBP", Pictures.Resampling.LANCZOS, quality=85, method=6)


def _map(classes: Classes) -> bytes:
    """Train ids as a palette PNG in the classes' colours; black is not labelled."""
    return _paletted(classes, [colour for row in PALETTE for colour in row], None)


def _error(predicted: Classes, truth: Classes) -> bytes:
    """Where a prediction is wrong (orange), right (nothing), or not scored (grey)."""
    kinds = np.where(truth == IGNORE, 2, predicted != truth).astype(np.uint8)
    colours = [0, 0, 0, *WRONG, *UNLABELLED]
    return _paletted(kinds, colours, 0)


def _paletted(values: npt.NDArray[np.uint8], colours: Sequence[int], transparent: int | None) -> bytes:
    picture = Pictures.fromarray(values).convert("P")
    picture.putpalette([*colours, *[0] * (768 - len(colours))])
    more = {} if transparent is None else {"transparency": transparent}
    return _encoded(picture, "PNG", Pictures.Resampling.NEAREST, optimize=True, **more)


def _encoded(picture: Pictures.Image, kind: str, how: Pictures.Resampling, **options: object) -> bytes:
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), how)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _table(lines: Sequence[Line]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return stream.getvalue().encode()
