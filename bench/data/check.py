"""Is a data set usable? Looks at the folder, the pairs and the files, and says what is wrong and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.data.ahead import ahead
from bench.data.cards import FilesCard, Layout, exclude_path, load_files_card
from bench.data.files import loader
from bench.data.labels import CLASSES
from bench.data.layouts import Item, Problem, locate
from bench.data.reader import Sample
from bench.data.stream import default_workers
from bench.errors import DamagedFile, DatasetNotFound, PrerequisiteError, UserError
from bench.observer import Observer, Silent

SAMPLED = 25
"""Images that are read unless all are asked for, spread evenly over the set."""


TOO_MANY = "is this the original, may it be read, and are the card's table and decoder right?"
"""What to ask where more than a few files are damaged."""


def _too_many(damaged: int, read: int) -> bool:
    return damaged > max(1, read // 10)


class FileCheck(NamedTuple):
    """What reading one image and its label told."""

    name: str
    size: tuple[int, int]
    """Height, width."""
    pixels: dict[str, int]
    """Class -> labelled pixels."""
    problem: str
    """Empty where there is none."""


class Check(NamedTuple):
    """All that is known of a data set on this machine."""

    name: str
    usable: bool
    folder: str
    told_by: str
    layout: str
    labelled: bool
    """Whether this layout has labels or anomaly masks."""
    images: int
    """Complete ones: with their label where the set has labels."""
    expected: int | None
    left_out: int
    """By the exclude list."""
    read: int
    sizes: dict[str, int]
    """"width x height" -> how many of the images read."""
    classes: dict[str, float]
    """Class -> percent of the labelled pixels read."""
    problems: list[Problem]
    damaged: dict[str, str]
    """Image -> what is wrong with its files."""


def check(name: str, data_root: Path | None = None, *, full: bool = False, observer: Observer | None = None) -> Check:
    """Check the data set of card `name`: every file if `full`, else a sample. Raises UnknownName and UserError.

    A data set that is not there, or cannot be listed, is a finding like any other.
    """
    card = load_files_card(name)
    try:
        found = locate(card, data_root)
        load = partial(_check_file, loader(card, found))
    except (DatasetNotFound, DamagedFile) as error:
        return Check(name, False, "", "", "", False, 0, card.count, 0, 0, {}, {}, [Problem(str(error), "")], {})
    items = found.items if full else _spread(found.items)
    checks = _read(load, items, observer or Silent(), name)
    damaged = {one.name: one.problem for one in checks if one.problem}
    problems = [*found.problems, *_of_files(card, found.layout, checks, damaged)]
    pixels: Counter[str] = Counter()
    for one in checks:
        pixels.update(one.pixels)
    total = max(1, pixels.total())
    return Check(
        name=name,
        usable=not problems,
        folder=str(found.folder),
        told_by=found.told_by,
        layout=found.layout.name,
        labelled=bool(found.layout.labels or found.layout.anomaly),
        images=len(found.items),
        expected=card.count,
        left_out=found.left_out,
        read=len(items),
        sizes=dict(Counter(f"{width} x {height}" for _, (height, width), _, problem in checks if not problem)),
        classes={known: 100 * pixels[known] / total for known in CLASSES if pixels[known]},
        problems=problems,
        damaged=damaged,
    )


def write_exclude_list(result: Check) -> Path:
    """Add the damaged images to the exclude list; every run's identity and results then say that they are left out.

    Raises PrerequisiteError where it cannot be written, UserError where so many are damaged that something else is.
    """
    if _too_many(len(result.damaged), result.read):
        raise UserError(f"{len(result.damaged)} of {result.read} images are damaged: {TOO_MANY}; nothing was excluded")
    path = exclude_path(load_files_card(result.name))
    known = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = [f"{name} # {reason}" for name, reason in sorted(result.damaged.items())]
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([*known, *lines]) + "\n", encoding="utf-8")
    except OSError as error:
        raise PrerequisiteError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def render(result: Check) -> str:
    """The check for the eyes."""
    expected = "" if result.expected is None else f" of {result.expected}"
    lines = [f"{result.name}: {'usable' if result.usable else 'NOT usable'}"]
    if result.folder:
        lines += [
            f"  folder   {result.folder} (told by {result.told_by}), layout {result.layout}",
            f"  images   {result.images}{expected}, {result.left_out} left out by the exclude list",
            f"  read     {result.read}: {', '.join(f'{n} of {size}' for size, n in result.sizes.items()) or 'none'}",
        ]
    if result.folder and not result.labelled:
        lines.append("  labels   none here: it cannot be scored, but submitted where a server holds them")
    if result.classes:
        lines.append("  labels   " + ", ".join(f"{name} {share:.1f}%" for name, share in result.classes.items()))
    for problem in result.problems:
        lines.append(f"  PROBLEM  {problem.what}" + (f"\n           {problem.mend}" if problem.mend else ""))
    lines += [f"  damaged  {name}: {reason}" for name, reason in result.damaged.items()]
    return "\n".join(lines)


def document(result: Check) -> dict[str, Any]:
    """The check for machines."""
    return result._asdict() | {"problems": [problem._asdict() for problem in result.problems]}


def _read(load: partial[FileCheck], items: Sequence[Item], observer: Observer, name: str) -> list[FileCheck]:
    observer.start(name, len(items))
    checks = []
    for one in ahead(load, items, threads=default_workers()):
        checks.append(one)
        observer.advance(name)
    observer.finish(name)
    return checks


def _check_file(load: Callable[[Item], Sample], item: Item) -> FileCheck:
    try:
        sample = load(item)
    except DamagedFile as error:
        return FileCheck(item.name, (0, 0), {}, f"{error.path.name}: {error.reason}")
    counts = np.bincount(sample.label.ravel(), minlength=256)
    height, width = sample.label.shape
    return FileCheck(item.name, (height, width), {name: int(counts[i]) for i, name in enumerate(CLASSES)}, "")


def _of_files(card: FilesCard, layout: Layout, checks: Sequence[FileCheck], damaged: dict[str, str]) -> list[Problem]:
    """What the files read say about the set."""
    problems = []
    if damaged:
        known = f" (known: {card.defects})" if card.defects else ""
        mend = f"`data check {card.name} --full --write-exclude` leaves them out, and every result says so"
        mend = TOO_MANY if _too_many(len(damaged), len(checks)) else mend
        problems.append(Problem(f"{len(damaged)} of {len(checks)} images read are damaged{known}", mend))
    other = [one for one in checks if card.size and not one.problem and one.size != card.size]
    if other and card.size:
        sizes = [f"{width} x {height}" for height, width in (other[0].size, card.size)]
        what = f"{len(other)} images are not of the size of this set: {other[0].name} is {sizes[0]}, not {sizes[1]}"
        problems.append(Problem(what, "this is a resized copy: get the original"))
    sound = [one for one in checks if not one.problem]
    if layout.labels and sound and not any(any(one.pixels.values()) for one in sound):
        problems.append(Problem("no label has a pixel that is scored", "the labels are of another kind"))
    return problems


def _spread(items: Sequence[Item]) -> list[Item]:
    if len(items) <= SAMPLED:
        return list(items)
    places = np.linspace(0, len(items) - 1, SAMPLED).round().astype(int)
    return [items[place] for place in places]
