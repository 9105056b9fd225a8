"""Label tables: `labels/<name>.toml` says which id of a data set is which of the 19 classes. Torch-free."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import DamagedFile, UnknownName, UserError, what_is_wrong
from bench.metrics import IGNORE

Id = Annotated[int, Field(ge=0, lt=2**16)]
UNKNOWN = -1


class LabelTable(BaseModel):
    """Every id that may occur: with its train id, or as one that is not scored. Any other id is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str
    source: str
    """Where the ids are defined."""
    ids: dict[Id, Annotated[int, Field(ge=0, le=18)]]
    void: tuple[Id, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> LabelTable:
        if not self.ids:
            raise ValueError("no id has a class")
        if both := sorted(set(self.ids) & set(self.void)):
            raise ValueError(f"id {both[0]} has a class and is void")
        return self

    def lookup(self) -> npt.NDArray[np.int16]:
        """id -> train id, 255 for void ones, -1 for ids that must not occur; as long as the ids' type has values."""
        table = np.full(256 if max([*self.ids, *self.void]) < 256 else 2**16, UNKNOWN, np.int16)
        table[list(self.void)] = IGNORE
        table[list(self.ids)] = list(self.ids.values())
        return table

    def content(self) -> dict[str, Any]:
        """What decides a label, as JSON values."""
        return {"ids": sorted(self.ids.items()), "void": sorted(self.void)}


def load_table(name: str, folders: Sequence[Path]) -> LabelTable:
    """Read `labels/<name>.toml`. Raises UnknownName, DamagedFile, and UserError where two folders have it."""
    paths = [path for folder in folders for path in (folder / "labels").glob("*.toml")]
    mine = [path for path in paths if path.stem == name]
    if not mine:
        raise UnknownName("label table", name, (path.stem for path in paths))
    if len(mine) > 1:
        raise UserError(f"two label tables are called {name!r}: {mine[0]} and {mine[1]}")
    return _read(mine[0])


@functools.cache
def _read(path: Path) -> LabelTable:
    try:
        return LabelTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error
