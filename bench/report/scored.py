"""What tables need of a result: all but its matrices and its training curve, so that thousands fit into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from bench.byproducts import Byproducts
from bench.cost.figures import Cost
from bench.errors import DamagedFile
from bench.report.corruptions import Clean, Sweep, clean_target, sweep
from bench.report.memory import no_collection
from bench.report.scores import Measures, measures
from bench.report.seen import in_short
from bench.report.tracks import describe
from bench.result import RunResult, each_result, result_path
from bench.spec import Classes, Group, RunSpec, canonical_fields, series_hash

T = TypeVar("T")


class ScoredOn(NamedTuple):
    """What the mean of a group is of; two are comparable where these are equal."""

    classes: Classes
    images: frozenset[tuple[str, int, str]]
    """Targets, each with how many images and the hash of their list."""


class Scored(NamedTuple):
    """One run, complete or not."""

    spec: RunSpec
    complete: bool
    settings: dict[str, Any]
    device: str
    cost: Cost | None
    images: dict[str, tuple[int, str]]
    """Target -> how many images it was scored on, and the hash of their list."""
    scored_on: Mapping[Group, ScoredOn]
    """What the mean of each group is of."""
    series: str
    """Of runs that are repetitions the same: of one spec but for the seed, scored on the same images."""
    found: Measures
    swept: Sweep | None
    seen: str
    """Which targets the backbone's pre-training saw."""
    tested: str
    """How its images are put through the model, in words."""
    path: Path | None
    """The result file, if it has one."""


Known = dict[tuple[object, ...], Any]
"""What many results have in common: parts of their specs, lists of images, and what is said of these, for which cards
are read. Kept once: 5,000 results then take a fifth of the memory, and less time, as most of it is found in caches."""


class Read(NamedTuple):
    """What a results folder holds."""

    scored: list[Scored]
    """Sorted by path."""
    problems: list[DamagedFile]


@no_collection()
def read_scored(root: Path, *, per_image: bool = False) -> Read:
    """Every sound result below `root` as it is needed, one in memory at a time, and what is wrong with the others.

    Counts of single images are checked where a figure needs them, all of them with `per_image`: see `each_result`.
    """
    scored, problems = [], []
    known: Known = {}
    byproducts = Byproducts()
    for found in each_result(root, per_image=per_image, byproducts=byproducts):
        try:
            if isinstance(found, DamagedFile):
                raise found
            scored.append(score(found, root, known, byproducts))
        except DamagedFile as error:
            problems.append(error)
        del found  # before the next is read, which then finds its memory in the processor's caches
    return Read(scored, problems)


def score_all(results: Iterable[RunResult | Scored], root: Path | None = None) -> list[Scored]:
    """The results as they are needed; each is let go of before the next is asked for. `root`: see `score`."""
    known: Known = {}
    one = partial(score, root=root, known=known)
    return [result if isinstance(result, Scored) else one(result) for result in results]


def score(
    result: RunResult,
    root: Path | None = None,
    known: Known | None = None,
    byproducts: Byproducts | None = None,
) -> Scored:
    """What tables need of one result.

    `root` is the folder that it was read from: counts of single images are read there where a figure needs
    them. `known` keeps what is the same for many; `byproducts` are of its reading, if at hand. Raises DamagedFile where
    such counts are there and are not this result's.
    """
    known = {} if known is None else known
    made = Byproducts() if byproducts is None else byproducts
    texts = canonical_fields(result.spec) if made.texts is None else made.texts
    spec = _shared(result.spec, texts, known)
    result = result.model_copy(update={"spec": spec})
    found = measures(result, made)
    path = result_path(spec, root, result.spec_hash) if root else None
    lists = tuple((name, target.images, target.file_list_hash) for name, target in result.targets.items())
    shown = texts["targets"], lists, spec.classes, tuple(target.left_out for target in result.targets.values())
    if (clean_target, shown) not in known:
        known[clean_target, shown] = clean_target(result)
        known[_scored_on, shown] = _scored_on(spec, lists)
    clean = cast("Clean | None", known[clean_target, shown])
    return Scored(
        spec=spec,
        complete=result.state == "complete",
        settings=result.settings,
        device=result.provenance.device_name,
        cost=result.cost,
        images=known.setdefault(lists, {name: (count, of) for name, count, of in lists}),
        scored_on=cast("Mapping[Group, ScoredOn]", known[_scored_on, shown]),
        series=_series(spec, texts, lists),
        found=found,
        swept=sweep(result, found, path, clean),
        seen=once(known, in_short, spec, (texts["targets"], spec.backbone, spec.weights == "random")),
        tested=once(known, describe, spec, (texts["targets"], texts["track"], spec.recipe.crop)),
        path=path,
    )


def _shared(spec: RunSpec, texts: Mapping[str, str], known: Known) -> RunSpec:
    """The spec with the parts of an earlier one where they are equal."""
    names = ("targets", "head", "recipe", "track")
    return spec.model_copy(update={key: known.setdefault((key, texts[key]), getattr(spec, key)) for key in names})


def once(known: Known, say: Callable[[RunSpec], T], spec: RunSpec, key: tuple[object, ...]) -> T:
    """What `say` says of a spec, or said of another with this key."""
    if (say, *key) not in known:
        known[say, *key] = say(spec)
    return cast(T, known[say, *key])


def _scored_on(spec: RunSpec, lists: Iterable[tuple[str, int, str]]) -> dict[Group, ScoredOn]:
    """Of the targets that were scored: name, number of images, and the hash of their list."""
    found: dict[Group, list[tuple[str, int, str]]] = {}
    groups = {target.name: target.group for target in spec.targets}
    for each in lists:
        found.setdefault(groups[each[0]], []).append(each)
    return {group: ScoredOn(spec.classes, frozenset(members)) for group, members in found.items()}


def _series(spec: RunSpec, texts: Mapping[str, str], lists: Iterable[tuple[str, int, str]]) -> str:
    """Runs with the same one are repetitions: of one spec but for the seed, scored on the same images."""
    lines = sorted(f"{name} {list_hash}" for name, _, list_hash in lists)
    return hashlib.sha256("\n".join([series_hash(spec, texts), *lines]).encode()).hexdigest()
