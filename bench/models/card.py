"""Backbone cards: which architecture, with which weights, seen through which normalisation. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import DamagedFile, PrerequisiteError, UnknownName, what_is_wrong

MODELS = Path(__file__).parent
CARDS = MODELS / "cards"
WEIGHTS_FOLDER = "DGSS_BENCH_WEIGHTS"
"""Environment variable: the folder of weights that do not ship with the suite."""

Triple = tuple[float, float, float]


class BackboneCard(BaseModel):
    """What the suite knows of a backbone. `mean` and `std` are for RGB in [0, 1]; sizes are in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    family: str
    loader: Literal["timm"] = "timm"
    architecture: str
    """A timm model name, or the name of one of timm's classes (`Eva`, `VisionTransformer`)."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    patch_size: int
    img_size: tuple[int, int]
    """Size the position embedding and rotary tables are made for; any other size is interpolated to."""
    out_indices: tuple[int, int, int, int]
    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)
    resize: Literal["bicubic"] = "bicubic"
    """How patch kernels and position embeddings of another size are resized when loading."""
    weights: str
    """File below this package, or, for weights that are not shipped, in the folder of the environment variable."""
    shipped: bool = False
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Empty: the file's own hash is taken, whatever it is, and recorded."""
    source: str = ""
    """Where the weights come from."""
    licence: str = ""
    pretraining: str = ""

    def config(self) -> dict[str, Any]:
        """What of the card decides the features, as JSON values: goes into the run's identity."""
        return self.model_dump(
            mode="json",
            include={"architecture", "kwargs", "patch_size", "img_size", "out_indices", "mean", "std", "resize"},
        )


def names() -> list[str]:
    """Names of all backbone cards, sorted."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def load_card(name: str) -> BackboneCard:
    """The card of that exact name; UnknownName (with a suggestion), or DamagedFile when it does not parse."""
    path = CARDS / f"{name}.toml"
    if name not in names():
        raise UnknownName("backbone", name, names())
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        card = BackboneCard.model_validate({"name": name, **fields})
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error
    if card.shipped and not card.sha256:
        card = card.model_copy(update={"sha256": _shipped_sha256(card)})
    return card


def weights_path(card: BackboneCard) -> Path:
    """Where the card's weights lie; PrerequisiteError, saying how to get them, when they do not."""
    if card.shipped:
        path, advice = MODELS / card.weights, "restore it from the repository"
    else:
        folder = Path(os.environ.get(WEIGHTS_FOLDER) or "~/.cache/dgss-bench/weights").expanduser()
        path, advice = folder / card.weights, f"get it from {card.source} (folder: {WEIGHTS_FOLDER})"
    if not path.is_file():
        raise PrerequisiteError(
            f"weights of {card.name} not found at {path}: {advice}, "
            "or ask for an untrained backbone with --set weights=random"
        )
    return path


def weights_id(card: BackboneCard) -> str:
    """`sha256:<hex>` of the weights a run with this card uses; PrerequisiteError when there are none."""
    path = weights_path(card)
    return f"sha256:{card.sha256 or file_sha256(path)}"


def file_sha256(path: Path) -> str:
    """sha256 of a file, 64 hex digits, read once per (path, size, time of change)."""
    status = path.stat()
    return _file_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _file_sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped_sha256(card: BackboneCard) -> str:
    """The checksum in the small card that pre-training writes beside its weights; empty where there is none yet."""
    path = (MODELS / card.weights).with_suffix(".json")
    if not path.is_file():
        return ""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(path, f"no sha256: {error}") from error
