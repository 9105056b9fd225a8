"""Models named by a folder: what a run's identity says of them, and where this process finds them. Torch-free."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from bench.models.hub import file_sha256

WEIGHTS = (".safetensors", ".bin")
"""Endings of weights, the ones that loaders prefer first."""
BESIDE = (".json", ".txt", ".jinja", ".model", ".tiktoken")
"""Endings of what else loaders read."""
NOTES = ("provenance.json",)
"""Files with such an ending that say how a model was made, and decide nothing."""
_FOLDERS: dict[str, str] = {}
"""Where the models named in this process lie: paths are no part of a run's identity."""


def recorded(model: str, embedded: tuple[str, ...] = ()) -> str:
    """A hub's name as it is; of a folder its last part and the sha256 of its content: `tiny@0123456789abcdef`.

    `located` knows the folder from then on. The names of what ships with the suite, `embedded`, are never folders.
    """
    folder = Path(model).expanduser()
    if model in embedded or not folder.is_dir():
        return model
    lines = [f"{file.relative_to(folder).as_posix()} {file_sha256(file)}" for file in _read_by_loaders(folder)]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    name = f"{folder.name or folder.resolve().name}@{digest}"
    _FOLDERS[name] = str(folder)
    return name


def located(model: str) -> str:
    """The folder of a recorded name, where this process has been told of it; else the name itself."""
    return _FOLDERS.get(model, model)


def _read_by_loaders(folder: Path) -> list[Path]:
    """The files of a model that `from_pretrained` reads; a clone of a repository has other variants of them, too."""
    files = [file for file in folder.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(folder))]
    found = [file for file in files if file.suffix in BESIDE and file.name not in NOTES]
    pipeline = (folder / "model_index.json").is_file()
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        plain = not re.search(r"\.(fp16|bf16|non_ema)[.-]", file.name)
        if file.suffix in WEIGHTS and plain and not (pipeline and file.parent == folder):
            by_folder.setdefault(file.parent, []).append(file)
    for beside in by_folder.values():
        preferred = min((file.suffix for file in beside), key=WEIGHTS.index)
        found += [file for file in beside if file.suffix == preferred]
    return sorted(found)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
