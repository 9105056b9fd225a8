"""RunResult: one immutable JSON file per run, and beside it an .npz with per-image confusions.

Both are written atomically (temporary file in the same folder, fsync, rename): a reader sees the old
file or the new one, never half of one. The .npz goes first, so it always holds at least what the JSON names.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError, ValidationInfo, model_validator

from bench.byproducts import Byproducts, stacked_bins
from bench.cost.figures import Amount, Cost, Count
from bench.data.labels import CLASSES
from bench.errors import DamagedFile, PrerequisiteError, what_is_wrong
from bench.matrices import IntArray, Matrix, cut_out, stacked
from bench.per_image import PerImage, check_contents, per_image_path, read_per_image
from bench.reading import read_ahead
from bench.spec import Frozen, Group, Positive, RunSpec, canonical_fields, spec_hash
from bench.writing import encode, write_atomically

SCHEMA_VERSION: Literal[3] = 3
BASELINES = "baselines"
"""Folder beside the protocols' whose files are the regression gate's, no results."""


class Provenance(Frozen):
    """What made the numbers: code, packages, machine. Neither paths nor host names nor remotes."""

    commit: str | None
    dirty: bool | None
    """Whether code, protocols or cards differed from the commit; None without git."""
    packages: dict[str, str]
    python: str
    platform: str
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int
    method_code: str | None = None  # digest of the method's own file
    generated: str | None = None  # checksum over the generated images that were trained on


class Reliability(Frozen):
    """How far the probabilities can be trusted: counts of labelled pixels (`bench.reliability`)."""

    bins: list[tuple[int, float, int]]
    """Of each bin of confidence: pixels, sum of the confidences, how many are right."""
    nll_sum: float
    """Sum of -log p of the true class, in nats."""
    anomaly: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    """Histograms of the anomaly score, of normal pixels and of anomalous ones; None where none are marked."""


class TargetResult(Frozen):
    """Counts of one evaluation set; every score is derived from them."""

    group: Group
    images: Count
    confusion: Matrix
    """(classes, classes) pixels; rows are the truth."""
    reliability: Reliability
    file_list_hash: str
    left_out: Count = 0  # by the exclude list
    seconds: Amount

    def __eq__(self, other: object) -> bool:  # arrays have no truth value
        return isinstance(other, TargetResult) and self.model_dump() == other.model_dump()


class CurvePoint(Frozen):
    """One logged step of training."""

    iteration: Positive
    loss: float
    lr: Amount


class Seconds(Frozen):
    """Wall time of each part, resumed runs summed."""

    train: Amount = 0.0
    evaluate: Amount = 0.0
    profile: Amount = 0.0
    total: Amount = 0.0


class RunResult(Frozen):
    """One run, as its file holds it."""

    schema_version: Literal[2, 3] = SCHEMA_VERSION
    """Of 2 the cost is an `EarlierCost`."""
    origin: Literal["measured"] = "measured"
    state: Literal["partial", "complete"]
    spec: RunSpec
    spec_hash: str
    provenance: Provenance
    settings: dict[str, Any] = Field(default_factory=dict)
    """What of the spec was not its protocol's own choice, flat key -> value (`recipe.iterations`): tables show it."""
    targets: dict[str, TargetResult] = Field(default_factory=dict)
    curve: list[CurvePoint] = Field(default_factory=list)
    cost: Cost | None = None
    seconds: Seconds = Seconds()

    @model_validator(mode="after")
    def _hold(self, info: ValidationInfo) -> RunResult:
        texts = canonical_fields(self.spec)
        if self.spec_hash != spec_hash(self.spec, texts):
            raise ValueError("spec_hash is not the hash of the spec")
        wanted = {target.name for target in self.spec.targets}
        if unknown := sorted(set(self.targets) - wanted):
            raise ValueError(f"target {unknown[0]!r} is not in the spec")
        if self.state == "complete" and (set(self.targets) != wanted or self.cost is None):
            raise ValueError("state is complete, but a target or the cost is missing")
        counts, bins = _stacked(self.targets, info.context), stacked_bins(self.targets)
        if self.spec.classes != "cityscapes-19" and counts.size and counts.shape[1] != len(CLASSES):
            raise ValueError(f"matrices of {counts.shape[1]} classes have no score on {self.spec.classes}")
        for name, same in zip(self.targets, counts.sum(axis=(1, 2)) == bins["pixels"].sum(axis=1), strict=True):
            if not same:
                raise ValueError(f"the bins of {name!r} hold other pixels than its confusion matrix")
        if isinstance(info.context, Byproducts):
            info.context.matrices, info.context.bins, info.context.texts = counts, bins, texts
        return self


def _stacked(targets: dict[str, TargetResult], context: Any) -> IntArray:
    """`stacked`; as they were cut out of the text, if they were: that none is from elsewhere, `read_result` sees."""
    cut = context.matrices if isinstance(context, Byproducts) else None
    return stacked(targets) if cut is None or len(cut) != len(targets) else cut


class Loaded(NamedTuple):
    """What a results folder holds."""

    results: list[RunResult]
    """Sorted by path."""
    problems: list[DamagedFile]


