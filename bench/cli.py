"""The command line: parse, call, render. Heavy imports happen inside the verbs; nothing imports this module."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench import (
    cli_check,
    cli_data,
    cli_gallery,
    cli_generate,
    cli_plot,
    cli_profile,
    cli_report,
    cli_results,
)
from bench.cli_options import (
    PROGRAM,
    AsJson,
    Compile,
    Corruptions,
    DataRoot,
    DatasetsDir,
    Device,
    Quiet,
    Results,
    Run,
    Sets,
    Weights,
    Workers,
    bars,
    check_device,
    choice,
    interruptible,
    require_values,
    take_cards,
)
from bench.console import print_json, print_rich, print_rows, say, show, warn
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.result import RunResult
    from bench.spec import Precision, RunSpec

ON_EXISTING = ("skip", "rerun", "error")
PRECISIONS = ("fp32", "bf16")

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Domain generalized semantic segmentation: train on one source, score on domains nobody trained on.",
)


@app.command()
def run(
    method: Annotated[str, typer.Option(help="How the backbone is adapted; see `ls methods`.")],
    backbone: Annotated[
        str, typer.Option(help="A family, a name (see `ls backbones`), timm:NAME, hf:REPOSITORY, or none.")
    ],
    protocol: Annotated[str, typer.Option(help="What is trained on and scored; see `ls protocols`.")] = "streets",
    track: Annotated[str, typer.Option(help="How images are put through the model and scored.")] = "native",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")] = 0,
    results: Results = Path("results"),
    device: Device = "auto",
    precision: Annotated[str | None, typer.Option(help="fp32 or bf16; by default the protocol's.")] = None,
    compile_: Compile = False,
    on_existing: Annotated[str, typer.Option(help="When the result is there: skip, rerun or error.")] = "skip",
    sets: Sets = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    weights: Annotated[
        Path | None,
        typer.Option(help="The backbone's weights: a .safetensors or .pth file, or an `hf:` model's folder."),
    ] = None,
    corruptions: Corruptions = None,
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show every setting and the result's path; stop.")] = False,
) -> None:
    """Train a method on a backbone, score it on every target, write the result file, show the table."""
    choice("--on-existing value", on_existing, ON_EXISTING)
    check_device(device)
    if precision is not None:
        choice("--precision", precision, PRECISIONS)

    with interruptible():
        take_cards(datasets_dir)
        from bench.resolve import resolve
        from bench.result import result_path

        sets = [*(sets or []), *(["compile=true"] if compile_ else [])]
        named = (method, backbone, protocol, track, seed, cast("Precision | None", precision), sets, weights)
        spec = resolve(*named, corruptions=corruptions)
        path = result_path(spec, results)
        if dry_run:
            from bench.data.layouts import missing

            names = [target.dataset for target in spec.targets] + [source.dataset for source in spec.sources]
            lacking = missing(names, data_root)
            known = {"path": str(path), "exists": path.exists(), "missing_data": lacking}
            print_json({"spec": spec.model_dump(mode="json"), **known})
            return
        options: dict[str, Any] = {"on_existing": on_existing, "data_root": data_root, "workers": workers}
        show(_run(spec, quiet, results=results, device=device, weights=weights, **options), path, as_json)


@app.command(name="import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="A published checkpoint: .pth or .safetensors.")],
    method: Annotated[str, typer.Option(help="The method it was made with; CLOUDS' warm-up is `frozen`.")],
    backbone: Annotated[str, typer.Option(help="A family or an exact name; see `ls backbones`.")],
    protocol: Annotated[str, typer.Option(help="What it is to be scored on.")] = "streets",
    track: Annotated[str, typer.Option(help="How images are put through the model and scored.")] = "native",
    backbone_weights: Annotated[Path | None, typer.Option(help="The backbone's file; by default the card's.")] = None,
    results: Results = Path("results"),
    datasets_dir: DatasetsDir = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Make a run of a published checkpoint (Rein, CLOUDS, mmsegmentation, transformers), for `evaluate` to score."""
    with interruptible():
        take_cards(datasets_dir)
        from bench.imports import import_checkpoint
        from bench.result import state_folder

        options: dict[str, Any] = {"results": results, "sets": sets or [], "backbone_weights": backbone_weights}
        spec = import_checkpoint(checkpoint, method, backbone, protocol, track, **options)
        folder = state_folder(spec, results)
        if as_json:
            print_json({"spec": spec.model_dump(mode="json"), "run": folder.name, "path": str(folder)})
        else:
            where = "" if results == Path("results") else f" --results {results}"
            where += f" --weights {backbone_weights}" if backbone_weights is not None else ""
            print(f"imported: {folder}\nscore it: {PROGRAM} evaluate {folder.name}{where}")


