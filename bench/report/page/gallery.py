"""Qualitative pictures that were written beforehand (`python -m bench gallery`). Torch-free, opens no picture.

``<results>/gallery/<protocol>/<target>-<number>/`` holds `image.webp`, `truth.png`, for each run `<run>.png` (what it
predicts) and `<run>.error.png` (where that is wrong), and `scores.csv`, which says whose they are.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import DamagedFile

FOLDER = "gallery"
IMAGE, TRUTH, SCORES, ERROR = "image.webp", "truth.png", "scores.csv", ".error.png"
COLUMNS = ("run", "method", "backbone", "seed", "miou", "pixel_accuracy")
RUN = re.compile(r"[0-9a-f]{12}-s\d+")


class Line(NamedTuple):
    """One line of scores.csv: a run, and what it scores on this image, in percent."""

    run: str
    method: str
    backbone: str
    seed: int
    miou: float
    pixel_accuracy: float


def read_scores(path: Path) -> list[Line]:
    """The lines of a `scores.csv`. Raises DamagedFile."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
        found = [
            Line(
                row["run"],
                row["method"],
                row["backbone"],
                int(row["seed"]),
                float(row["miou"]),
                float(row["pixel_accuracy"]),
            )
            for row in rows
        ]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(path, f"not a table of {', '.join(COLUMNS)}: {error}") from error
    wrong = [line.run for line in found if not RUN.fullmatch(line.run)]
    if wrong:
        raise DamagedFile(path, f"{wrong[0]!r} names no run")
    return found


class Gallery(NamedTuple):
    """What is there."""

    samples: list[dict[str, Any]]
    """Plain data for the page: protocol, name, folder, runs."""
    problems: list[DamagedFile]


def read_gallery(root: Path) -> Gallery:
    """Every sample below ``root/gallery``, sorted; samples that miss a file are problems, and left out."""
    samples: list[dict[str, Any]] = []
    problems: list[DamagedFile] = []
    for path in sorted((root / FOLDER).glob(f"*/*/{SCORES}")):
        folder = path.parent
        try:
            lines = read_scores(path)
            files = [IMAGE, TRUTH, *(name for line in lines for name in (f"{line.run}.png", f"{line.run}{ERROR}"))]
            absent = [name for name in files if not (folder / name).is_file()]
            if absent:
                raise DamagedFile(folder / absent[0], "the gallery names it, and it is not there")
        except DamagedFile as error:
            problems.append(error)
            continue
        target, _, number = folder.name.rpartition("-")
        where = folder.relative_to(root).as_posix()
        about = {"protocol": folder.parent.name, "target": target, "number": int(number) if number.isdigit() else 0}
        samples.append(
            {
                "id": f"{folder.parent.name}/{folder.name}",
                "folder": where,
                **about,
                "runs": [line._asdict() for line in lines],
                "files": files,
            }
        )
    return Gallery(samples, problems)
