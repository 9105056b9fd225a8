"""What decides the images of a configuration, and the names that follow from it. Torch-free."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.generated.prompts import listed
from bench.models.hub import file_sha256

if TYPE_CHECKING:
    from bench.config import GeneratedConfig

VERSION = "1"
"""Of how prompts and seeds are dealt out to images, and of the question that a language model is asked."""
EMBEDDED = "streets"
"""The generator that ships with the suite."""
WEIGHTS = (".safetensors", ".bin")
"""Endings of weights, the ones that loaders prefer first."""
BESIDE = (".json", ".txt", ".jinja", ".model", ".tiktoken")
"""Endings of what else loaders read."""


def settings(config: GeneratedConfig) -> dict[str, Any]:
    """All that decides image i, as JSON values; the number of images does not.

    Of a model on the hub its name, of one in a folder its last part and the sha256 of what loaders read there: no path.
    """
    size = list(config.image_size)
    found: dict[str, Any] = {"version": VERSION, "generator": model_id(config.generator), "image_size": size}
    if config.generator == EMBEDDED:
        from bench.generated import streets

        found["painter"] = streets.VERSION
    else:
        found |= {"inference_steps": config.inference_steps, "guidance": config.guidance}
    if config.llm is not None:
        return found | {"llm": model_id(config.llm), "llm_prompts": config.llm_prompts}
    return found | {"prompts": digest(listed(config.prompts))}


def revision(config: GeneratedConfig) -> str:
    """16 hex digits of the sha256 of `settings`."""
    return _sha16([json.dumps(settings(config), sort_keys=True)])


def folder_name(config: GeneratedConfig) -> str:
    """`<last part of the generator's name>-<12 digits of the revision>`."""
    last = re.sub(r"[^\w.-]+", "_", _last_part(config.generator))
    return f"{last}-{revision(config)[:12]}"


def place(results: Path, config: GeneratedConfig) -> Path:
    """Where the images of a configuration lie for the runs of a results folder: all of its seeds share them."""
    return results / ".runs" / "generated" / folder_name(config)


def digest(prompts: Iterable[str]) -> str:
    """`sha256:<16 hex digits>` of prompts, one a line."""
    return f"sha256:{_sha16(prompts)}"


def model_id(model: str) -> str:
    """A hub's name as it is; of a folder its last part and the sha256 of its content: `tiny@0123456789abcdef`."""
    folder = Path(model).expanduser()
    if model == EMBEDDED or not folder.is_dir():
        return model
    lines = [f"{file.relative_to(folder).as_posix()} {file_sha256(file)}" for file in _read_by_loaders(folder)]
    return f"{_last_part(model)}@{_sha16(lines)}"


def _sha16(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _last_part(model: str) -> str:
    return Path(model).expanduser().name or Path(model).expanduser().resolve().name


def _read_by_loaders(folder: Path) -> list[Path]:
    """The files of a model that `from_pretrained` reads; a clone of a repository has other variants of them, too."""
    files = [file for file in folder.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(folder))]
    found = [file for file in files if file.suffix in BESIDE]
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
