"""The clean counts of the very images that a sweep corrupted, where more of them were scored clean. Imports no torch.

A protocol may corrupt the first images of a set of which it scores all: their own clean counts then lie in the file of
single images' counts beside the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.per_image import per_image_path, read_per_image
from bench.result import RunResult
from bench.spec import Target, View


class Images(NamedTuple):
    """The images of one evaluation set; two of a run that are equal are of the same images."""

    file_list_hash: str
    view: View
    dataset: str
    left_out: int
    images: int


def images_of(result: RunResult, target: Target) -> Images:
    """The images that a target of a run was scored on."""
    found = result.targets[target.name]
    return Images(found.file_list_hash, target.view, target.dataset, found.left_out, found.images)


def is_beginning(part: Images, whole: Images) -> bool:
    """Whether `part` is the first images of `whole`: a target that has not all images of its set has its first."""
    same = (part.dataset, part.view, part.left_out) == (whole.dataset, whole.view, whole.left_out)
    return same and part.images < whole.images


def first_counts(result: RunResult, clean: str, corrupted: str, path: Path) -> npt.NDArray[np.int64] | None:
    """The confusion matrix of target `clean` on the images of target `corrupted` alone, which are its first.

    `path` is the result's JSON; the arrays beside it are opened here, and only this one read. None where they are not
    there, or where the images show other pixels of each class than the corrupted ones. Raises DamagedFile for counts
    that are not this result's.
    """
    if not per_image_path(path).exists():
        return None
    part = result.targets[corrupted]
    counts = read_per_image(path, result, [clean])[clean]
    first = counts[: part.images].sum(axis=0, dtype=np.int64)
    truth = part.confusion.sum(axis=1)  # corrupting changes no label
    return first if np.array_equal(first.sum(axis=1), truth) else None
