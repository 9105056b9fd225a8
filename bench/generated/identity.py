"""What decides the images of a configuration, and the names that follow from it. Torch-free."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.generated.prompts import listed

if TYPE_CHECKING:
    from bench.config import GeneratedConfig

VERSION = "1"
"""Of how prompts and seeds are dealt out to images, and of the question that a language model is asked."""
EMBEDDED = "streets"
"""The generator that ships with the suite."""


def settings(config: GeneratedConfig) -> dict[str, Any]:
    """All that decides image i, as JSON values; the number of images does not.

    Of a model on the hub its name, of one in a folder its last part and the sha256 of what loaders read there: no path.
    """
    size = list(config.image_size)
    found: dict[str, Any] = {"version": VERSION, "generator": config.generator, "image_size": size}
    if config.generator == EMBEDDED:
        from bench.generated import streets

        found["painter"] = streets.VERSION
    else:
        found |= {"inference_steps": config.inference_steps, "guidance": config.guidance}
    if config.llm is not None:
        return found | {"llm": config.llm, "llm_prompts": config.llm_prompts}
    return found | {"prompts": digest(listed(config.prompts))}


def revision(config: GeneratedConfig) -> str:
    """16 hex digits of the sha256 of `settings`."""
    return _sha16([json.dumps(settings(config), sort_keys=True)])


def folder_name(config: GeneratedConfig) -> str:
    """`<last part of the generator's name>-<12 digits of the revision>`."""
    last = re.sub(r"[^\w.-]+", "_", config.generator.rpartition("/")[2])
    return f"{last}-{revision(config)[:12]}"


def place(results: Path, config: GeneratedConfig) -> Path:
    """Where the images of a configuration lie for the runs of a results folder: all of its seeds share them."""
    return results / ".runs" / "generated" / folder_name(config)


def digest(prompts: Iterable[str]) -> str:
    """`sha256:<16 hex digits>` of prompts, one a line."""
    return f"sha256:{_sha16(prompts)}"


def _sha16(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
