"""The counts of single images that lie beside a result file: what a bootstrap resamples. Imports no torch.

An .npz with one array for each target, int32 (images, classes, classes). Whoever reads an array gets it checked against
the result's own matrix; what nobody asks for is not unpacked.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.errors import DamagedFile, Mismatch

if TYPE_CHECKING:
    from bench.result import RunResult

PerImage = Mapping[str, npt.NDArray[np.integer[Any]]]
"""Target -> (images, classes, classes) counts."""
Counts = npt.NDArray[np.int32]


def per_image_path(path: Path) -> Path:
    """The .npz beside a result file."""
    return path.with_suffix(".npz")


def read_per_image(path: Path, result: RunResult, only: Iterable[str] | None = None) -> dict[str, Counts]:
    """Per-image confusions of ``result`` (whose JSON is ``path``), (images, classes, classes) each.

    `only` names the targets that are wanted; None for all. Raises DamagedFile when they are missing or unreadable,
    Mismatch when they do not add up to the result's matrices.
    """
    source = per_image_path(path)
    names = list(result.targets) if only is None else list(only)
    try:
        with np.load(source, allow_pickle=False) as archive:
            arrays = {name: _counts(archive[name]) for name in names}
    except Exception as error:  # numpy and zipfile raise half a dozen kinds for a broken archive
        raise DamagedFile(source, f"{type(error).__name__}: {error}") from error
    for name, counts in arrays.items():
        target = result.targets[name]
        if len(counts) != target.images:
            numbers = f"{len(counts)} images in the one, {target.images} in the other"
            raise Mismatch(source, path, f"{name!r} does not add up, {numbers}")
        if not np.array_equal(counts.sum(axis=0, dtype=np.int64), target.confusion):
            raise Mismatch(source, path, f"{name!r} does not add up to its matrix")
    return arrays


def _counts(array: npt.NDArray[Any]) -> Counts:
    if array.dtype.kind not in "iu":
        raise ValueError(f"counts are whole numbers, not {array.dtype}")
    return np.asarray(array, dtype=np.int32)


def names_in(path: Path) -> list[str]:
    """What the archive beside ``path`` has arrays of."""
    with zipfile.ZipFile(per_image_path(path)) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def check_contents(path: Path, result: RunResult) -> None:
    """Whether the archive beside ``path`` is whole and has an array as large as it must be for each target.

    Reads its table of contents alone. Raises DamagedFile.
    """
    source = per_image_path(path)
    try:
        with zipfile.ZipFile(source) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise DamagedFile(source, f"{type(error).__name__}: {error}") from error
    for name, target in result.targets.items():
        least = target.images * len(target.confusion) ** 2  # of bytes; the type is seen when it is read
        if f"{name}.npy" not in sizes:
            raise DamagedFile(source, f"{name!r} is not there")
        if sizes[f"{name}.npy"] < least:
            raise Mismatch(source, path, f"{name!r} is of fewer images in the one than {target.images}")
