"""A published checkpoint becomes a run: its parts checked and put where a training would have left them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from bench.checkpoint import Progress, save_checkpoint
from bench.errors import DamagedFile, UserError
from bench.models.build import build_segmenter
from bench.models.card import BackboneCard, load_card
from bench.models.card import names as card_names
from bench.models.hub import file_sha256
from bench.models.official import Parts, load_parts, split
from bench.models.weights import read_weights
from bench.resolve import resolve
from bench.result import announce, read_result, read_spec, require_writable, state_folder
from bench.spec import RunSpec, spec_hash
from bench.trained import weights_path

PUBLISHED_PATCH = 16
"""Of every plain transformer in Rein's published code (rein.md)."""


def import_checkpoint(
    checkpoint: Path,
    method: str,
    backbone: str,
    protocol: str,
    track: str,
    *,
    results: Path,
    sets: Iterable[str] = (),
    backbone_weights: Path | None = None,
) -> RunSpec:
    """Read a published checkpoint into a run below `results` that can be scored; returns its spec.

    The backbone is the checkpoint's own, where it has one (then `backbone_weights` is refused), else that file's, else
    the card's. Raises DamagedFile, naming the tensors, for a checkpoint that does not fit the method, the backbone and
    the head's sizes, and UserError for options that contradict it.
    """
    if not checkpoint.is_file():
        raise UserError(f"{checkpoint}: {'that is a folder' if checkpoint.is_dir() else 'there is no such file'}")
    require_writable(results)
    parts = split(read_weights(checkpoint), checkpoint)
    texts = list(sets)
    if parts.backbone and (backbone_weights is not None or any(text.startswith("weights=") for text in texts)):
        raise UserError(f"{checkpoint} has its own backbone: leave --backbone-weights and --set weights out")
    with tempfile.TemporaryDirectory(dir=results, prefix=".import-") as folder:
        own = _write_backbone(parts, Path(folder))
        weights = own or backbone_weights
        options: dict[str, Any] = {"sets": texts, "weights": weights}
        spec = resolve(method, backbone, protocol, track, checkpoint=f"sha256:{file_sha256(checkpoint)}", **options)
        try:
            segmenter = build_segmenter(spec, weights)
        except DamagedFile as error:
            raise DamagedFile(checkpoint if own else error.path, error.reason) from error
        load_parts(segmenter, parts, checkpoint)
        if parts.adapter:
            _warn_of_other_features(spec)
        announce(spec, results)
        if own is not None:
            os.replace(own, state_folder(spec, results) / own.name)
    done = Progress(spec_hash=spec_hash(spec), step=spec.iterations)
    save_checkpoint(weights_path(spec, results), done, segmenter)
    return spec


def _warn_of_other_features(spec: RunSpec) -> None:
    """Say what the backbone does otherwise than in Rein's published code: its checkpoints score badly, not loudly."""
    config, imagenet = spec.backbone_config, BackboneCard.model_fields["mean"].default
    changes = []
    shipped = spec.backbone in card_names() and load_card(spec.backbone).shipped
    if config["patch_size"] not in (None, PUBLISHED_PATCH) and not shipped:
        changes += [f"backbone.patch_size={PUBLISHED_PATCH}", "backbone.img_size=512,512"]
    if tuple(config["mean"]) != imagenet:
        changes += ["backbone.mean=" + ",".join(map(str, imagenet)), "backbone.std=0.229,0.224,0.225"]
    if changes:
        advice = " ".join(f"--set {change}" for change in changes)
        logging.getLogger(__name__).warning("warning: published Rein checkpoints were trained with %s", advice)


def find_run(name: str, results: Path) -> RunSpec:
    """The spec of a run: its result file, its folder below `.runs`, or its hash's first digits. Raises UserError."""
    given = Path(name)
    if given.is_dir() and (given / "spec.json").is_file():
        return _spec_of(given / "spec.json")
    if given.is_file():
        return _spec_of(given)
    folders = [path / "spec.json" for path in results.glob(".runs/*") if path.name.startswith(name)]
    files = [path for path in results.glob("*/*/*/*.json") if path.name.startswith(name)]
    found = {spec_hash(spec): spec for spec in map(_spec_of, [*filter(Path.is_file, folders), *files])}
    if len(found) == 1 and name:
        return next(iter(found.values()))
    what = "several runs begin" if found else "no run begins"
    raise UserError(f"{what} with {name!r} below {results}; see `python -m bench ls runs`")


def _spec_of(path: Path) -> RunSpec:
    return read_spec(path) if path.name == "spec.json" else read_result(path).spec


def _write_backbone(parts: Parts, folder: Path) -> Path | None:
    if not parts.backbone:
        return None
    path = folder / "backbone.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in parts.backbone.items()}, path)
    return path