def result_path(spec: RunSpec, root: Path, known_hash: str | None = None) -> Path:
    """``<root>/<protocol>/<backbone>/<method>/<spec12>-s<seed>.json``; `known_hash` is the spec's, if at hand."""
    backbone, method = spec.backbone.replace("/", "--").replace(":", "-"), spec.method.replace("/", "--")
    name = f"{(known_hash or spec_hash(spec))[:12]}-s{spec.seed}.json"
    return root / f"{spec.protocol}/{backbone}/{method}/{name}"  # joined once: this is asked thousands of times


def require_writable(root: Path) -> None:
    """Make the results folder and write a byte into it. Raises PrerequisiteError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(b"\n")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PrerequisiteError(f"cannot write results to {root}: {reason}; choose another with --results") from error


def state_folder(spec: RunSpec, root: Path) -> Path:
    """Where a run keeps what is not a result: its spec, checkpoints, final weights. Not for committing."""
    return root / ".runs" / f"{spec_hash(spec)[:12]}-s{spec.seed}"


def announce(spec: RunSpec, root: Path) -> None:
    """Note that a run of ``spec`` begins, so that it can be listed when it is interrupted before its first result."""
    require_writable(root)
    path = state_folder(spec, root) / "spec.json"
    text = encode(spec.model_dump(mode="json")) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, methodcaller("write", text.encode("utf-8")))
    except OSError as error:
        raise PrerequisiteError(f"cannot save {path}: {error.strerror or error}") from error


def read_spec(path: Path) -> RunSpec:
    """The spec that `announce` noted. Raises DamagedFile (FileNotFoundError if there is none)."""
    try:
        return RunSpec.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error


def unfinished(root: Path) -> list[RunSpec]:
    """Specs that were announced below ``root`` and have no result file yet, sorted by their folder."""
    found = []
    for path in sorted(root.glob(".runs/*/spec.json")):
        with contextlib.suppress(DamagedFile, OSError):  # of another version of the suite: not ours to go on with
            spec = read_spec(path)
            if not result_path(spec, root).exists():
                found.append(spec)
    return found


def write_result(result: RunResult, path: Path, per_image: PerImage) -> None:
    """Write the .npz, then the JSON, each atomically. A failed save raises PrerequisiteError."""
    arrays: dict[str, Any] = {name: np.asarray(counts, dtype=np.int32) for name, counts in per_image.items()}
    text = encode(result.model_dump(mode="json")) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(per_image_path(path), lambda stream: np.savez_compressed(stream, **arrays))
        write_atomically(path, methodcaller("write", text.encode("utf-8")))
    except OSError as error:
        raise PrerequisiteError(f"cannot save {path}: {error.strerror or error}") from error


def read_result(path: Path, byproducts: Byproducts | None = None) -> RunResult:
    """Read and check one result file. Raises DamagedFile (FileNotFoundError if there is none)."""
    text = path.read_bytes()
    made = Byproducts() if byproducts is None else byproducts
    if cut := cut_out(text):
        made.matrices = cut.matrices
        with contextlib.suppress(ValidationError):  # what is wrong is said of the whole text, below
            result = RunResult.model_validate_json(cut.text, context=made)
            if len(result.targets) == len(cut.matrices):  # else one was cut from elsewhere, or of a key given twice
                return result
    made.matrices = None
    try:
        return RunResult.model_validate_json(text, context=made)
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error


def set_aside(path: Path) -> Path:
    """Move a damaged file to ``*.damaged`` (numbered when taken), say so, and return where it is now."""
    aside, number = path.with_name(path.name + ".damaged"), 1
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.damaged{number}"), number + 1
    os.replace(path, aside)
    logging.getLogger(__name__).warning("moved the damaged file %s to %s", path, aside.name)
    return aside


def _result_files(root: Path) -> list[Path]:
    """Sorted; neither the regression gate's nor hidden ones."""
    found = []
    for path in sorted(root.rglob("*.json")):
        inside = path.relative_to(root).parts
        if inside[0] != BASELINES and not any(part.startswith(".") for part in inside):
            found.append(path)
    return found


def load_all(root: Path, *, per_image: bool = False) -> Loaded:
    """Every result file below ``root``, and the files that cannot be trusted: `each_result`, all in memory."""
    results: list[RunResult] = []
    problems: list[DamagedFile] = []
    for found in each_result(root, per_image=per_image):
        if isinstance(found, DamagedFile):
            problems.append(found)
        else:
            results.append(found)
    return Loaded(results, problems)


def each_result(
    root: Path, *, per_image: bool = False, byproducts: Byproducts | None = None
) -> Iterator[RunResult | DamagedFile]:
    """One after the other, the result files below ``root`` and what is wrong with those that cannot be trusted.

    Also a file whose path does not match its content is a problem: it would be counted twice, or missed. So is an
    archive of single images' counts that is cut off or lacks a target; with `per_image` they must add up, too. Each
    result's are left in `byproducts`.
    """
    for path in read_ahead(_result_files(root)):
        try:
            result = read_result(path, byproducts)
            if path != result_path(result.spec, root, result.spec_hash):
                raise DamagedFile(path, f"its content belongs at {result_path(result.spec, root)}")
            if per_image_path(path).exists():
                check_contents(path, result)
                if per_image:
                    read_per_image(path, result)
        except DamagedFile as error:
            yield error
        except OSError as error:
            yield DamagedFile(path, error.strerror or str(error))
        else:
            yield result
            del result
