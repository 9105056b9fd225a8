"""Models of the hub's libraries: from a folder, the hub's cache or the hub, quietly; one line where there is none."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from bench.errors import PrerequisiteError
from bench.models.hub import hub_is_reachable
from bench.models.local import located

T = TypeVar("T")
LIBRARIES = ("transformers", "diffusers")
"""Whose reports, of what is loaded and how, nobody asked for."""


def load_model(what: str, model: str, loader: Callable[[str, bool], T], advice: str) -> T:
    """What `loader(source, local_files_only)` makes of `model`: without the network, and where that fails with it.

    `source` is the model's name on the hub, or its folder with `~` written out.
    Raises PrerequisiteError, which says `what` is missing, why, and the `advice`.
    """
    model = located(model)
    folder = Path(model).expanduser()
    source = str(folder) if folder.is_dir() else model
    with quiet():
        try:
            return loader(source, True)
        except (OSError, ValueError) as error:
            problem: Exception = error
        if not folder.is_dir():
            if not hub_is_reachable():
                where = "there is no such folder, it is not in the hub's cache, and the hub cannot be reached"
                raise PrerequisiteError(f"{what} {model}: {where}; {advice}") from problem
            try:
                return loader(source, False)
            except (OSError, ValueError) as error:
                problem = error
    raise PrerequisiteError(f"{what} {model} cannot be loaded ({first_line(problem)}); {advice}") from problem


def first_line(error: Exception) -> str:
    """The first line of what an error says, without its last full stop; its kind where it says nothing."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' reports and progress bars: what is wrong is said in one line by whoever loads."""
    bars = [import_module(f"{name}.utils.logging") for name in LIBRARIES if name in sys.modules]
    bars = [library for library in bars if library.is_progress_bar_enabled()]
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    for library in bars:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
        for library in bars:
            library.enable_progress_bar()
