"""Is a folder the one that result files are in, rather than one inside or around it? Imports no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bench.errors import DamagedFile, UserError
from bench.result import read_result, result_path

_NAME = re.compile(r"[0-9a-f]{12}-s[0-9]+\.json")
_DEPTH = 4
"""Parts of a result's path: protocol, backbone, method, file."""


def require_root(root: Path) -> None:
    """Raise UserError where `root` is no folder, or where all its result files say that another one is their root."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}" if not root.exists() else f"{root} is a file: give its folder")
    if holds_results(root):
        return
    for path in sorted(root.rglob("*.json")):
        inside = path.relative_to(root)
        if _NAME.fullmatch(path.name) and not any(part.startswith(".") for part in inside.parts):
            place = _place(path)
            if place is not None and path.absolute().parts[-_DEPTH:] == place.parts:
                other = path.absolute().parents[_DEPTH - 1]
                what = "only a part of a folder of results" if len(inside.parts) < _DEPTH else "around the results"
                raise UserError(f"{root} is {what}: give {other if root.is_absolute() else os.path.relpath(other)}")


def holds_results(folder: Path) -> bool:
    """Whether files lie below it where results do."""
    return any(_NAME.fullmatch(path.name) for path in folder.glob("[!.]*/*/*/*.json"))


def _place(path: Path) -> Path | None:
    """Where a file's content belongs, below the folder of results."""
    try:
        return result_path(read_result(path).spec, Path())
    except (DamagedFile, OSError):
        return None
