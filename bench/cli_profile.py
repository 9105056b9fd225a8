"""The verb that measures what methods on backbones cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli_options import (
    AsJson,
    AsMarkdown,
    Compile,
    Device,
    Quiet,
    Results,
    Sets,
    bars,
    check_device,
    choice,
    interruptible,
    one_format,
)
from bench.console import print_json, print_rich, say, warn
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.cost.figures import Figure
    from bench.cost.records import CostReport

PRECISIONS = ("fp32", "bf16")
FIGURES = ("parameters", "gflops", "latency", "clocks", "energy", "throughput", "memory", "training")
LARGEST_SIDE = 16384


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(cast("Callable[..., Any]", profile))


def profile(
    method: Annotated[list[str], typer.Option(help="How the backbone is adapted; may be given several times.")],
    backbone: Annotated[list[str], typer.Option(help="A family or a name; may be given several times.")],
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Of the images; several times; by default the training crop."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once, in a prediction and in a training step.")] = 1,
    precision: Annotated[
        list[str] | None, typer.Option(help="fp32 or bf16; several times; by default the protocol's.")
    ] = None,
    compile_: Compile = False,
    device: Device = "auto",
    train: Annotated[bool, typer.Option("--train", help="Time and memory of a training step, too.")] = False,
    figure: Annotated[
        list[str] | None, typer.Option(help=f"Only this: {', '.join(FIGURES)}; may be given several times.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, max=600, help="Of timing, for each figure.")] = 2.0,
    protocol: Annotated[str, typer.Option(help="Whose settings head and method have; see `ls protocols`.")] = "streets",
    track: Annotated[str, typer.Option(help="Whose settings the backbone has.")] = "native",
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for cost.csv, cost.json and pareto.png; of several: cost.")
    ] = None,
    results: Results = Path("results"),
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    quiet: Quiet = False,
) -> None:
    """Measure parameters, FLOPs, latency, throughput, memory, training step and energy; needs no weights and no data.

    Of several methods, backbones, sizes or precisions every combination is measured.
    """
    check_device(device)
    one_format(as_json, as_markdown)
    for value in precision or ():
        choice("--precision", value, PRECISIONS)
    for value in figure or ():
        choice("--figure", value, FIGURES)
    sizes = [_size(text) for text in size or ()]
    with interruptible("of several combinations those that were measured are in the folder of --out"):
        from bench.cost.busy import warning
        from bench.cost.matrix import Choice, measure_all
        from bench.cost.profile import profile as measure_one
        from bench.cost.table import WIDTH, markdown, render, write
        from bench.run import device_there

        device_there(device)  # rather than once for each combination
        wanted = Choice(method, backbone, sizes, precision or (), protocol, track, sets or (), compile_)
        jobs = wanted.jobs(batch=batch, device=device, train=train, seconds=seconds, figures=tuple(figure or ()))
        with bars(quiet) as observer:
            if len(jobs) == 1:
                reports = [measure_one(jobs[0], observer)]
            else:
                folder = out = out or Path("cost")
                reports = measure_all(jobs, observer, lambda so_far: write(so_far, folder))
        if as_json:
            documents = [report.model_dump(mode="json") for report in reports]
            print_json(documents[0] if len(jobs) == 1 else documents)
        elif as_markdown:
            print(markdown(reports))
        else:
            print_rich(render(reports), WIDTH)
        if (busy := warning(reports)) is not None:
            say(f"warning: {busy}")
        if out is not None:
            _files(reports, out, results, as_json)
        if any(report.failed for report in reports):
            raise typer.Exit(1)


def _files(reports: list[CostReport], out: Path, results: Path, as_json: bool) -> None:
    """Write the table, and the picture where results give something to draw; say where (on stderr beside JSON)."""
    from bench.cost.figures import NOT_ASKED
    from bench.cost.table import write
    from bench.report.pareto import draw_pareto, points
    from bench.result import load_all

    tell = say if as_json else print
    loaded = load_all(results)
    warn(loaded.problems)
    shown: tuple[Figure, ...] = ("latency", "memory")
    timed = [
        report
        for report in reports
        if not all(report.missing.get(figure, "").startswith(NOT_ASKED) for figure in shown)
    ]
    if not timed:
        say("no picture: it shows latency and memory, which were not asked for (--figure)")
    found = points(timed, loaded.results)
    for path in [*write(reports, out), *draw_pareto(found.points, out / "pareto")]:
        tell(str(path))
    for line in found.left_out:
        say(f"not in the picture: {line}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None or max(int(match[1]), int(match[2])) > LARGEST_SIDE:
        raise UserError(f"--size {text}: write HEIGHTxWIDTH in pixels, up to {LARGEST_SIDE} each, as 512x1024")
    return int(match[1]), int(match[2])
