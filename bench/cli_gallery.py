"""The verb that writes qualitative pictures, which `report --html` shows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from bench.cli_options import DataRoot, DatasetsDir, Device, Results, Weights, check_device, interruptible, take_cards


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(cast("Callable[..., Any]", gallery))


def gallery(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs: the beginning of a hash, or a file.")],
    sample: Annotated[list[str], typer.Option(metavar="TARGET:NUMBER", help="An image; may be given several times.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the pictures; by default RESULTS/gallery.")] = None,
    weights: Weights = None,
    results: Results = Path("results"),
    device: Device = "auto",
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
) -> None:
    """Write image, ground truth, prediction and error of chosen images, for `report --html` to show."""
    check_device(device)
    with interruptible("what is written so far is whole; the same command begins again"):
        take_cards(datasets_dir)
        from bench.gallery import parse, write_sample
        from bench.imports import find_run
        from bench.predict import Predictor
        from bench.run import make_fabric
        from bench.trained import load_trained

        wanted = [parse(text) for text in sample]
        for spec in [find_run(name, results) for name in runs]:
            with contextlib.redirect_stdout(sys.stderr):
                predictor = Predictor(load_trained(spec, results, weights), spec, make_fabric(device, spec.precision))
            for which in wanted:
                folder, line = write_sample(predictor, spec, which, out or results / "gallery", data_root)
                print(f"{folder}: {line.method} on {line.backbone}, seed {line.seed}, mIoU {line.miou:.1f}")
