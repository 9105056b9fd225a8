"""Where a card's weights are: given, shipped, in a folder, in the hub's cache, or to be had from the hub. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from bench.errors import DamagedFile, PrerequisiteError
from bench.models.card import BackboneCard

WEIGHTS_FOLDER = "DGSS_BENCH_WEIGHTS"
"""Environment variable: the folder of weights that do not ship with the suite."""
MODELS = Path(__file__).parent
HUB_FILE = "model.safetensors"
CONNECT_SECONDS = 5.0


def weights_path(card: BackboneCard, given: Path | None = None) -> Path:
    """The file of the card's weights; `given` is what the user names: a file, or a folder with `model.safetensors`.

    Taken from the hub where it can be reached. Raises PrerequisiteError, saying how to get them, when there are none.
    """
    if given is not None:
        path = given / HUB_FILE if given.is_dir() else given
        if not path.is_file():
            missing = f"no {HUB_FILE} in this folder" if given.is_dir() else "no such file"
            raise PrerequisiteError(f"--weights {given}: there is {missing}")
        return path
    if card.shipped:
        path = MODELS / card.weights
        if not path.is_file():
            raise PrerequisiteError(
                f"weights of {card.name} not found at {path}: restore them from the repository, "
                "or ask for an untrained backbone with --set weights=random"
            )
        return path
    path = _folder() / (card.weights or f"{card.name}.safetensors")
    if path.is_file():
        return path
    found = from_hub(card.hub) if card.hub else None
    if found is None:
        raise PrerequisiteError(_advice(card, path))
    return found


def weights_id(card: BackboneCard, given: Path | None = None) -> str:
    """`sha256:<hex>` of the weights a run with this card uses; PrerequisiteError when there are none."""
    path = weights_path(card, given)
    return f"sha256:{expected_sha256(card, given) or file_sha256(path)}"


def expected_sha256(card: BackboneCard, given: Path | None = None) -> str:
    """The checksum the weights must have: the card's, unless the user names a file of their own; empty for any."""
    if given is not None:
        return ""
    return card.sha256 or (shipped_sha256(card) if card.shipped else "")


def file_sha256(path: Path) -> str:
    """sha256 of a file, 64 hex digits, read once per (path, size, time of change)."""
    status = path.stat()
    return _file_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _file_sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    return Path(os.environ.get(WEIGHTS_FOLDER) or "~/.cache/dgss-bench/weights").expanduser()


def hub_is_reachable() -> bool:
    """Whether a connection to the hub can be made at all: without one its client tries again for half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if getproxies():
        return True  # a direct connection would say nothing
    address = urlsplit(constants.ENDPOINT)
    try:
        with socket.create_connection((address.hostname, address.port or 443), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False


def from_hub(repository: str, file: str = HUB_FILE) -> Path | None:
    """The hub's file, from its cache or by download; None where neither works."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    if not hub_is_reachable():
        return None
    try:
        return Path(hf_hub_download(repository, file))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None


def _advice(card: BackboneCard, path: Path) -> str:
    online = f"with a network, `hf download {card.hub} {HUB_FILE}`" if card.hub else f"get them from {card.source}"
    return (
        f"weights of {card.name} not found: {online}; without, put the file at {path} (folder: {WEIGHTS_FOLDER}), "
        "or name it with --weights PATH; untrained: --set weights=random; included: --backbone eva02-mini, clip-mini"
    )


def shipped_sha256(card: BackboneCard, of: str = "sha256") -> str:
    """The checksum in the small card that pre-training writes beside its weights; empty where there is none yet.

    `of` is the key: `text_sha256` for those of a text tower. Raises DamagedFile.
    """
    path = (MODELS / card.weights).with_suffix(".json")
    if not path.is_file():
        return ""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))[of])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(path, f"no {of}: {error}") from error
