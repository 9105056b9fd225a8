"""Dataset cards: `datasets/<name>.toml` says where images and labels come from. Torch-free.

The folder is data read by path, never imported (`datasets` is Hugging Face's package name). `add_folder` adds one of
the user's own beside it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.data.tables import load_table
from bench.errors import DamagedFile, UnknownName, UserError, did_you_mean, what_is_wrong

FOLDER = Path(__file__).resolve().parents[2] / "datasets"
_ADDED: list[Path] = []

Positive = Annotated[int, Field(gt=0)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Patterns = tuple[str, ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Card(_Part):
    name: Word
    summary: str
    family: Word
    """One for each data set, whatever the split: what views, folders and `seen in pre-training` go by."""
    within: str = ""
    """The card of a larger set that holds all of these images."""


class StreetsCard(_Card):
    """One set of labelled images of the embedded world."""

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


class Layout(_Part):
    """One way in which the files may lie below the data set's folder.

    Patterns are relative; a star stands for anything but a slash, and the k-th star of `labels` for what the k-th star
    of `images` stood for. Several patterns, paired in order, make one set.
    """

    name: str
    images: Patterns
    labels: Patterns = ()
    anomaly: Patterns = ()
    """Masks of what is to be found anomalous: 0 normal, 1 anomaly, 255 not scored."""
    anomaly_table: str = ""
    """Translates the masks' own values to these."""
    table: str = ""
    decoder: str = ""
    """In place of the card's."""
    list: str = ""
    """A text file that names the set's images, by the end of their path or without suffix; or a .mat of numbers."""
    list_key: str = ""
    """Names of the lists in a .mat, with spaces between them."""

    @field_validator("images", "labels", "anomaly", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("images", "labels", "anomaly", "list")
    @classmethod
    def _stay_below(cls, value: Any) -> Any:
        for pattern in (value,) if isinstance(value, str) else value:
            require_below(pattern)
        return value

    @model_validator(mode="after")
    def _stars_match(self) -> Layout:
        for part in ("labels", "anomaly"):
            others = getattr(self, part)
            if others and [text.count("*") for text in others] != [text.count("*") for text in self.images]:
                raise ValueError(f"layout {self.name}: {part} must have as many patterns and stars as images")
        return self


class Part(_Part):
    """A part of a set: the images whose place i in the sorted list has i % of in keep."""

    of: Positive
    keep: tuple[Annotated[int, Field(ge=0)], ...]

    @model_validator(mode="after")
    def _some(self) -> Part:
        if not any(place < self.of for place in self.keep):
            raise ValueError(f"keep names no place below {self.of}")
        return self


class Submission(_Part):
    """What a server that holds the labels wants: a PNG of ids for each image, its name with the stars of `images`."""

    file: str
    ids: Literal["cityscapes-ids", "train-ids"]

    @field_validator("file")
    @classmethod
    def _stay_below(cls, value: str) -> str:
        return require_below(value)


class FilesCard(_Card):
    """One set of images on a disk, with or without labels."""

    kind: Literal["files"]
    split: str
    count: Positive | None = None
    """Images of the complete set; None where it is not published."""
    size: tuple[Positive, Positive] | None = None
    """Height, width, where all images share it."""
    table: str = ""
    """Label table: `labels/<table>.toml`; empty where there are no labels."""
    decoder: str = "grey"
    """How a label file is read: a name of `bench.data.decoders`."""
    folders: tuple[str, ...]
    """Names of its folder below the data root, tried in order."""
    source: str
    """Where it comes from and how to get it."""
    licence: str
    notes: str = ""
    defects: str = ""
    """What is known to be wrong with the published files."""
    part: Part | None = None
    submission: Submission | None = None
    layouts: tuple[Layout, ...]

    @field_validator("folders", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("folders")
    @classmethod
    def _stay_below(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(require_below(folder) for folder in value)

    @model_validator(mode="after")
    def _holds_together(self) -> FilesCard:
        if not self.layouts or not self.folders or not all(layout.images for layout in self.layouts):
            raise ValueError("a card of files has folders, and layouts with images")
        for layout in self.layouts:
            if layout.labels and not (layout.table or self.table):
                raise ValueError(f"layout {layout.name} has labels and no table")
            stars = {pattern.count("*") for pattern in layout.images}
            if self.submission is not None and stars != {self.submission.file.count("*")}:
                raise ValueError(f"layout {layout.name}: submission.file must have as many stars as images")
        return self


Card = StreetsCard | FilesCard
KINDS: dict[str, type[StreetsCard] | type[FilesCard]] = {"streets": StreetsCard, "files": FilesCard}


def require_below(path: str) -> str:
    """`path`, if it is relative and stays below where it starts; ValueError otherwise."""
    pieces = path.split("/")
    if path and (path.startswith(("/", "~")) or "\\" in path or ":" in path or {"..", ".", ""} & set(pieces)):
        raise ValueError(f"{path!r} must be a plain path below the data set's folder, without '..'")
    return path


def add_folder(folder: Path) -> None:
    """Take the cards of `folder`, too. Raises UserError where it is no folder or has a name twice."""
    if not folder.is_dir():
        raise UserError(f"--datasets-dir {folder}: there is no such folder")
    if folder.resolve() not in [FOLDER, *_ADDED]:
        mine = {path.stem for path in folder.glob("*.toml")}
        if twice := sorted(mine & set(names())):
            raise UserError(f"two data sets are called {twice[0]!r}: {_path(twice[0])} and {folder / twice[0]}.toml")
        _ADDED.append(folder.resolve())


def folders() -> list[Path]:
    """Where cards, label tables and exclude lists are looked for."""
    return [FOLDER, *_ADDED]


def names() -> list[str]:
    """Names of all cards, sorted."""
    return sorted(path.stem for folder in folders() for path in folder.glob("*.toml") if path.is_file())


def load_card(name: str) -> Card:
    """Read one card. Raises UnknownName, and DamagedFile for one that breaks the schema."""
    if name not in names():
        raise UnknownName("dataset", name, names())
    return _read(_path(name))


def load_files_card(name: str) -> FilesCard:
    """Read the card of a data set that lies on a disk. Raises UserError for one of the embedded world, too."""
    card = load_card(name)
    if not isinstance(card, FilesCard):
        raise UserError(f"dataset {name} is rendered: it has no files")
    return card


def exclude_path(card: Card) -> Path:
    """Where the list of images that are left out is, or would be: that of the set it lies within, if any."""
    return _path(card.name).parent / "exclude" / f"{card.within or card.name}.txt"


def excluded(card: Card) -> frozenset[str]:
    """Names of images that are left out: one a line, `#` begins a comment. Raises DamagedFile."""
    path = exclude_path(card)
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error
    return frozenset(filter(None, (re.sub(r"\s*#.*", "", line).strip() for line in lines)))


def revision(card: Card) -> str:
    """16 hex digits that change when the card's images or labels would, wherever they lie.

    Of the embedded world: what is rendered, and its version; of files: which they are, what is left out, and what
    their labels mean, all as the card's first layout has it. The other layouts hold the same (tested on small trees).
    """
    if isinstance(card, StreetsCard):
        from bench.data.streets import WORLD_VERSION

        content = card.model_dump(include={"name", "kind", "domain", "split", "images", "height", "width"})
        content["world"] = WORLD_VERSION
    else:
        content = card.model_dump(mode="json", include={"name", "kind", "family", "split", "part"})
        content["excluded"] = sorted(excluded(card))
        first = card.layouts[0]
        content["layout"] = first.model_dump(mode="json", exclude={"name", "table", "decoder", "anomaly_table"})
        content["decoder"] = first.decoder or card.decoder
        for part, table in (("labels", first.table or card.table), ("anomaly", first.anomaly_table)):
            content[part] = load_table(table, folders()).content() if table else None
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _path(name: str) -> Path:
    return next(path for folder in folders() if (path := folder / f"{name}.toml").is_file())


@functools.cache
def _read(path: Path) -> Card:
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        if fields.get("kind") not in KINDS:
            raise DamagedFile(path, f"kind must be one of {', '.join(KINDS)}, not {fields.get('kind')!r}")
        card = KINDS[fields["kind"]].model_validate(fields)
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error
    if card.name != path.stem:
        raise DamagedFile(path, f"its name says {card.name!r}")
    return card
