"""Progress bars on stderr: stdout belongs to results."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Bars:
    """An Observer that draws one bar a task, with the time left. Use as a context manager."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Add the task's bar, ``done`` of ``total`` steps filled."""
        self._tasks[task] = self._progress.add_task(task, total=total, completed=done, note="")

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        """Move the task's bar."""
        self._progress.update(self._tasks[task], advance=steps, note=note)

    def finish(self, task: str) -> None:
        """Stop the task's clock."""
        self._progress.stop_task(self._tasks[task])
