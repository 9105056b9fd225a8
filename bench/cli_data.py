"""Verbs about data: what is there and whether it is sound, and predictions as files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli_options import (
    AsJson,
    DataRoot,
    DatasetsDir,
    Device,
    Quiet,
    Results,
    Run,
    Weights,
    bars,
    check_device,
    choice,
    interruptible,
    take_cards,
)
from bench.console import print_json, print_rows, warn

if TYPE_CHECKING:
    from bench.predict import Ids, Predictor
    from bench.spec import RunSpec

data = typer.Typer(no_args_is_help=True, help="Data sets on this machine: what is there, and is it sound?")
Name = Annotated[str, typer.Argument(help="A data-set card; see `ls datasets`.")]
KINDS_OF_IDS = ("train-ids", "cityscapes-ids")


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    app.add_typer(data, name="data")
    for verb in (predict, submit, corrupt):
        app.command()(cast("Callable[..., Any]", verb))


@data.command("ls")
def list_(data_root: DataRoot = None, datasets_dir: DatasetsDir = None, as_json: AsJson = False) -> None:
    """Which data sets are there, and where."""
    take_cards(datasets_dir)
    from bench.listing import data_sets_here

    rows = data_sets_here(data_root)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("name", "images", "state", "folder"))


@data.command()
def check(
    name: Name,
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
    full: Annotated[bool, typer.Option("--full", help="Read every file, not a sample.")] = False,
    write_exclude: Annotated[
        bool, typer.Option("--write-exclude", help="Leave damaged images out from now on: every result will say so.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find a data set, pair its images with labels, read them, and say what is wrong; exit 0 only when usable."""
    take_cards(datasets_dir)
    with interruptible("nothing was written"):
        from bench.data import check as checks

        written = None
        with bars(quiet) as observer:
            found = checks.check(name, data_root, full=full, observer=observer)
            if write_exclude and found.damaged:
                written = checks.write_exclude_list(found)
                found = checks.check(name, data_root, full=full, observer=observer)
        if as_json:
            print_json(checks.document(found))
        else:
            print(checks.render(found))
            if write_exclude:
                print("nothing to exclude" if written is None else f"exclude list: {written}")
        if not found.usable:
            raise typer.Exit(1)


@data.command()
def convert(name: Name, data_root: DataRoot = None, datasets_dir: DatasetsDir = None, quiet: Quiet = False) -> None:
    """Write a copy of half the size beside a data set, as the `rein-*` tracks use of Mapillary; goes on if stopped."""
    take_cards(datasets_dir)
    with interruptible():
        from bench.data.cards import load_files_card
        from bench.data.convert import halve
        from bench.data.layouts import require_usable

        card = load_files_card(name)
        with bars(quiet) as observer:
            copy = halve(card, require_usable(card, data_root), observer)
        print(f"{copy.written} images written to {copy.folder}; runs that halve {name} read them from there")


def predict(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the files that are made.")],
    ids: Annotated[str, typer.Option(help="Ids of the label PNGs: train-ids or cityscapes-ids.")] = "train-ids",
    weights: Weights = None,
    results: Results = Path("results"),
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Segment any pictures with a trained run: a PNG of ids and a colour overlay of each."""
    choice("--ids value", ids, KINDS_OF_IDS)
    with interruptible("what is written so far is whole; the same command begins again"):
        from bench.predict import pictures
        from bench.predict import predict as predict_files

        files, others = pictures(images)
        _, predictor = _predictor(run, results, weights, device)
        with bars(quiet) as observer:
            done = predict_files(predictor, files, out, cast("Ids", ids), observer)
        passed = f"; {others} other files or folders were passed over" if others else ""
        print(f"{len(done.written)} of {len(files)} pictures: ids and overlays in {out}{passed}")
        warn(done.damaged)
        if done.damaged:
            raise typer.Exit(1)


def submit(
    name: Name,
    run: Run,
    out: Annotated[Path, typer.Option(help="Folder of the submission; new or empty.")],
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
    weights: Weights = None,
    results: Results = Path("results"),
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write and check the folder of label PNGs that a server takes which holds the labels, as ACDC's test set."""
    take_cards(datasets_dir)
    with interruptible("delete the unfinished folder and begin again"):
        from bench.predict import require_empty
        from bench.predict import submit as write_submission

        require_empty(out)
        spec, predictor = _predictor(run, results, weights, device)
        with bars(quiet) as observer:
            count = write_submission(predictor, spec, name, out, data_root, observer)
        print(f"{count} files written to {out} and read again: pack the folder and upload it")


def corrupt(
    name: Name,
    corruptions: Annotated[str, typer.Option(metavar="WHICH", help="common, all, L5, or NAME:SEVERITY,...")] = "L5",
    write: Annotated[
        Path | None, typer.Option(help="Folder for a corrupted copy; without it only times are shown.")
    ] = None,
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Time corruptions on a data set, and write a corrupted copy if asked; a run needs none, it corrupts on the fly."""
    take_cards(datasets_dir)
    with interruptible():
        from bench.data.corrupted import time_corruptions, write_corrupted
        from bench.data.reader import open_dataset
        from bench.protocols.corruptions import parse

        pairs, dataset = parse(corruptions), open_dataset(name, data_root=data_root)
        if write is not None:
            with bars(quiet) as observer:
                written = write_corrupted(dataset, pairs, write, observer)
            there = len(dataset) * len(pairs)
            if as_json:
                print_json({"folder": str(write), "written": written, "images": there})
            else:
                print(f"{written} images written to {write}, {there} are there")
            return
        costs = time_corruptions(dataset, pairs)
        if as_json:
            print_json([cost._asdict() for cost in costs])
        else:
            rows = [cost._asdict() for cost in costs]
            print_rows(rows, ("name", "severity", "milliseconds"))
            total = sum(cost.milliseconds for cost in costs) * len(dataset) / 1e3
            print(f"all {len(costs)} on {len(dataset)} images: {total:.0f} s of one core")


def _predictor(run: str, results: Path, weights: Path | None, device: str) -> tuple[RunSpec, Predictor]:
    check_device(device)
    from bench.imports import find_run
    from bench.predict import Predictor
    from bench.run import make_fabric
    from bench.trained import load_trained

    with contextlib.redirect_stdout(sys.stderr):
        spec = find_run(run, results)
        segmenter = load_trained(spec, results, weights)
    return spec, Predictor(segmenter, spec, make_fabric(device, spec.precision))
