"""What a baseline file holds, and the tolerances that its own seeds give it. Imports no torch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError, model_validator

from bench.errors import DamagedFile, PrerequisiteError, UserError, what_is_wrong
from bench.result import Provenance
from bench.spec import Frozen, Positive
from bench.writing import encode, write_atomically

SCHEMA_VERSION: Literal[2] = 2
ALARM = 0.01
"""How often a check may fail by chance, were its seed drawn anew: over all scores of a file together."""
LEAST_MIOU = 0.5
"""Points; the narrowest tolerance, where seeds happen to agree."""
RULE = (
    f"mIoU: of each group of targets, t(1 - {ALARM} / (2 x scores in this file)) x spread x sqrt(1 + 1 / seeds), at "
    f"least {LEAST_MIOU}, around the seeds' mean: where one more seed may lie. The spread is the standard deviation "
    "over seeds, pooled over the methods. Parameters: equal. The others are fixed: gflops relative; labels, the share "
    "of pixels whose class is another; response, the relative distance of a built model's answers to a fixed input; "
    "first steps, relative: losses, and how far parameters move, of a built model's first steps on the sources."
)


class Budget(Frozen):
    """How much of a protocol's work a quick run does."""

    iterations: Positive = 100
    """Of training (and of a joint phase, where the method has one)."""
    images: Positive = 2
    """Of each target."""
    corrupted: Positive = 1
    """Of each corruption."""
    seeds: Annotated[tuple[int, ...], Field(min_length=2)] = (0, 1, 2)
    """A baseline has runs of all of them, a check one of the first."""

    @model_validator(mode="after")
    def _differ(self) -> Budget:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds must differ")
        return self


class Tolerances(Frozen):
    """How far from the baseline a figure may lie; all are inclusive."""

    miou: dict[str, float]
    """Group of targets -> points of mIoU."""
    trainable_params: int = 0
    total_params: int = 0
    gflops: float = 0.01
    """Relative."""
    labels: float = 0.001
    response: float = 0.0001
    steps: float = 0.0005
    """Relative, of each loss and each part."""


class Figures(NamedTuple):
    """What one quick run says."""

    miou: dict[str, float]
    """Group of targets -> mean over its targets, percent."""
    labels: dict[str, list[int]]
    """Group -> labelled pixels of each class, summed over its targets."""
    trainable_params: int
    total_params: int
    gflops: float | None
    response: list[float]
    steps: dict[str, float]
    settings: dict[str, Any]
    """The run's own settings, flat."""
    method_code: str | None


class Entry(Frozen):
    """A method's figures."""

    miou: dict[str, list[float]]
    """Group of targets -> one score a seed, percent."""
    labels: dict[str, list[int]]
    trainable_params: int
    total_params: int
    gflops: float | None
    response: list[float]
    steps: dict[str, float]
    settings: dict[str, Any]
    method_code: str | None
    """Digest of the method's own file."""

    def score(self, group: str) -> float:
        """The mean over seeds."""
        return float(np.mean(self.miou[group]))


class Baseline(Frozen):
    """The file."""

    schema_version: Literal[2] = SCHEMA_VERSION
    protocol: str
    track: str
    backbone: str
    sets: tuple[str, ...] = ()
    """The ``--set`` values of every run."""
    protocol_state: dict[str, Any]
    """Sources, targets, revisions of the data, classes, track: without these being equal nothing can be compared."""
    budget: Budget
    rule: str
    spread: dict[str, float]
    """Group of targets -> standard deviation over seeds, pooled over methods."""
    tolerances: Tolerances
    methods: Annotated[dict[str, Entry], Field(min_length=1)]
    provenance: Provenance

    @model_validator(mode="after")
    def _hold(self) -> Baseline:
        for name, entry in self.methods.items():
            for group, found in entry.miou.items():
                if group not in self.tolerances.miou:
                    raise ValueError(f"no tolerance for group {group!r} of method {name}")
                if len(found) != len(self.budget.seeds):
                    raise ValueError(f"method {name}, {group}: {len(found)} scores of {len(self.budget.seeds)} seeds")
        return self


def pooled(entries: Sequence[Mapping[str, Sequence[float]]], group: str) -> float:
    """Standard deviation over seeds of a group's score, pooled over the methods, each around its own mean."""
    return float(np.sqrt(np.mean([np.var(scores[group], ddof=1) for scores in entries if group in scores])))


def tolerances(entries: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """`RULE`'s tolerance of each group's mIoU, from each method's scores by seed.

    That is the half-width of the prediction interval for one more seed, Bonferroni's share of `ALARM` for each score.
    """
    from scipy import stats  # not where baselines are only read

    scores = sum(map(len, entries))
    found = {}
    for group in sorted({group for entry in entries for group in entry}):
        rows = [entry[group] for entry in entries if group in entry]
        freedom = sum(len(row) - 1 for row in rows)
        factor = float(stats.t.ppf(1 - ALARM / (2 * scores), freedom)) * np.sqrt(1 + 1 / len(rows[0]))
        found[group] = max(LEAST_MIOU, round(float(factor * pooled(entries, group)), 2))
    return found


def read_baseline(path: Path) -> Baseline:
    """Raises UserError where there is none, and for one of another version; DamagedFile for what is none."""
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"there is no baseline {path}: `check --update --baseline {path}` writes one") from error
    except OSError as error:
        raise DamagedFile(path, error.strerror or str(error)) from error
    try:
        version = json.loads(text).get("schema_version")
    except (ValueError, AttributeError) as error:
        raise DamagedFile(path, f"it is no baseline ({error})") from error
    if version != SCHEMA_VERSION:
        raise UserError(f"{path} is a baseline of version {version}, not {SCHEMA_VERSION}: write a new one (--update)")
    try:
        return Baseline.model_validate_json(text)
    except ValidationError as error:
        raise DamagedFile(path, f"it is no baseline: {what_is_wrong(error)}") from error


def require_place(path: Path) -> None:
    """Make the folder of a file that is to be written, and write a byte into it. Raises PrerequisiteError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(b"\n")
    except OSError as error:
        raise PrerequisiteError(f"cannot write {path}: {error.strerror or type(error).__name__}") from error


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Raises PrerequisiteError."""
    text = encode(baseline.model_dump(mode="json")) + "\n"
    try:
        write_atomically(path, lambda stream: stream.write(text.encode("utf-8")))
    except OSError as error:
        raise PrerequisiteError(f"cannot save {path}: {error.strerror or error}") from error