@app.command()
def evaluate(
    run: Run,
    protocol: Annotated[str | None, typer.Option(help="Targets of another protocol, with the same weights.")] = None,
    track: Annotated[str | None, typer.Option(help="Another track, with the same weights.")] = None,
    corruptions: Corruptions = None,
    target: Annotated[list[str] | None, typer.Option(help="Only this target, now; may be given several times.")] = None,
    weights: Weights = None,
    results: Results = Path("results"),
    device: Device = "auto",
    data_root: DataRoot = None,
    datasets_dir: DatasetsDir = None,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a run that is trained or imported on every target of its protocol, or of another, without training."""
    check_device(device)
    with interruptible():
        take_cards(datasets_dir)
        from bench.imports import find_run
        from bench.result import result_path
        from bench.trained import require_trained, retarget

        spec = find_run(run, results)
        if protocol is not None or track is not None or corruptions is not None:
            spec = retarget(spec, protocol, track, results, corruptions)
        require_trained(spec, results)
        options: dict[str, Any] = {"data_root": data_root, "workers": workers, "only": target or []}
        done = _run(spec, quiet, results=results, device=device, weights=weights, **options)
        show(done, result_path(spec, results), as_json)


@app.command()
def ls(
    kind: Annotated[str, typer.Argument(help="methods, backbones, protocols, datasets, runs or reported.")],
    results: Results = Path("results"),
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """List methods, backbones, protocols, data sets, runs or published figures."""
    take_cards(datasets_dir)
    from bench.listing import listing

    found = listing(kind, results)
    warn(found.problems)
    if as_json:
        print_json(found.rows)
    else:
        print_rows(found.rows)


@app.command()
def params(
    backbone: Annotated[
        list[str] | None, typer.Option(help="Only these, by exact name; by default every card.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Only these; by default every method.")] = None,
    native: Annotated[bool, typer.Option("--native", help="Patches and sizes of the cards, not 16 at 512.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the trainable parameters of backbones and methods at full size; needs no weights and no memory."""
    with interruptible():
        from bench.models.card import names
        from bench.params import counts, methods_on_backbones
        from bench.registry import METHODS

        methods = [METHODS.check(name) for name in method or methods_on_backbones()]
        from bench.progress import Bars

        with Bars() as bars:
            found = list(counts(backbone or names(), methods, native, bars))
        if as_json:
            print_json([row._asdict() for row in found])
        else:
            from bench.report.params import WIDTH, render

            print_rich(render(found), WIDTH)


@app.command()
def selftest(
    method: Annotated[str, typer.Option(help="A method of the suite, or PACKAGE/NAME of an installed one.")],
    backbone: Annotated[str, typer.Option(help="What it is tried on, untrained.")] = "eva02-mini",
    as_json: AsJson = False,
) -> None:
    """Check that a method keeps the contract: builds, learns, moves only what it declares, saves and loads."""
    with interruptible():
        from bench.registry import METHODS
        from bench.selftest import selftest as try_out

        checks = try_out(METHODS.get(method), backbone)
        if as_json:
            print_json([check._asdict() for check in checks])
        else:
            for check in checks:
                print(f"FAILED {check.name}: {check.problem}" if check.problem else f"ok     {check.name}")
        if any(check.problem for check in checks):
            raise typer.Exit(1)


cli_check.add_to(app)
cli_profile.add_to(app)
cli_report.add_to(app)
cli_plot.add_to(app)
cli_data.add_to(app)
cli_generate.add_to(app)
cli_results.add_to(app)
cli_gallery.add_to(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. Mistakes of the user end in one line on stderr, status 2."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        require_values(app, given)
        status = app(given, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        if message := error.format_message():
            say(f"error: {' '.join(message.split())} (see `{PROGRAM}{_verb(error)} --help`)")
        return 2
    except BenchError as error:
        say(f"error: {error}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    return status if isinstance(status, int) else 0


def _run(spec: RunSpec, quiet: bool, **options: Any) -> RunResult:
    """Run with progress on stderr; whatever a library prints goes there too."""
    from bench.run import run as run_spec

    with contextlib.redirect_stdout(sys.stderr), bars(quiet) as observer:
        return run_spec(spec, observer=observer, **options)


def _verb(error: typer.TyperException) -> str:
    """ " run" when the mistake was made in a verb, so that the hint points at its help."""
    context = getattr(error, "ctx", None)
    if context is None or context.parent is None:
        return ""
    return str(context.command_path).removeprefix(str(context.find_root().command_path))
