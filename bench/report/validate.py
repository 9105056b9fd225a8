"""Is a folder of results fit to be committed? What `python -m bench results validate` checks. Imports no torch.

Each file by itself: its schema, that its path is its content's (so no run is there twice), that its matrices, bins and
counts of single images agree. Then what no file can say alone: that runs which name the same list of images have the
same labels, that every image of a data set was scored, and that the leaderboards beside them follow from them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.data import cards
from bench.errors import DamagedFile, UserError
from bench.per_image import per_image_path
from bench.report.board import leaderboard, write_board
from bench.report.scored import score_all
from bench.result import RunResult, each_result, result_path
from bench.spec import Target

LEADERBOARDS = "leaderboard.*"


class Validated(NamedTuple):
    """What was checked, and what is wrong."""

    files: int
    archives: int
    problems: list[str]
    """One line each."""


class _Labels(NamedTuple):
    """What a list of images has, whatever the run."""

    images: int
    pixels: tuple[int, ...]
    """Of each class in the truth."""
    path: Path


def validate(root: Path) -> Validated:
    """Check every file below `root`. Raises UserError where there is no such folder."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}")
    problems: list[str] = []
    sound: list[RunResult] = []
    for found in each_result(root, per_image=True):
        if isinstance(found, DamagedFile):
            problems.append(str(found))
        else:
            sound.append(found)
    labels: dict[tuple[str, ...], _Labels] = {}
    archives = 0
    for result in sound:
        path = result_path(result.spec, root)
        problems += [f"{path}: {what}" for what in (*_alone(result), *_among(result, path, labels))]
        archives += per_image_path(path).exists()
        if not per_image_path(path).exists():
            problems.append(f"{path}: the counts of single images are not beside it ({per_image_path(path).name})")
    problems += [str(path) + ": no result of that name is beside it" for path in _strays(root)]
    return Validated(len(sound), archives, problems + list(_leaderboards(root, sound)))


def _alone(result: RunResult) -> Iterator[str]:
    """What is wrong with one result that its schema does not see."""
    if result.state != "complete":
        missing = [target.name for target in result.spec.targets if target.name not in result.targets]
        yield f"it is not complete: {', '.join(missing) or 'its cost'} is missing"
    known = set(cards.names())
    for target in result.spec.targets:
        found = result.targets.get(target.name)
        if found is None:
            continue
        if found.group != target.group:
            yield f"target {target.name!r} is of group {found.group}, in the specification of {target.group}"
        if found.images < 1 or not found.confusion.any():
            yield f"target {target.name!r} has no labelled pixel"
        wanted = _images(target, found.left_out, known)
        if wanted is not None and found.images != wanted:
            yield f"target {target.name!r} has {found.images} images, not {wanted} ({found.left_out} are left out)"


def _images(target: Target, left_out: int, known: set[str]) -> int | None:
    """How many images a target must have; None where the size of its data set is not known."""
    if target.dataset not in known:
        return None
    card = cards.load_card(target.dataset)
    count = card.count if isinstance(card, cards.FilesCard) else card.images
    if count is None:
        return None
    return count - left_out if target.images is None else min(target.images, count - left_out)


def _among(result: RunResult, path: Path, labels: dict[tuple[str, ...], _Labels]) -> Iterator[str]:
    """Where its labels are not those that another run has of the same images."""
    for target in result.spec.targets:
        found = result.targets.get(target.name)
        if found is None:
            continue
        revision = result.spec.data.get(target.dataset, "")
        key = (found.file_list_hash, target.dataset, revision, target.view.model_dump_json())
        pixels = found.confusion.sum(axis=1)
        mine = _Labels(found.images, tuple(pixels.tolist()), path)
        first = labels.setdefault(key, mine)
        if mine[:2] != first[:2]:
            yield f"target {target.name!r} names the same images as {first.path}, and has other labels"


def _strays(root: Path) -> list[Path]:
    """Archives without a result, and what was moved aside."""
    found = [path for path in sorted(root.rglob("*.npz")) if not path.with_suffix(".json").exists()]
    found += sorted(root.rglob("*.damaged*"))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]


def _leaderboards(root: Path, sound: list[RunResult]) -> Iterator[str]:
    """The leaderboards that are there, and are not what the results give."""
    there = {path.name: path for path in sorted(root.glob(LEADERBOARDS))}
    if not there:
        return
    with tempfile.TemporaryDirectory() as folder:
        made = write_board(leaderboard(score_all(sound, root)), Path(folder))
        for path in made:
            if path.name not in there or there[path.name].read_bytes() != path.read_bytes():
                yield f"{root / path.name}: not what the results give: run `python -m bench report`"
