"""The verb that makes generated images ahead of the runs that train on them."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli_options import AsJson, Device, Quiet, Results, bars, check_device, interruptible
from bench.console import print_json
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.config import GeneratedConfig


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(cast("Callable[..., Any]", generate))


def generate(
    method: Annotated[str | None, typer.Option(help="Whose defaults; without it CLOUDS' published ones.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Whose settings of the method go over its defaults.")] = None,
    generator: Annotated[
        str | None, typer.Option(help="A diffusers text-to-image pipeline: a hub's name or a folder; or `streets`.")
    ] = None,
    prompts: Annotated[str | None, typer.Option(help="A file, one prompt a line, or a list that ships.")] = None,
    llm: Annotated[str | None, typer.Option(help="A text-generation model that writes the prompts.")] = None,
    llm_prompts: Annotated[int | None, typer.Option(help="How many it writes.")] = None,
    images: Annotated[int | None, typer.Option(help="How many images.")] = None,
    size: Annotated[str | None, typer.Option(metavar="HEIGHTxWIDTH", help="Of an image, in pixels.")] = None,
    steps: Annotated[int | None, typer.Option(help="The pipeline's inference steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="The pipeline's guidance scale.")] = None,
    out: Annotated[Path | None, typer.Option(help="Their folder, in place of the one where runs look.")] = None,
    results: Results = Path("results"),
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a folder of generated, unlabelled street images, or go on with it; runs of the same settings use it."""
    check_device(device)
    given = {
        "generator": generator,
        "prompts": prompts,
        "llm": llm,
        "llm_prompts": llm_prompts,
        "images": images,
        "image_size": _size(size),
        "inference_steps": steps,
        "guidance": guidance,
    }
    with interruptible():
        config = _config(method, protocol, {name: value for name, value in given.items() if value is not None})
        from bench.generated import place, revision
        from bench.generated.folder import make
        from bench.run import make_fabric

        folder = out or place(results, config)
        with contextlib.redirect_stdout(sys.stderr), bars(quiet) as observer:
            made = make(config, folder, make_fabric(device, "fp32").device, observer)
        if as_json:
            counts = {"images": made.images, "new": made.new, "prompts": len(made.prompts)}
            print_json({"folder": str(folder), **counts, "revision": revision(config)})
        else:
            print(f"{made.images} images of {len(made.prompts)} prompts in {folder}, {made.new} of them made now")
            if out is not None:
                print(f"a run looks for them in {place(results, config)}")


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    if not (found := re.fullmatch(r"(\d+)[x,](\d+)", text)):
        raise UserError(f"--size {text}: write height and width in pixels, as 768x768")
    return int(found[1]), int(found[2])


def _config(method: str | None, protocol: str | None, given: dict[str, Any]) -> GeneratedConfig:
    """The method's defaults, the protocol's settings of it over them, and `given` over both."""
    from pydantic import ValidationError

    from bench.config import GeneratedConfig
    from bench.errors import what_is_wrong
    from bench.protocols import load_protocol
    from bench.registry import METHODS

    kind = METHODS.get(method).config if method is not None else GeneratedConfig
    if not issubclass(kind, GeneratedConfig):
        raise UserError(f"method {method} trains on no generated images: its options are not a GeneratedConfig")
    if protocol is not None and method is None:
        raise UserError("--protocol says how a method is set there: name it with --method")
    of_protocol = dict(load_protocol(protocol).methods.get(method or "", {})) if protocol is not None else {}
    of_protocol.pop("recipe", None)
    try:
        config = kind.model_validate(of_protocol | given)
    except ValidationError as error:
        raise UserError(what_is_wrong(error)) from error
    if config.images == 0:
        raise UserError("images is 0: there is nothing to make")
    return config
