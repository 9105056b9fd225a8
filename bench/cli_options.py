"""Options and small helpers that verbs share. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.console import say
from bench.errors import UnknownName, UserError

if TYPE_CHECKING:
    from bench.observer import Observer

PROGRAM = "python -m bench"
DEVICES = ("auto", "cpu", "cuda")

Results = Annotated[Path, typer.Option(help="Folder of the result files.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="recipe.X, head.X, backbone.X, a method's field, weights=random."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")]
Compile = Annotated[bool, typer.Option("--compile", help="torch.compile the backbone, as `--set compile=true`.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Run = Annotated[str, typer.Argument(help="A run: the beginning of its hash, its spec.json or its result file.")]
Weights = Annotated[Path | None, typer.Option(help="The backbone's weights, where they are not the card's.")]
DataRoot = Annotated[Path | None, typer.Option(help="Folder with one folder for each data set.")]
DatasetsDir = Annotated[Path | None, typer.Option(help="Folder of data-set cards of your own.")]
Corruptions = Annotated[
    str | None, typer.Option(metavar="WHICH", help="common, all, L5, or NAME:SEVERITY,... in place of the protocol's.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads that read images; by default half of the cores.")]


@contextlib.contextmanager
def interruptible(again: str = "the same command goes on where this one stopped") -> Iterator[None]:
    """Turn Ctrl-C into one line, which says what the same command would do, and status 130."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted: {again}")
        raise typer.Exit(130) from None


@contextlib.contextmanager
def bars(quiet: bool) -> Iterator[Observer]:
    """Progress bars on stderr, or silence."""
    from bench.observer import Silent
    from bench.progress import Bars

    if quiet:
        yield Silent()
        return
    with Bars() as drawn:
        yield drawn


def choice(kind: str, value: str, known: tuple[str, ...]) -> None:
    """Raise UnknownName where `value` is none of `known`."""
    if value not in known:
        raise UnknownName(kind, value, known)


def check_device(device: str) -> None:
    """Raise UnknownName for what is no device's name; whether it is there is seen later."""
    choice("--device", re.sub(r"^cuda:\d+$", "cuda", device), DEVICES)


def one_format(as_json: bool, as_markdown: bool) -> None:
    """Raise UserError where both are asked for: stdout holds one document."""
    if as_json and as_markdown:
        raise UserError("--json and --markdown are two forms of the same: choose one")


def take_cards(folder: Path | None) -> None:
    """Take the user's own data-set cards, too."""
    if folder is not None:
        from bench.data.cards import add_folder

        add_folder(folder)


def require_values(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Raise UserError where an option would take the next one for its value, as in `report --html --out tables`."""
    command = typer.main.get_command(app)
    for word, following in pairwise(arguments):
        command = getattr(command, "commands", {}).get(word, command)
        takes_one = any(word in option.opts for option in command.params if not getattr(option, "is_flag", True))
        if takes_one and following.startswith("--"):
            raise UserError(f"{word} needs a value, and is followed by {following}")
