"""What no result file can say alone: whether those of the same images, labels and models agree. Imports no torch.

Each result makes claims, every one about something that is the same for other runs too. Where claims about one thing
differ, those of fewer runs are named (of equally many, the later in the order of paths).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.cost.figures import RunCost
from bench.per_image import PerImage
from bench.result import RunResult
from bench.spec import SAVE

ALIKE = 0.01
"""GFLOPs may differ by this share: other releases of torch count some operations otherwise."""


class Claim(NamedTuple):
    """What one result says of something that other results may speak of, too."""

    about: tuple[Hashable, ...]
    value: Hashable
    where: str
    """File, and target if it is of one."""
    what: str
    """Of its value, if it is the odd one: "has other labels than"."""


class Agreement:
    """Claims of many results."""

    def __init__(self) -> None:
        self._claims: dict[tuple[Hashable, ...], dict[Hashable, list[Claim]]] = {}
        self._scored: dict[str, list[Path]] = {}

    def add(self, result: RunResult, path: Path, counts: PerImage | None) -> None:
        """Take the claims of a result; `counts` are those of its single images, if it has them."""
        for claim in (*_of_images(result, path, counts), *_of_cost(result, path)):
            self._claims.setdefault(claim.about, {}).setdefault(claim.value, []).append(claim)
        if result.targets:
            self._scored.setdefault(_predictions(result), []).append(path)

    def problems(self) -> Iterator[str]:
        """A line for each claim that differs from what most others say, and for each run that is there twice."""
        for original, *copies in self._scored.values():
            yield from (f"{copy}: all its counts are those of {original}: one run under two names" for copy in copies)
        for claims in self._claims.values():
            usual = max(claims, key=lambda value: len(claims[value]))
            right = claims[usual]
            files = len({claim.where for claim in right})
            for value, odd in claims.items():
                if not _alike(value, usual):
                    for claim in odd:
                        others = f" and {files - 1} more" if files > 1 else ""
                        yield f"{claim.where} {claim.what} {right[0].where.removesuffix(':')}{others}"


def _alike(one: Hashable, other: Hashable) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ALIKE)
    return one == other


def _predictions(result: RunResult) -> str:
    """A digest of the confusion matrices of all targets: no two trainings give the same."""
    digest = hashlib.sha256()
    for name in sorted(result.targets):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(result.targets[name].confusion).tobytes())
    return digest.hexdigest()


def _of_images(result: RunResult, path: Path, counts: PerImage | None) -> Iterator[Claim]:
    """Which list of images a set is, and what labels these have: corrupting an image changes neither."""
    for target in result.spec.targets:
        found = result.targets.get(target.name)
        if found is None:
            continue
        where = f"{path}: target {target.name!r}"
        images = (target.dataset, result.spec.data.get(target.dataset, ""), found.left_out, found.images)
        yield Claim(("list", *images), found.file_list_hash, where, "is of another list of as many images than in")
        shown = (found.file_list_hash, target.dataset, images[1], target.view)
        truth = tuple(found.confusion.sum(axis=1).tolist())
        what = "names the same images and has other labels than in"
        yield Claim(("labels", *shown), (found.images, truth), where, what)
        if counts is not None:
            single = np.ascontiguousarray(counts[target.name].sum(axis=2, dtype=np.int64))
            digest = hashlib.sha256(single.tobytes()).hexdigest()
            what = "has other labels in single images than in"
            yield Claim(("single", *shown, found.images, truth), digest, where, what)


def _of_cost(result: RunResult, path: Path) -> Iterator[Claim]:
    """Parameters and operations of a model: whatever it was trained on, however long."""
    spec, cost = result.spec, result.cost
    if cost is None:
        return
    options = {key: value for key, value in spec.method_config.items() if not key.startswith(SAVE)}
    configs = json.dumps([options, spec.backbone_config, spec.head.model_dump()], sort_keys=True)
    model = (spec.method, spec.backbone, configs, spec.recipe.crop, spec.windows())
    where = f"{path}:"
    row = cost.row()
    for key, title in (("trainable_params", "trainable parameters"), ("total_params", "parameters")):
        what = f"has {row[key]:,} {title}: the same model has another number in"
        yield Claim((key, *model), row[key], where, what)
    if isinstance(cost, RunCost):
        what = "has other parameters in backbone, head and adapter than the same model has in"
        yield Claim(("parts", *model, row["total_params"], row["trainable_params"]), cost.parameters, where, what)
    if cost.gflops is not None:
        what = f"has {cost.gflops:.4g} GFLOPs: the same model has another number in"
        yield Claim(("gflops", *model), cost.gflops, where, what)
