"""Opens what a run trains on and is scored on, and checks it before anything slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.data.cards import load_card
from bench.data.corruptions import require_corruption
from bench.data.reader import SegmentationDataset, concatenate, open_dataset
from bench.errors import UserError
from bench.spec import RunSpec


class Opened(NamedTuple):
    """The data sets of a run."""

    source: SegmentationDataset
    """All that is trained on, as one."""
    targets: dict[str, SegmentationDataset]
    """By data-set card."""


def open_for(spec: RunSpec, data_root: Path | None = None) -> Opened:
    """Open all data sets of a run, each once.

    Raises DatasetNotFound for files that are missing, UserError for cards that have changed since the run was
    specified, for a target that wants what its set has not, and for one whose images are trained on unsaid.
    """
    sources = [_open(source.dataset, spec, data_root) for source in spec.sources]
    weights = [source.weight for source in spec.sources if source.weight is not None]
    targets = open_targets(spec, data_root)
    _require_held_out(spec, sources, targets)
    return Opened(concatenate(sources, weights or None), targets)


def open_targets(spec: RunSpec, data_root: Path | None = None) -> dict[str, SegmentationDataset]:
    """The targets' data sets, by card; raises as `open_for` does."""
    targets: dict[str, SegmentationDataset] = {}
    for target in spec.targets:
        if target.dataset not in targets:
            targets[target.dataset] = _open(target.dataset, spec, data_root)
        dataset = targets[target.dataset]
        if target.images is not None and target.images > len(dataset):
            raise UserError(f"target {target.name} wants {target.images} images; {dataset.name} has {len(dataset)}")
        if target.corruption is not None:
            require_corruption(target.corruption)
    return targets


def _open(name: str, spec: RunSpec, data_root: Path | None) -> SegmentationDataset:
    dataset = open_dataset(name, data_root=data_root)
    if dataset.revision != spec.data[name]:
        raise UserError(f"dataset {name} has changed (revision {dataset.revision}) since this run was specified")
    return dataset


def _require_held_out(
    spec: RunSpec, sources: Sequence[SegmentationDataset], targets: Mapping[str, SegmentationDataset]
) -> None:
    trained: dict[str, set[str]] = {}
    for source in sources:
        trained.setdefault(load_card(source.name).family, set()).update(source.names)
    for target in spec.targets:
        common = trained.get(load_card(target.dataset).family, set()) & set(targets[target.dataset].names)
        if common and not target.trained_on:
            raise UserError(
                f"target {target.name}: {len(common)} of its images are trained on, as {min(common)}; "
                f"its card must say within which larger set it lies"
            )
