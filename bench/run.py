"""RunSpec -> RunResult: train or go on, evaluate each target, measure the cost; saved after each part."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from bench import inference, provenance
from bench.api import Segmenter
from bench.checkpoint import read_progress
from bench.compiled import compile_backbone
from bench.cost.counts import count
from bench.cost.of_run import cost_of_run
from bench.data.for_run import open_for, require_targets
from bench.data.reader import SegmentationDataset
from bench.errors import DamagedFile, UserError
from bench.evaluate import evaluate, prefetch
from bench.joint import open_joint
from bench.models.build import build_segmenter
from bench.observer import Observer, Silent
from bench.per_image import read_per_image
from bench.registry import METHODS
from bench.resolve import departures
from bench.result import (
    Provenance,
    RunResult,
    Seconds,
    announce,
    read_result,
    require_writable,
    result_path,
    set_aside,
    write_result,
)
from bench.spec import Precision, RunSpec, spec_hash
from bench.train import Training, train
from bench.trained import imported_backbone, is_trained, weights_path

OnExisting = Literal["skip", "rerun", "error"]


def run(
    spec: RunSpec,
    *,
    results: Path,
    device: str = "auto",
    on_existing: OnExisting = "skip",
    observer: Observer | None = None,
    weights: Path | None = None,
    data_root: Path | None = None,
    workers: int | None = None,
    only: Sequence[str] = (),
) -> RunResult:
    """Do what of `spec` is not yet done below the folder `results`, and return the result: complete, unless `only`.

    `weights` names the backbone's file where it is not the card's, `data_root` the folder of the data sets;
    `workers` threads read files. `only` these targets are scored now; a result that lacks others stays partial.

    A complete result is returned as it is (`skip`), refused (`error`) or made again (`rerun`); a
    partial one, or a training that was interrupted, is gone on with. Raises PrerequisiteError before
    anything slow when `results` cannot be written, DamagedFile for files that cannot be trusted, and
    UserError for a device that is not there.
    """
    observer = observer or Silent()
    began = time.monotonic()
    require_writable(results)
    require_targets(spec, only)
    path, trained = result_path(spec, results), weights_path(spec, results)
    weights = weights or imported_backbone(spec, results)
    existing = _existing(path, on_existing)
    again = existing is not None and existing.state == "complete"
    if existing is not None:
        _tell(existing, path, on_existing)
        if again and on_existing == "skip":
            return existing
    opened = open_for(spec, data_root, sources=again or not is_trained(spec, results), only=only)
    fabric = make_fabric(device, spec.precision)
    segmenter = build_segmenter(spec, weights)
    if spec.compile:
        compile_backbone(segmenter, fabric.device)
    settings, joint = departures(spec, weights), None
    to_train = opened.source is not None and (spec.checkpoint is None or not is_trained(spec, results))
    if to_train:  # before anything is noted down or deleted: what is missing is said here
        segmenter.prepare(trained.parent, fabric.device)
    announce(spec, results)
    if to_train:
        joint = open_joint(spec, results, fabric.device, observer)
    if again:
        existing = None
        _forget_finished(trained, spec)
    options: dict[str, Any] = {"fabric": fabric, "observer": observer, "workers": workers, "joint": joint}
    identity: dict[str, Any] = {"seed": spec.seed, "spec_hash": spec_hash(spec), "checkpoint": trained}
    training = train(segmenter, opened.source, spec.recipe, spec.joint_iterations, **identity, **options)
    segmenter.release()
    if training.steps:
        existing = None  # of other weights than these
    job = _Job(_partial(spec, settings, training, existing, fabric), path, observer, began)
    try:
        job.evaluate_all(segmenter, opened.targets, fabric, workers)
    finally:
        for dataset in opened.targets.values():
            dataset.cancel()  # an interrupted program does not wait for images nobody will see
    return job.complete(segmenter, fabric, weights)


def make_fabric(device: str, precision: Precision) -> Fabric:
    """Lightning Fabric on `auto` (CUDA if there is one, else the CPU), `cpu`, `cuda` or `cuda:N`.

    Raises UserError for a device that is not there.
    """
    kind, number = device_there(device)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces its settings otherwise
    devices: Any = 1 if kind == "cpu" else [number]
    return Fabric(accelerator=kind, devices=devices, precision="bf16-mixed" if precision == "bf16" else "32-true")


def device_there(device: str) -> tuple[str, int]:
    """Kind ("cpu" or "cuda") and number of a device by its name, as `make_fabric` takes it; raises UserError as it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdecimal())):
        raise UserError(f"unknown device {device!r} (known: auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UserError(f"device {device!r} is not there: this machine has {torch.cuda.device_count()} CUDA devices")
    return kind, int(number or 0)


class _Job:
    """A result that grows; every growth is written before the next begins."""

    def __init__(
        self,
        result: RunResult,
        path: Path,
        observer: Observer,
        began: float,
    ) -> None:
        self.result, self.path, self.observer = result, path, observer
        self.began = began - result.seconds.total
        self.per_image = read_per_image(path, result) if result.targets else {}
        self._save(spent={})

    def evaluate_all(
        self, segmenter: Segmenter, datasets: dict[str, SegmentationDataset], fabric: Fabric, readers: int | None
    ) -> None:
        """Score every target that has a data set here and that the result does not have yet."""
        spec = self.result.spec
        layout = inference.layout(spec)
        done = self.result.targets
        left = [target for target in spec.targets if target.name in datasets and target.name not in done]

        def logits(images: Tensor) -> Tensor:
            with fabric.autocast():  # of the thread that calls
                return segmenter.logits(images)

        for place, target in enumerate(left):
            prefetch(left[place : place + 2], datasets)
            data = datasets[target.name]
            options: dict[str, Any] = {"observer": self.observer, "readers": readers, "kind": segmenter.score_kind}
            scored = evaluate(logits, target, data, layout, fabric.device, **options)
            self.per_image[target.name] = scored.per_image
            self._save(
                spent={"evaluate": scored.result.seconds},
                targets=self.result.targets | {target.name: scored.result},
            )

    def complete(self, segmenter: Segmenter, fabric: Fabric, weights: Path | None) -> RunResult:
        """Measure the cost and close the result, where no target is left. The segmenter is of no more use."""
        spec = self.result.spec
        if {target.name for target in spec.targets} - set(self.result.targets):
            return self.result
        began = time.monotonic()
        parameters, device = count(segmenter), fabric.device
        if device.type == "cuda":  # its memory is for the process that measures
            segmenter.to("meta")
            torch.cuda.empty_cache()
        on: dict[str, Any] = {"device": str(device), "threads": torch.get_num_threads(), "weights": weights}
        cost = cost_of_run(spec, parameters, self.observer, **on)
        self._save(spent={"profile": time.monotonic() - began}, cost=cost, state="complete")
        return self.result

    def _save(self, spent: dict[str, float], **fields: Any) -> None:
        before = self.result.seconds
        seconds = {name: getattr(before, name) + more for name, more in spent.items()}
        seconds["total"] = time.monotonic() - self.began
        fields["seconds"] = before.model_copy(update=seconds)
        self.result = RunResult.model_validate(dict(self.result) | fields)
        write_result(self.result, self.path, self.per_image)


def _existing(path: Path, on_existing: OnExisting) -> RunResult | None:
    try:
        found = read_result(path)
    except FileNotFoundError:
        return None
    except DamagedFile as error:
        if on_existing == "rerun":
            set_aside(path)
            return None
        advice = "--on-existing rerun keeps it as *.damaged and starts again"
        raise DamagedFile(path, f"{error.reason}; {advice}") from error
    if found.state == "complete" and on_existing == "error":
        raise UserError(f"there is a result already: {path} (--on-existing skip returns it, rerun makes it again)")
    return found


def _tell(existing: RunResult, path: Path, on_existing: OnExisting) -> None:
    """Say what is not run again, and when it was made by other code than there is now."""
    log, again = logging.getLogger(__name__), "`run` with --on-existing rerun trains again"
    if existing.provenance.method_code not in (None, METHODS.digest(existing.spec.method)):
        log.warning("the code of method %s has changed since %s was made; %s", existing.spec.method, path, again)
    if existing.state == "complete" and on_existing == "skip":
        log.warning("nothing was trained or scored: %s was there already; %s", path, again)


def _partial(
    spec: RunSpec, settings: dict[str, Any], training: Training, existing: RunResult | None, fabric: Fabric
) -> RunResult:
    """The result as it stands after training: with the targets of `existing`, which has the same weights."""
    earlier = existing.seconds if existing else Seconds(total=training.earlier)
    return RunResult(
        state="partial",
        spec=spec,
        spec_hash=spec_hash(spec),
        provenance=_provenance(spec, fabric).model_copy(update={"generated": training.generated}),
        settings=settings,
        targets=existing.targets if existing else {},
        curve=training.curve,
        seconds=earlier.model_copy(update={"train": training.seconds}),
    )


def _forget_finished(weights: Path, spec: RunSpec) -> None:
    """Delete the weights of a finished training; an interrupted one (of an earlier `rerun`) is gone on with.

    Those of an imported run stay: they are what is scored again.
    """
    if spec.checkpoint is None and weights.exists() and read_progress(weights).step >= spec.iterations:
        weights.unlink()


def _provenance(spec: RunSpec, fabric: Fabric) -> Provenance:
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return provenance.collect(device.type, name, torch.get_num_threads(), METHODS.digest(spec.method))
