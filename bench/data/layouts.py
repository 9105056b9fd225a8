"""Finds a data set's files: which of the known layouts is there, and which label belongs to which image. Torch-free."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.data.cards import FilesCard, Layout, excluded, load_card, require_below
from bench.data.roots import places, user_file_path, variable
from bench.errors import BenchError, DamagedFile, DatasetNotFound, UnknownName

SHOWN = 3
"""So many examples are named in a message."""


class Key(NamedTuple):
    """Which pattern of a layout an image matched, and what its stars stood for."""

    pattern: int
    stars: tuple[str, ...]


Files = dict[Key, Path]


class Item(NamedTuple):
    """One image of a set, and its files."""

    name: str
    """What the stars stood for, joined by slashes, the same in every layout; of several patterns, the image's path."""
    image: Path
    label: Path | None
    anomaly: Path | None
    key: Key


class Problem(NamedTuple):
    """Something wrong with the set as a whole."""

    what: str
    mend: str


class Found(NamedTuple):
    """A data set as it lies on the disk."""

    folder: Path
    told_by: str
    layout: Layout
    items: list[Item]
    """Complete ones, sorted by name."""
    problems: list[Problem]
    left_out: int
    """Images that the exclude list names."""


def locate(card: FilesCard, data_root: Path | None = None) -> Found:
    """The card's set in the first place that has images of it, in the layout that fits best.

    Raises DatasetNotFound, which says where was looked and how to get the data, and DamagedFile for folders and lists
    that cannot be read.
    """
    looked = places(card, data_root)
    near: list[str] = []
    for place in looked:
        if not _is_folder(place.folder):
            continue
        candidates = []
        for layout in card.layouts:
            images, wrong_case = _matches(place.folder, layout.images)
            near += wrong_case
            if images:
                candidates.append(_found(card, place.folder, place.told_by, layout, images, wrong_case))
        if candidates:
            # A set of which some labels are missing is not one without labels.
            marked = [found for found in candidates if found.items and (found.layout.labels or found.layout.anomaly)]
            found = min(marked or candidates, key=lambda found: len(found.problems))
            if data_root is not None and place.told_by != "--data-root":
                log = logging.getLogger(__name__)
                log.warning("%s is not below %s: taken from %s (%s)", card.name, data_root, place.folder, place.told_by)
            return found
    if data_root is not None and any(_matches(data_root, layout.images)[0] for layout in card.layouts):
        name = variable(card.family)
        raise DatasetNotFound(
            f"--data-root {data_root} is the data set itself: give the folder above it, or set {name}"
        )
    raise DatasetNotFound(_not_found(card, [str(place.folder) for place in looked], near))


def require_usable(card: FilesCard, data_root: Path | None = None) -> Found:
    """The card's set, complete and paired. Raises DatasetNotFound naming the first thing that is wrong."""
    found = locate(card, data_root)
    if found.problems:
        first, more = found.problems[0], len(found.problems) - 1
        rest = f" (and {more} more: `python -m bench data check {card.name}`)" if more else ""
        raise DatasetNotFound(f"dataset {card.name} in {found.folder}: {first.what}; {first.mend}{rest}")
    return found


def missing(names: Iterable[str], data_root: Path | None = None) -> dict[str, str]:
    """Those of the data sets that cannot be used, and why: nothing is read but folders."""
    found = {}
    for name in dict.fromkeys(names):
        try:
            card = load_card(name)
            if isinstance(card, FilesCard):
                require_usable(card, data_root)
        except (DatasetNotFound, UnknownName) as error:
            found[name] = str(error)
    return found


def starred(patterns: Sequence[str], key: Key) -> str:
    """The key's pattern with what its stars stand for."""
    stars = iter(key.stars)
    return re.sub(r"\*", lambda _: next(stars), patterns[key.pattern])


def _found(card: FilesCard, folder: Path, told_by: str, layout: Layout, images: Files, wrong_case: list[str]) -> Found:
    problems = []
    if layout.list:
        images, missing = _listed(folder / layout.list, layout.list_key, images)
        if missing:
            what = f"{layout.list} names {_count(missing, 'image')} that are not there: {_some(missing)}"
            problems.append(Problem(what, "unpack the data set's archives again"))
    keys = {_name(layout, key): key for key in images}
    names = sorted(keys)
    if len(keys) < len(images):
        twice = [str(path) for key, path in images.items() if keys[_name(layout, key)] != key]
        problems.append(Problem(f"two images of one name: {_some(twice)} and another", "delete the copies"))
    if card.part is not None:
        names = [name for place, name in enumerate(names) if place % card.part.of in card.part.keep]
    left = excluded(card)
    complete, names = len(names), [name for name in names if name not in left]
    left_out = complete - len(names)
    if card.count is not None and complete != card.count:
        mend = "unpack the data set's archives again; `--datasets-dir` takes a card of your own for a part of it"
        problems.append(Problem(f"{_count(range(complete), 'image')} where the complete set has {card.count}", mend))
    if not names:
        problems.append(Problem("no image is left", f"see {layout.list or layout.images[0]} and the exclude list"))
    labels, labels_case = _matches(folder, layout.labels)
    masks, masks_case = _matches(folder, layout.anomaly)
    if wrong := wrong_case + labels_case + masks_case:
        what = f"{_count(wrong, 'file')} would match but for upper or lower case: {_some(wrong)}"
        problems.insert(0, Problem(what, "rename them"))
    for what, patterns, files in (("label", layout.labels, labels), ("anomaly mask", layout.anomaly, masks)):
        without = [name for name in names if patterns and keys[name] not in files]
        if without:
            expected = starred(patterns, keys[without[0]])
            text = f"{_count(without, 'image')} without {what}: {_some(without)}; expected {expected}"
            problems.append(Problem(text, "unpack the label archive into the same folder"))
            names = [name for name in names if keys[name] in files]
    pairs = [(name, keys[name]) for name in names]
    items = [Item(name, images[key], labels.get(key), masks.get(key), key) for name, key in pairs]
    return Found(folder, told_by, layout, items, problems, left_out)


