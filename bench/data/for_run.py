"""Opens what a run trains on and is scored on, and checks it before anything slow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.data.cards import FilesCard, load_card
from bench.data.corruptions import require_corruption
from bench.data.layouts import missing
from bench.data.reader import SegmentationDataset, concatenate, open_dataset
from bench.errors import DatasetNotFound, UnknownName, UserError
from bench.protocols.corruptions import VERSION
from bench.spec import RunSpec, Target


class Opened(NamedTuple):
    """The data sets of a run."""

    source: SegmentationDataset | None
    """All that is trained on, as one; None where training is over."""
    targets: dict[str, SegmentationDataset]
    """By target; targets of one set, and of one size, share it."""


def open_for(spec: RunSpec, data_root: Path | None = None, *, sources: bool = True, only: Sequence[str] = ()) -> Opened:
    """Open the data sets of a run, each once: the sources if asked for, and the targets, or `only` these.

    Raises DatasetNotFound for files that are missing, UnknownName for a target that the run has not, UserError for
    cards that have changed since the run was specified, for a target that wants what its set has not, and for one whose
    images are trained on unsaid.
    """
    require_targets(spec, only)
    wanted = [target for target in spec.targets if not only or target.name in only]
    names = [target.dataset for target in wanted] + [source.dataset for source in spec.sources if sources]
    if lacking := missing(names, data_root):
        first, *others = lacking
        more = f" (also missing: {', '.join(others)}; see `python -m bench data ls`)" if others else ""
        raise DatasetNotFound(f"{lacking[first]}{more}")
    targets = _open_targets(spec, wanted, data_root)
    if not sources:
        _require_held_out(wanted, _those_there(spec, data_root), targets)
        return Opened(None, targets)
    opened = [_open(source.dataset, spec, data_root) for source in spec.sources]
    weights = [source.weight for source in spec.sources if source.weight is not None]
    _require_held_out(wanted, opened, targets)
    return Opened(concatenate(opened, weights or None), targets)


def _those_there(spec: RunSpec, data_root: Path | None) -> list[SegmentationDataset]:
    """The sources that are on this machine, where training is over and needs none of them."""
    found = []
    for source in spec.sources:
        with contextlib.suppress(DatasetNotFound):
            found.append(open_dataset(source.dataset, data_root=data_root))
    return found


def require_targets(spec: RunSpec, names: Sequence[str]) -> None:
    """Raise UnknownName for a name that none of the run's targets has."""
    known = [target.name for target in spec.targets]
    for name in names:
        if name not in known:
            raise UnknownName("target", name, known)


def _open_targets(spec: RunSpec, wanted: Sequence[Target], data_root: Path | None) -> dict[str, SegmentationDataset]:
    opened: dict[tuple[str, bool], SegmentationDataset] = {}
    for target in wanted:
        key = (target.dataset, target.view.halve)
        if key not in opened:
            opened[key] = _open(target.dataset, spec, data_root, halved=target.view.halve)
        dataset = opened[key]
        if not dataset.labelled:
            raise DatasetNotFound(f"target {target.name}: dataset {dataset.name} has no labels here; {_how(dataset)}")
        if target.images is not None and target.images > len(dataset):
            raise UserError(f"target {target.name} wants {target.images} images; {dataset.name} has {len(dataset)}")
        if target.corruption is not None:
            require_corruption(target.corruption)
            if spec.data.get("corruptions") != VERSION:
                raise UserError("the corruptions have changed since this run was specified: specify it again")
    found = {target.name: opened[target.dataset, target.view.halve] for target in wanted}
    for dataset in opened.values():
        if sum(other is dataset for other in found.values()) > 1 and _fits(dataset):
            dataset.keep = True  # one decode for all corruptions
    return found


def _fits(dataset: SegmentationDataset) -> bool:
    """Whether all its samples fit a quarter of the machine's memory, if they are as large as the first."""
    first = dataset[0]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return len(dataset) * (first.image.nbytes + first.label.nbytes) <= pages // 4


def _how(dataset: SegmentationDataset) -> str:
    card = load_card(dataset.name)
    held = isinstance(card, FilesCard) and card.submission is not None
    return f"a server may hold them (`submit {card.name}`), see its card's notes" if held else "unpack them beside it"


def _open(name: str, spec: RunSpec, data_root: Path | None, *, halved: bool = False) -> SegmentationDataset:
    dataset = open_dataset(name, data_root=data_root, halved=halved)
    if dataset.revision != spec.data[name]:
        raise UserError(f"dataset {name} has changed (revision {dataset.revision}) since this run was specified")
    return dataset


def _require_held_out(
    wanted: Sequence[Target], sources: Sequence[SegmentationDataset], targets: Mapping[str, SegmentationDataset]
) -> None:
    trained: dict[str, set[str]] = {}
    for source in sources:
        trained.setdefault(load_card(source.name).family, set()).update(source.images)
    for target in wanted:
        common = trained.get(load_card(target.dataset).family, set()) & set(targets[target.name].images)
        if common and not target.trained_on:
            raise UserError(
                f"target {target.name}: {len(common)} of its images are trained on, as {min(common)}; "
                f"its card must say within which larger set it lies"
            )
