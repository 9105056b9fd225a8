"""What the images are to show: a list that ships with the suite, one's own file, or a language model. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    import torch

    from bench.config import GeneratedConfig

SHIPPED = Path(__file__).parent / "prompts"
"""Folder of the lists that ship with the suite: `<name>.txt`, one prompt a line."""
SEED = 0
"""Of the language model's sampling: the seeds of a run share its prompts, as they share the images."""


def prompts_of(config: GeneratedConfig, device: torch.device) -> list[str]:
    """The prompts of a configuration; a language model, if one is named, is asked on `device`.

    Raises what `listed` and `llm.ask` raise.
    """
    if config.llm is None:
        return list(listed(config.prompts))
    from bench.generated.llm import ask

    return ask(config.llm, config.llm_prompts, SEED, device)


def listed(prompts: str | Sequence[str]) -> tuple[str, ...]:
    """The prompts themselves, where there may be the name of a shipped list. Raises UserError for an unknown one."""
    if not isinstance(prompts, str):
        return tuple(prompts)
    if prompts not in shipped():
        raise UserError(f"there is no list of prompts {prompts!r} (shipped: {', '.join(shipped())})")
    return _read_shipped(SHIPPED / f"{prompts}.txt")


def shipped() -> list[str]:
    """Names of the lists that ship with the suite."""
    return sorted(path.stem for path in SHIPPED.glob("*.txt"))


def contents(value: object) -> object:
    """Validator of `GeneratedConfig.prompts`: a file's name becomes its prompts, for what is recorded holds no path.

    The name of a shipped list stays. Raises ValueError, in one line, for a file that is not there or holds none.
    """
    if isinstance(value, str):
        return value if value in shipped() else _of_file(value)
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        if found := distinct(value):
            return found
        raise ValueError("there is no prompt in the list")
    return value  # which pydantic refuses


def distinct(lines: Iterable[str]) -> tuple[str, ...]:
    """Prompts in their order: no empty ones, and of those that differ in case, spaces or full stop alone the first."""
    first: dict[str, str] = {}
    for line in lines:
        if prompt := " ".join(line.split()):
            first.setdefault(prompt.rstrip(" .").casefold(), prompt)
    return tuple(first.values())


def _of_file(name: str) -> tuple[str, ...]:
    path = Path(name).expanduser()
    try:
        found = distinct(path.read_text(encoding="utf-8-sig").splitlines())
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {name}, and no such list (shipped: {', '.join(shipped())})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text file (UTF-8) of prompts, one a line") from error
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from error
    if not found:
        raise ValueError(f"there is no prompt in {name}: write one a line")
    return found


@lru_cache
def _read_shipped(path: Path) -> tuple[str, ...]:
    return distinct(path.read_text(encoding="utf-8").splitlines())