def _name(layout: Layout, key: Key) -> str:
    if len(layout.images) == 1:
        return "/".join(key.stars)
    return starred(layout.images, key).rpartition(".")[0]


def _matches(folder: Path, patterns: Sequence[str]) -> tuple[Files, list[str]]:
    """What matches, and what would match if case did not matter. Raises DamagedFile."""
    near: list[str] = []
    found = {
        Key(place, stars): path
        for place, pattern in enumerate(patterns)
        for stars, path in _walk(folder, pattern.split("/"), near)
    }
    return found, near


def _walk(folder: Path, pieces: list[str], near: list[str]) -> Iterable[tuple[tuple[str, ...], Path]]:
    """What matches below `folder`, a level for each piece of the pattern: no link can make it run in circles."""
    piece, rest = pieces[0], pieces[1:]
    if "*" not in piece:
        path = folder / piece
        if rest and _is_folder(path):
            yield from _walk(path, rest, near)
        elif not rest and path.is_file():
            yield (), path
        return
    shape = "([^/]*)".join(re.escape(text) for text in piece.split("*"))
    exact, loose = re.compile(shape), re.compile(shape, re.IGNORECASE)
    for entry in _entries(folder):
        match = exact.fullmatch(entry)
        path = folder / entry
        if match is None:
            if not rest and loose.fullmatch(entry):
                near.append(str(path))
        elif not rest:
            yield match.groups(), path
        elif _is_folder(path):
            yield from ((match.groups() + stars, deeper) for stars, deeper in _walk(path, rest, near))


def _entries(folder: Path) -> list[str]:
    """Names in a folder, sorted, hidden ones left out. Raises DamagedFile."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise DamagedFile(folder, f"the folder cannot be read: {error.strerror or error}") from error


def _is_folder(path: Path) -> bool:
    """Whether `path` is a folder; a link that leads nowhere, or in a circle, is an error. Raises DamagedFile."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise DamagedFile(path, f"the link leads to {os.readlink(path)}, which is not there") from None
        return False
    except OSError as error:
        raise DamagedFile(path, f"cannot be followed: {error.strerror or error}") from error
    return path.is_dir()


def _listed(path: Path, key: str, images: Files) -> tuple[Files, list[str]]:
    """The images that a list file names, and what it names that is not there. Raises DamagedFile."""
    try:
        lines = _numbers(path, key) if path.suffix == ".mat" else _lines(path)
    except BenchError:
        raise
    except FileNotFoundError:
        raise DatasetNotFound(f"the list {path} is missing: it comes with the data set") from None
    except Exception as error:  # scipy raises half a dozen kinds for a broken .mat
        raise DamagedFile(path, f"{type(error).__name__}: {error}") from error
    by_end: dict[str, list[Key]] = {}
    for found, image in images.items():
        pieces = image.with_suffix("").parts
        for depth in range(1, len(pieces)):
            by_end.setdefault("/".join(pieces[-depth:]), []).append(found)
    ends = [re.sub(r"\.(png|jpg|jpeg)$", "", line, flags=re.IGNORECASE) for line in lines]
    for line, end in zip(lines, ends, strict=True):
        if len(by_end.get(end, [])) > 1:
            raise DamagedFile(path, f"{line} may be {' or '.join(str(images[key]) for key in by_end[end][:2])}")
    chosen = {by_end[end][0]: images[by_end[end][0]] for end in ends if end in by_end}
    return chosen, [line for line, end in zip(lines, ends, strict=True) if end not in by_end]


def _lines(path: Path) -> list[str]:
    lines = [line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines()]
    named = [words[0].removeprefix("./") for words in lines if words]
    for name in named:
        try:
            require_below(name)
        except ValueError as error:
            raise DamagedFile(path, str(error)) from error
    return named


def _numbers(path: Path, key: str) -> list[str]:
    from scipy.io import loadmat

    found = loadmat(path)
    for name in key.split():
        if name not in found:
            raise DamagedFile(path, f"it has no {name!r} (it has: {', '.join(has for has in found if has[0] != '_')})")
    return [f"{int(number):05d}" for name in key.split() for number in found[name].ravel()]


def _not_found(card: FilesCard, looked: Sequence[str], near: Sequence[str]) -> str:
    how = " ".join(card.source.split())
    if near:
        return f"dataset {card.name}: only files that differ in upper or lower case: {_some(near)}; rename them"
    if not looked:
        said = f"say where it is with --data-root, {variable(card.family)} or {user_file_path()}"
        return f"dataset {card.name} is not there: {said}; get it from {how}"
    there = [folder for folder in looked if Path(folder).is_dir()]
    if there:
        return f"dataset {card.name}: {there[0]} has no image {card.layouts[0].images[0]}; get it from {how}"
    return f"dataset {card.name} is not there (looked at {_some(looked)}); get it from {how}"


def _count(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'s' if len(things) != 1 else ''}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
