"""The verb of the regression gate."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from bench.cli_options import (
    AsJson,
    AsMarkdown,
    DataRoot,
    DatasetsDir,
    Device,
    Quiet,
    Sets,
    Weights,
    Workers,
    bars,
    check_device,
    interruptible,
    one_format,
    take_cards,
)
from bench.console import print_json, print_rich
from bench.errors import BenchError, UserError

if TYPE_CHECKING:
    from bench.gate.quick import Place, Subject
    from bench.gate.table import Shown

BASELINE = Path("results/baselines/streets.json")


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(cast("Callable[..., Any]", check))


def check(
    baseline: Annotated[Path, typer.Option(help="The file to compare with, or to write.")] = BASELINE,
    update: Annotated[bool, typer.Option("--update", help="Measure anew and write the file.")] = False,
    method: Annotated[
        list[str] | None, typer.Option(help="Only this one of the file's; with --update what it is to hold. Several.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="With --update, as the following: see `run`.")] = None,
    protocol: Annotated[str | None, typer.Option(help="See `ls protocols`.")] = None,
    track: Annotated[str | None, typer.Option(help="See `run`.")] = None,
    sets: Sets = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Of training.")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Of each target.")] = None,
    corrupted: Annotated[int | None, typer.Option(min=1, help="Of each corruption.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="Runs of each method; 3 in a new file.")] = None,
    weights: Weights = None,
    results: Annotated[
        Path | None, typer.Option(help="Keep the quick runs here; an interrupted --update then goes on.")
    ] = None,
    device: Device = "auto",
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
    workers: Workers = None,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    quiet: Quiet = False,
) -> None:
    """Compare quick runs with a baseline: exit 1 with a table of what moved. `--update` writes the baseline."""
    check_device(device)
    one_format(as_json, as_markdown)
    chosen: dict[str, Any] = {"backbone": backbone, "protocol": protocol, "track": track, "set": sets}
    chosen |= {"iterations": iterations, "images": images, "corrupted": corrupted, "seeds": seeds}
    given = {name: value for name, value in chosen.items() if value is not None}
    if given and not update:
        raise UserError(f"--{next(iter(given))} goes with --update: a check takes it from {baseline}")
    with interruptible("the same command begins anew; of an --update with --results what is done stays done"):
        take_cards(datasets_dir)
        from bench.gate.quick import Place

        with contextlib.redirect_stdout(sys.stderr), bars(quiet) as observer:
            place = Place(device, weights, data_root, workers, results, observer)
            shown = _update(baseline, method or [], given, place) if update else _check(baseline, method or [], place)
        if as_json:
            print_json(shown.document)
        elif as_markdown:
            print(shown.table.markdown())
        else:
            print_rich(shown.table.rich())
        if shown.moved:
            raise typer.Exit(1)


class _Result(NamedTuple):
    document: dict[str, Any]
    table: Shown
    moved: bool


def _check(path: Path, methods: list[str], place: Place) -> _Result:
    from bench.gate.baseline import read_baseline
    from bench.gate.check import check as measure
    from bench.gate.table import compared, document

    known = read_baseline(path)
    outcome = measure(known, path, place, tuple(methods))
    return _Result(document(outcome, known, path), compared(outcome, known, path), bool(outcome.moved))


def _update(path: Path, methods: list[str], given: dict[str, Any], place: Place) -> _Result:
    from bench.gate.baseline import require_place
    from bench.gate.check import update
    from bench.gate.table import written

    require_place(path)
    made = update(path, _subject(path, methods, given), place)
    return _Result(made.model_dump(mode="json"), written(made, path), False)


def _subject(path: Path, methods: list[str], given: dict[str, Any]) -> Subject:
    """What is asked for; the rest as in the file that is replaced, or as the suite's own."""
    from bench.gate.baseline import read_baseline
    from bench.gate.check import DEFAULT, subject

    wanted = DEFAULT
    if path.exists() and not (methods and "backbone" in given):
        try:
            wanted = subject(read_baseline(path))
        except BenchError as error:
            raise UserError(f"{error}; say with --method and --backbone what the new one is to hold") from error
    budget: dict[str, Any] = {name: given[name] for name in ("iterations", "images", "corrupted") if name in given}
    if "seeds" in given:
        budget["seeds"] = tuple(range(given["seeds"]))
    return wanted._replace(
        methods=tuple(dict.fromkeys(methods)) or wanted.methods,
        sets=tuple(given.get("set", wanted.sets)),
        budget=wanted.budget.model_copy(update=budget),
        **{name: given[name] for name in ("backbone", "protocol", "track") if name in given},
    )
