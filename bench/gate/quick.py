"""A quick run: the real `bench.run` of a protocol with few iterations and few images, and its figures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.errors import PrerequisiteError
from bench.gate.baseline import Budget, Figures
from bench.gate.response import response
from bench.gate.steps import first_steps
from bench.models.build import build_segmenter
from bench.observer import Observer
from bench.report.scores import scores
from bench.resolve import resolve
from bench.result import RunResult, require_writable
from bench.run import OnExisting, run
from bench.spec import RunSpec

PROTOCOL = ("sources", "targets", "classes", "data", "track", "spec_version")
"""Fields of a specification that are the protocol's; the rest, but for seed and names, are settings."""
DIGITS = 6


class Place(NamedTuple):
    """Where quick runs are done; nothing of it may move a figure by more than its tolerance."""

    device: str = "auto"
    weights: Path | None = None
    data_root: Path | None = None
    workers: int | None = None
    results: Path | None = None
    """Where the runs are kept; by default they are deleted."""
    observer: Observer | None = None


class OneBar:
    """An Observer that passes on a run's training alone, under the run's name: of many runs, one bar each."""

    def __init__(self, observer: Observer, name: str) -> None:
        self.observer, self.name = observer, name

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Begin the run's bar."""
        if task == "train":
            self.observer.start(self.name, total, done)

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        """Move it."""
        if task == "train":
            self.observer.advance(self.name, steps, note)

    def finish(self, task: str) -> None:
        """Stop its clock."""
        if task == "train":
            self.observer.finish(self.name)


class Subject(NamedTuple):
    """What is checked."""

    methods: tuple[str, ...]
    backbone: str
    protocol: str
    track: str
    sets: tuple[str, ...]
    budget: Budget

    def spec(self, method: str, seed: int, weights: Path | None) -> RunSpec:
        """The specification of a quick run. Raises what `resolve` raises."""
        sets = [f"recipe.iterations={self.budget.iterations}", *self.sets]
        named = (method, self.backbone, self.protocol, self.track, seed, None)
        spec = resolve(*named, sets, weights)
        if spec.joint_iterations:
            spec = resolve(*named, [f"joint_iterations={self.budget.iterations}", *sets], weights)
        targets = []
        for target in spec.targets:
            most = self.budget.corrupted if target.corruption else self.budget.images
            targets.append(target.model_copy(update={"images": min(most, target.images or most)}))
        return spec.model_copy(update={"targets": tuple(targets)})


class Quick(NamedTuple):
    """A quick run that is done."""

    figures: Figures
    result: RunResult


@contextmanager
def folder(place: Place) -> Iterator[Path]:
    """The folder of the runs. Raises PrerequisiteError where it cannot be written."""
    if place.results is not None:
        require_writable(place.results)
        yield place.results
        return
    try:
        held = tempfile.TemporaryDirectory(prefix="bench-check-")
    except OSError as error:
        raise PrerequisiteError(f"no temporary folder for the quick runs: {error.strerror or error}") from error
    with held as name:
        yield Path(name)


def quick_run(spec: RunSpec, results: Path, place: Place, on_existing: OnExisting, *, answers: bool = True) -> Quick:
    """Train, score and measure `spec`; response and first steps only if it `answers`. Raises what `run` raises."""
    observer = OneBar(place.observer, f"{spec.method}, seed {spec.seed}") if place.observer else None
    options: dict[str, Any] = {"device": place.device, "observer": observer, "weights": place.weights}
    options |= {"data_root": place.data_root, "workers": place.workers, "on_existing": on_existing}
    result = run(spec, results=results, **options)
    answer: list[float] = []
    steps: dict[str, float] = {}
    if answers:
        answer = [_rounded(value) for value in response(build_segmenter(spec, place.weights), spec)]
        found = first_steps(build_segmenter(spec, place.weights), spec, place.data_root)
        steps = {what: _rounded(value) for what, value in found.items()}
    return Quick(figures(result, answer, steps), result)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def figures(result: RunResult, answer: Sequence[float], steps: Mapping[str, float]) -> Figures:
    """What a complete result says, with the model's response and its first steps."""
    assert result.cost is not None, "a complete result has its cost"
    found = scores(result).targets
    groups = list(dict.fromkeys(target.group for target in found.values() if target.miou is not None))
    miou, labels = {}, {}
    for group in groups:
        mine = [name for name, target in found.items() if target.group == group]
        miou[str(group)] = float(np.mean([score for name in mine if (score := found[name].miou) is not None]))
        counts = sum(result.targets[name].confusion.sum(axis=1) for name in mine)
        labels[str(group)] = np.asarray(counts).tolist()
    cost = result.cost.row()
    trainable, total = (int(cost[f"{what}_params"] or 0) for what in ("trainable", "total"))
    return Figures(
        miou=miou,
        labels=labels,
        trainable_params=trainable,
        total_params=total,
        gflops=cost["gflops"],
        response=list(answer),
        steps=dict(steps),
        settings=settings(result.spec),
        method_code=result.provenance.method_code,
    )


def settings(spec: RunSpec) -> dict[str, Any]:
    """A run's own settings, flat: `recipe.lr`, `method_config.rank`, `weights`."""
    whole = spec.model_dump(mode="json")
    flat: dict[str, Any] = {}
    for name, value in whole.items():
        if name in (*PROTOCOL, "protocol", "method", "seed"):
            continue
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def protocol_state(spec: RunSpec) -> dict[str, Any]:
    """What of a specification is its protocol's."""
    whole = spec.model_dump(mode="json")
    return {name: whole[name] for name in PROTOCOL}
