"""Dataset cards: `datasets/<name>.toml` says where images and labels come from. Torch-free.

The folder is data read by path, never imported (`datasets` is Hugging Face's package name).
"""

from __future__ import annotations

import functools
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.errors import DamagedFile, UnknownName, did_you_mean, what_is_wrong

FOLDER = Path(__file__).resolve().parents[2] / "datasets"

Positive = Annotated[int, Field(gt=0)]


class Card(BaseModel):
    """One set of labelled images of the embedded world."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    kind: Literal["streets"]
    domain: str
    """A domain of `bench.data.streets`."""
    split: Literal["train", "val"]
    """The splits of a domain share no frame."""
    images: Positive
    height: Positive
    width: Positive

    @field_validator("domain")
    @classmethod
    def _exists(cls, domain: str) -> str:
        from bench.data.streets import DOMAINS

        if domain not in DOMAINS:
            raise ValueError(f"unknown domain {domain!r}{did_you_mean(domain, DOMAINS)}")
        return domain


def names() -> list[str]:
    """Names of all cards, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@functools.cache
def load_card(name: str) -> Card:
    """Read one card. Raises UnknownName, and DamagedFile for one that breaks the schema."""
    path = FOLDER / f"{name}.toml"
    if name not in names():
        raise UnknownName("dataset", name, names())
    try:
        card = Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error
    if card.name != name:
        raise DamagedFile(path, f"its name says {card.name!r}")
    return card


def revision(card: Card) -> str:
    """16 hex digits that change when the card's images would: its content and the world's version."""
    from bench.data.streets import WORLD_VERSION

    content = card.model_dump(exclude={"summary"}) | {"world": WORLD_VERSION}
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
