"""Where the data sets lie: an option, an environment variable or the user's own file says it. Torch-free."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.data.cards import FilesCard, load_card, names
from bench.errors import DamagedFile, UserError, did_you_mean, what_is_wrong

PREFIX = "DGSS_BENCH_"
ROOT_VARIABLE = f"{PREFIX}DATA"
WEIGHTS_VARIABLE = f"{PREFIX}WEIGHTS"


class UserFile(BaseModel):
    """`~/.config/dgss-bench/data.toml`: one root for all data sets, and folders of single ones by family."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path | None = None
    folders: dict[str, Path] = Field(default_factory=dict)


class Place(NamedTuple):
    """A folder in which a data set may lie, and what said so."""

    folder: Path
    told_by: str


def places(card: FilesCard, data_root: Path | None = None) -> list[Place]:
    """Folders in which the card's data set may lie, the most explicit first; they need not exist.

    `--data-root`, the family's own variable, the user file's folder, the root's variable, the user file's root. Raises
    UserError for a `data_root` that is no folder, DamagedFile for a user file that cannot be read.
    """
    if data_root is not None and not data_root.is_dir():
        raise UserError(
            f"--data-root {data_root}: {'that is no folder' if data_root.exists() else 'there is no such folder'}"
        )
    path, own = user_file_path(), variable(card.family)
    user = _read(path)
    roots = [(data_root, "--data-root"), (_environment(ROOT_VARIABLE), ROOT_VARIABLE), (user.root, str(path))]
    _require_known(user, path)
    singles = [(_environment(own), own), (user.folders.get(card.family), str(path))]
    for folder, told_by in singles:
        if folder is not None and not folder.is_dir():
            raise UserError(f"{told_by} says that {card.family} is in {folder}: there is no such folder")
    below = [
        [Place(root / name, told_by) for name in card.folders] if root is not None else [] for root, told_by in roots
    ]
    single = [Place(folder, told_by) for folder, told_by in singles if folder is not None]
    return [*below[0], *single, *below[1], *below[2]]


def _require_known(user: UserFile, path: Path) -> None:
    """Raise UserError for a family that no card has, in the user file or in a variable's name."""
    families = {card.family for card in map(load_card, names()) if isinstance(card, FilesCard)}
    for family in user.folders:
        if family not in families:
            raise UserError(f"{path}: no data set is of the family {family!r}{did_you_mean(family, families)}")
    known = {ROOT_VARIABLE, WEIGHTS_VARIABLE, *map(variable, families)}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            raise UserError(f"the environment variable {name} means nothing{did_you_mean(name, known)}")


def variable(family: str) -> str:
    """The environment variable that names a family's own folder: `DGSS_BENCH_CITYSCAPES`."""
    return f"{PREFIX}{family.upper().replace('-', '_')}"


def user_file_path() -> Path:
    """`data.toml` in the user's configuration folder."""
    base = _environment("XDG_CONFIG_HOME") or Path.home() / ".config"
    return base / "dgss-bench" / "data.toml"


def _environment(name: str) -> Path | None:
    value = os.environ.get(name, "")
    return Path(value).expanduser() if value else None


def _read(path: Path) -> UserFile:
    try:
        return UserFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return UserFile()
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise DamagedFile(path, str(error)) from error
