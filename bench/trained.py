"""Runs whose training is over: their weights, their segmenters, and other targets for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bench.api import Segmenter
from bench.checkpoint import adopt, load_checkpoint, read_progress
from bench.errors import UserError
from bench.models.build import build_segmenter
from bench.protocols import Protocol, load_protocol, on_track
from bench.resolve import revisions
from bench.result import read_result, result_path, state_folder
from bench.spec import GENERATED, RunSpec, Target, spec_hash

AT = "@"
"""`X@Y`: scored on the targets of protocol X, trained as Y says."""


def weights_path(spec: RunSpec, results: Path) -> Path:
    """Where a run's trainable weights and its checkpoints are kept (one file, not for committing)."""
    return state_folder(spec, results) / "weights.safetensors"


def imported_backbone(spec: RunSpec, results: Path) -> Path | None:
    """The backbone that came with an imported checkpoint, where one did."""
    path = state_folder(spec, results) / "backbone.safetensors"
    return path if spec.checkpoint is not None and path.exists() else None


def is_trained(spec: RunSpec, results: Path) -> bool:
    """Whether the weights of a finished training are there."""
    path = weights_path(spec, results)
    return path.exists() and read_progress(path).step >= spec.iterations


def require_trained(spec: RunSpec, results: Path) -> None:
    """Raise UserError where a run is neither complete nor trained: scoring it would mean training it first."""
    path = result_path(spec, results)
    if not (path.exists() and read_result(path).state == "complete") and not is_trained(spec, results):
        raise UserError(f"run {spec_hash(spec)[:12]} is not trained: `run` with the same options goes on with it")


def load_trained(spec: RunSpec, results: Path, weights: Path | None = None) -> Segmenter:
    """The segmenter of a run as training left it, on the CPU, in evaluation mode. Raises UserError without weights."""
    _require_weights(spec, results)
    segmenter = build_segmenter(spec, weights or imported_backbone(spec, results))
    load_checkpoint(weights_path(spec, results), spec_hash(spec), segmenter)
    return segmenter.eval()


def retarget(
    spec: RunSpec, protocol: str | None, track: str | None, results: Path, corruptions: str | None = None
) -> RunSpec:
    """The run on other targets, under another track or other corruptions, with the weights it has.

    What it was trained on stays its source, whose own targets are scored, too. Raises UnknownName, and UserError
    without its weights, and where a run of the same specification has weights of its own.
    """
    rules = load_protocol(protocol or spec.protocol.rpartition(AT)[2]).with_corruptions(corruptions)
    other = elsewhere(spec, rules, track or spec.track.name)
    if spec_hash(other) != spec_hash(spec):
        _share_weights(spec, other, results)
    return other


def elsewhere(spec: RunSpec, rules: Protocol, track: str) -> RunSpec:
    """The specification of `retarget`: the same training, scored as `rules` say. Raises UnknownName, UserError."""
    base = spec.protocol.rpartition(AT)[2]
    targets = _targets(spec, load_protocol(base), rules, track)
    # What it was trained on is what it was then, whatever has become of those data sets.
    trained_on = {source.dataset: spec.data[source.dataset] for source in spec.sources}
    now = revisions((), targets)
    for dataset in trained_on.keys() & now.keys():
        if trained_on[dataset] != now[dataset]:
            raise UserError(f"dataset {dataset} has changed since run {spec_hash(spec)[:12]} was trained on it")
    trained_on |= {name: spec.data[name] for name in (GENERATED,) if name in spec.data}
    changed = {
        "protocol": base if rules.name == base else f"{rules.name}{AT}{base}",
        "track": rules.track(track),
        "targets": targets,
        "data": dict(sorted((now | trained_on).items())),
    }
    return RunSpec.model_validate(spec.model_dump() | changed)


def _targets(spec: RunSpec, own: Protocol, rules: Protocol, track: str) -> tuple[Target, ...]:
    """The source's own targets and the others of `rules`, on its track; a set is scored once."""
    trained = {source.dataset for source in spec.sources}
    homes = [target for target in own.all_targets() if target.group == "source"]
    swept = {target.dataset for target in rules.all_targets() if target.corruption}
    others = [
        target if target.group != "source" else target.model_copy(update={"group": "unseen"})
        for target in rules.all_targets()
        if target.group != "source" or target.dataset in swept  # the clean images of its corruptions
    ]
    placed = [on_track(target, rules.rules(track), trained) for target in [*homes, *others]]
    sets = {target.dataset for target in placed[: len(homes)]}
    return (*placed[: len(homes)], *(one for one in placed[len(homes) :] if one.dataset not in sets or one.corruption))


def _share_weights(spec: RunSpec, other: RunSpec, results: Path) -> None:
    _require_weights(spec, results)
    adopt(weights_path(spec, results), weights_path(other, results), spec_hash(other))
    backbone = imported_backbone(spec, results)
    if backbone is not None:
        twin = state_folder(other, results) / backbone.name
        try:
            os.link(backbone, twin)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            shutil.copy2(backbone, twin)


def _require_weights(spec: RunSpec, results: Path) -> None:
    if not is_trained(spec, results):
        where = weights_path(spec, results)
        raise UserError(f"the weights of run {spec_hash(spec)[:12]} are not at {where}: `run` makes them")
