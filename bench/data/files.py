"""Samples from files: decoded, translated to train ids and checked, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.cards import FilesCard, folders, revision
from bench.data.decoders import DECODERS, read_image, translate
from bench.data.labels import IGNORE
from bench.data.layouts import Found, Item, require_usable
from bench.data.reader import Sample, SegmentationDataset
from bench.data.tables import load_table
from bench.data.views import half
from bench.errors import DamagedFile, UnknownName

Lookup = npt.NDArray[np.int16]


def open_files(card: FilesCard, data_root: Path | None = None, *, halved: bool = False) -> SegmentationDataset:
    """The data set of a card, in the first place that has it (see `bench.data.roots`); `halved` from its copy, if any.

    Raises DatasetNotFound where it is missing or incomplete. What is wrong with a file's content is raised as
    DamagedFile when that sample is asked for.
    """
    found = require_usable(card, data_root)
    names = [item.name for item in found.items]
    load = loader(card, found)
    if halved:
        from bench.data import convert  # which needs the loader

        whole, copied = load, convert.has_copy(card, found)
        load = convert.copy_loader(card, found) if copied else lambda item: half(whole(item))
    opened = SegmentationDataset(card.name, names, lambda index: load(found.items[index]), revision(card), keep=False)
    opened.images = [str(item.image) for item in found.items]
    opened.labelled, opened.left_out = bool(found.layout.labels or found.layout.anomaly), found.left_out
    return opened


def loader(card: FilesCard, found: Found) -> Callable[[Item], Sample]:
    """A function from an item to its sample. Images without a label have one that is ignored everywhere."""
    layout = found.layout
    decoder = layout.decoder or card.decoder
    if decoder not in DECODERS:
        raise UnknownName(f"decoder of dataset {card.name}:", decoder, DECODERS)
    table = layout.table or card.table
    lookup = load_table(table, folders()).lookup() if table else None
    masks = load_table(layout.anomaly_table, folders()).lookup() if layout.anomaly_table else _mask_lookup()

    def load(item: Item) -> Sample:
        image = read_image(item.image)
        label = np.full(image.shape[:2], IGNORE, np.uint8)
        if item.label is not None and lookup is not None:
            label = _ids(item.label, decoder, lookup, image, f"label table {table}")
        anomaly = None
        if item.anomaly is not None:
            anomaly = _ids(item.anomaly, "grey", masks, image, "the values of an anomaly mask")
        return Sample(image, label, item.name, anomaly)

    return load


def _ids(path: Path, decoder: str, lookup: Lookup, image: npt.NDArray[np.uint8], what: str) -> npt.NDArray[np.uint8]:
    ids = DECODERS[decoder](path)
    if ids.shape != image.shape[:2]:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (ids.shape, image.shape)]
        raise DamagedFile(path, f"it is {sizes[0]} pixels where its image is {sizes[1]}; exclude it (`data check`)")
    try:
        return translate(ids, lookup)
    except ValueError as error:
        raise DamagedFile(path, f"{error}, which are not in {what}") from error


def _mask_lookup() -> Lookup:
    lookup = np.full(256, -1, np.int16)
    lookup[[0, 1, IGNORE]] = 0, 1, IGNORE
    return lookup
