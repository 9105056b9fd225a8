"""RunResult: one immutable JSON file per run, and beside it an .npz with per-image confusions.

Both are written atomically (temporary file in the same folder, fsync, rename): a reader sees the old
file or the new one, never half of one. The .npz goes first, so it always holds at least what the JSON names.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from bench.errors import DamagedFile, PrerequisiteError, what_is_wrong
from bench.spec import Frozen, Group, RunSpec, spec_hash

SCHEMA_VERSION: Literal[2] = 2


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
    images: int
    confusion: list[list[int]]
    """(classes, classes) pixels; rows are the truth."""
    reliability: Reliability
    file_list_hash: str
    left_out: int = 0  # by the exclude list
    seconds: float


class CurvePoint(Frozen):
    """One logged step of training."""

    iteration: int
    loss: float
    lr: float


class Cost(Frozen):
    """What a run's model costs, at one image of the training crop's size."""

    trainable_params: int
    total_params: int
    gflops: float | None = None
    latency_ms: float | None = None
    images_per_s: float | None = None
    peak_memory_mb: float | None = None


class Seconds(Frozen):
    """Wall time of each part, resumed runs summed."""

    train: float = 0.0
    evaluate: float = 0.0
    profile: float = 0.0
    total: float = 0.0


class RunResult(Frozen):
    """One run, as its file holds it."""

    schema_version: Literal[2] = SCHEMA_VERSION
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
    def _hold(self) -> RunResult:
        if self.spec_hash != spec_hash(self.spec):
            raise ValueError("spec_hash is not the hash of the spec")
        wanted = {target.name for target in self.spec.targets}
        if unknown := sorted(set(self.targets) - wanted):
            raise ValueError(f"target {unknown[0]!r} is not in the spec")
        if self.state == "complete" and (set(self.targets) != wanted or self.cost is None):
            raise ValueError("state is complete, but a target or the cost is missing")
        for name, target in self.targets.items():
            if any(len(row) != len(target.confusion) for row in target.confusion):
                raise ValueError(f"the confusion matrix of {name!r} is not square")
            if any(count < 0 for row in target.confusion for count in row):
                raise ValueError(f"the confusion matrix of {name!r} has a negative count")
            if sum(pixels for pixels, _, _ in target.reliability.bins) != sum(map(sum, target.confusion)):
                raise ValueError(f"the bins of {name!r} hold other pixels than its confusion matrix")
        return self


class Loaded(NamedTuple):
    """What a results folder holds."""

    results: list[RunResult]
    """Sorted by path."""
    problems: list[DamagedFile]


PerImage = Mapping[str, npt.NDArray[np.integer[Any]]]
"""Target -> (images, classes, classes) counts."""


def result_path(spec: RunSpec, root: Path) -> Path:
    """``<root>/<protocol>/<backbone>/<method>/<spec12>-s<seed>.json``."""
    folder = root / spec.protocol / spec.backbone.replace("/", "--").replace(":", "-") / spec.method.replace("/", "--")
    return folder / f"{spec_hash(spec)[:12]}-s{spec.seed}.json"


def per_image_path(path: Path) -> Path:
    """The .npz beside a result file."""
    return path.with_suffix(".npz")


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


def write_atomically(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Fill a temporary file beside ``path``, sync it to disk, rename it over ``path``. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # mkstemp makes 0600: a result is there to be shared
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_result(path: Path) -> RunResult:
    """Read and check one result file. Raises DamagedFile (FileNotFoundError if there is none)."""
    try:
        return RunResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error


def read_per_image(path: Path, result: RunResult) -> dict[str, npt.NDArray[np.int32]]:
    """Per-image confusions of ``result`` (whose JSON is ``path``), (images, classes, classes) each.

    Raises DamagedFile when they are missing, unreadable, or do not add up to the result's matrices.
    """
    source = per_image_path(path)
    try:
        with np.load(source, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name], dtype=np.int32) for name in result.targets}
    except Exception as error:  # numpy and zipfile raise half a dozen kinds for a broken archive
        raise DamagedFile(source, f"{type(error).__name__}: {error}") from error
    for name, target in result.targets.items():
        total = arrays[name].sum(axis=0, dtype=np.int64)
        if len(arrays[name]) != target.images or not np.array_equal(total, np.array(target.confusion)):
            raise DamagedFile(source, f"{name!r} does not add up to the matrix in {path.name}")
    return arrays


def set_aside(path: Path) -> Path:
    """Move a damaged file to ``*.damaged`` (numbered when taken), say so, and return where it is now."""
    aside, number = path.with_name(path.name + ".damaged"), 1
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.damaged{number}"), number + 1
    os.replace(path, aside)
    logging.getLogger(__name__).warning("moved the damaged file %s to %s", path, aside.name)
    return aside


def load_all(root: Path, *, per_image: bool = False) -> Loaded:
    """Every result file below ``root``, and the files that cannot be trusted.

    Also a file whose path does not match its content is a problem: it would be counted twice, or missed. With
    `per_image` the counts of images must add up, too, where they are there.
    """
    results, problems = [], []
    for path in sorted(root.rglob("*.json")):
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        try:
            result = read_result(path)
            if path != result_path(result.spec, root):
                raise DamagedFile(path, f"its content belongs at {result_path(result.spec, root)}")
            if per_image and per_image_path(path).exists():
                read_per_image(path, result)
        except DamagedFile as error:
            problems.append(error)
        except OSError as error:
            problems.append(DamagedFile(path, error.strerror or str(error)))
        else:
            results.append(result)
    return Loaded(results, problems)


def encode(value: Any, indent: str = "") -> str:
    """JSON with sorted keys that diffs well and stays small: nested dicts indented, flat lists on one line."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key)}: {encode(value[key], inner)}" for key in sorted(value)]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        lines = [inner + json.dumps(item, sort_keys=True, separators=(",", ":"), allow_nan=False) for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
