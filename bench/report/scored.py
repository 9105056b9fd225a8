"""What tables need of a result: all but its matrices and its training curve, so that thousands fit into memory."""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from bench.cost.figures import Cost
from bench.errors import DamagedFile
from bench.report.corruptions import Sweep, sweep
from bench.report.scores import Measures, measures
from bench.report.seen import in_short
from bench.report.tracks import describe
from bench.result import Matrices, RunResult, each_result, result_path
from bench.spec import RunSpec, Target, series_hash


class Scored(NamedTuple):
    """One run, complete or not."""

    spec: RunSpec
    complete: bool
    settings: dict[str, Any]
    device: str
    cost: Cost | None
    images: dict[str, tuple[int, str]]
    """Target -> how many images it was scored on, and the hash of their list."""
    series: str
    """`series_of`."""
    found: Measures
    swept: Sweep | None
    seen: str
    """Which targets the backbone's pre-training saw."""
    tested: str
    """How its images are put through the model, in words."""
    path: Path | None
    """The result file, if it has one."""


_TARGETS = TypeAdapter(tuple[Target, ...])
Cards = dict[tuple[object, ...], str]
"""What was said of specs that have the same backbone and targets: saying it means reading their cards."""


class Read(NamedTuple):
    """What a results folder holds."""

    scored: list[Scored]
    """Sorted by path."""
    problems: list[DamagedFile]


def read_scored(root: Path, *, per_image: bool = False) -> Read:
    """Every sound result below `root` as it is needed, one in memory at a time, and what is wrong with the others.

    Counts of single images are checked where a figure needs them, all of them with `per_image`: see `each_result`.
    """
    scored, problems = [], []
    known: Cards = {}
    matrices = Matrices()
    with _no_collection():
        for found in each_result(root, per_image=per_image, matrices=matrices):
            try:
                if isinstance(found, DamagedFile):
                    raise found
                scored.append(score(found, root, known, matrices.of))
            except DamagedFile as error:
                problems.append(error)
    return Read(scored, problems)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Results have no cycles: looking for some among millions of lists takes an eighth of the time of reading them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def score_all(results: Iterable[RunResult | Scored], root: Path | None = None) -> list[Scored]:
    """The results as they are needed; each is let go of before the next is asked for. `root`: see `score`."""
    known: Cards = {}
    one = partial(score, root=root, known=known)
    return [result if isinstance(result, Scored) else one(result) for result in results]


def score(
    result: RunResult,
    root: Path | None = None,
    known: Cards | None = None,
    matrices: npt.NDArray[np.int64] | None = None,
) -> Scored:
    """What tables need of one result.

    `root` is the folder that it was read from: counts of single images are read there where a figure needs
    them. `known` keeps what is the same for many; `matrices` are the result's, if at hand. Raises DamagedFile where
    such counts are there and are not this result's.
    """
    spec, found = result.spec, measures(result, matrices)
    path = result_path(spec, root, result.spec_hash) if root else None
    known = {} if known is None else known
    targets = _TARGETS.dump_json(spec.targets)  # as a key: faster than to compare models
    return Scored(
        spec=spec,
        complete=result.state == "complete",
        settings=result.settings,
        device=result.provenance.device_name,
        cost=result.cost,
        images={name: (target.images, target.file_list_hash) for name, target in result.targets.items()},
        series=series_of(result),
        found=found,
        swept=sweep(result, found, path),
        seen=_once(known, in_short, spec, (targets, spec.backbone, spec.weights == "random")),
        tested=_once(known, describe, spec, (targets, spec.track.model_dump_json(), spec.recipe.crop)),
        path=path,
    )


def _once(known: Cards, say: Callable[[RunSpec], str], spec: RunSpec, key: tuple[object, ...]) -> str:
    if (say, *key) not in known:
        known[say, *key] = say(spec)
    return known[say, *key]


def series_of(result: RunResult) -> str:
    """Runs with the same one are repetitions: of one spec but for the seed, scored on the same images."""
    lists = sorted(f"{name} {target.file_list_hash}" for name, target in result.targets.items())
    return hashlib.sha256("\n".join([series_hash(result.spec), *lists]).encode()).hexdigest()
