"""Who is told how far a run is: the command line draws bars, everything else stays silent. Torch-free."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Hears of tasks: `train` first, then each target by its name, then `profile`."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """`task` of `total` steps begins, `done` of them done by an earlier attempt."""

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        """`steps` more are done; `note` is a few words on where it stands, such as the loss."""

    def finish(self, task: str) -> None:
        """`task` is over."""


class Silent:
    """The default observer: says nothing."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Nothing."""

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        """Nothing."""

    def finish(self, task: str) -> None:
        """Nothing."""
