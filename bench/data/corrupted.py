"""Corrupted copies of data sets, and what each corruption costs: `python -m bench corrupt`."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

from bench.data.ahead import ahead
from bench.data.corruptions import corrupt, require_corruption
from bench.data.reader import SegmentationDataset
from bench.data.stream import default_workers
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.observer import Observer, Silent
from bench.protocols.corruptions import VERSION, Corrupted
from bench.writing import write_atomically

ROUNDS = 3
STAMP = "corrupted.json"


class Cost(NamedTuple):
    """What corrupting one image takes."""

    name: str
    severity: int
    milliseconds: float
    """Median, of one thread."""


def time_corruptions(dataset: SegmentationDataset, pairs: Sequence[Corrupted]) -> list[Cost]:
    """Each corruption on the data set's first image, timed by turns after a warm-up."""
    sample = dataset[0]
    seconds: dict[Corrupted, list[float]] = {pair: [] for pair in pairs}
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for round_ in range(ROUNDS + 1):
            for pair in pairs:
                began = time.perf_counter()
                corrupt(sample.image, pair.name, pair.severity, sample.name)
                if round_:  # the first compiles
                    seconds[pair].append(time.perf_counter() - began)
    finally:
        cv2.setNumThreads(threads)
    return [Cost(pair.name, pair.severity, 1e3 * median(times)) for pair, times in seconds.items()]


def write_corrupted(
    dataset: SegmentationDataset, pairs: Sequence[Corrupted], folder: Path, observer: Observer | None = None
) -> int:
    """Write `<folder>/<corruption>/<severity>/<image>.png`, lossless, in parallel; returns how many were missing.

    The same pixels that an evaluation sees. Goes on where an earlier call stopped. Raises PrerequisiteError where the
    folder cannot be written or the disk is too small, and DamagedFile for an image that cannot be read.
    """
    observer = observer or Silent()
    for pair in pairs:
        require_corruption(pair.name)
    _require_same(folder, dataset)
    paths = [[_path(folder, pair, name) for pair in pairs] for name in dataset.names]
    left = [index for index, images in enumerate(paths) if not all(path.exists() for path in images)]
    missing = sum(not path.exists() for images in paths for path in images)
    _require_space(folder, dataset, missing)
    observer.start(dataset.name, len(paths), len(paths) - len(left))
    work = partial(_write, dataset, pairs, folder)
    try:
        for _ in ahead(work, left, threads=default_workers()):
            observer.advance(dataset.name)
    except OSError as error:
        raise PrerequisiteError(f"cannot write to {folder}: {error.strerror or error}") from error
    observer.finish(dataset.name)
    return missing


def _write(dataset: SegmentationDataset, pairs: Sequence[Corrupted], folder: Path, index: int) -> None:
    """All corruptions of one image, which is decoded once."""
    sample = dataset[index]
    for pair in pairs:
        path = _path(folder, pair, sample.name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            found = corrupt(sample.image, pair.name, pair.severity, sample.name)
            write_atomically(path, methodcaller("write", bytes(cv2.imencode(".png", found[..., ::-1])[1])))


def _require_same(folder: Path, dataset: SegmentationDataset) -> None:
    """A folder holds one data set, corrupted by one version: what is there of others is not gone on with."""
    mine = {"dataset": dataset.name, "revision": dataset.revision, "corruptions": VERSION}
    path = folder / STAMP
    try:
        if path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != mine:
                raise UserError(f"{folder} holds a copy of something else: choose another folder")
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, methodcaller("write", json.dumps(mine).encode()))
    except ValueError as error:
        raise DamagedFile(path, str(error)) from error
    except OSError as error:
        raise PrerequisiteError(f"cannot write to {folder}: {error.strerror or error}") from error


def _path(folder: Path, pair: Corrupted, name: str) -> Path:
    return folder / pair.name / str(pair.severity) / f"{name}.png"


def _require_space(folder: Path, dataset: SegmentationDataset, images: int) -> None:
    """Noise does not compress: count the raw pixels."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    wanted, free = images * int(np.prod(dataset[0].image.shape)), shutil.disk_usage(there).free
    if wanted > free:
        have = f"{free / 1e9:.0f} GB are free"
        raise PrerequisiteError(f"{images} images take up to {wanted / 1e9:.0f} GB, {have} at {there}")
