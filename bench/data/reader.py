"""The one dataset class: samples by index, made ahead of use; rendered ones are kept, read ones are not."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.cards import FilesCard, StreetsCard, load_card, revision
from bench.data.labels import CLASSES
from bench.errors import UserError

_VAL_OFFSET = 1_000_000  # frame numbers of a validation split start here, so splits share no frame


class Sample(NamedTuple):
    """One labelled image."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    label: npt.NDArray[np.uint8]
    """(H, W) train ids, 255 ignored."""
    name: str
    anomaly: npt.NDArray[np.uint8] | None = None
    """(H, W) 1 where something is no object of the classes, 0 where not, 255 not scored; None: nobody marked it."""


class Mixture(NamedTuple):
    """How the parts of a concatenated data set are drawn in training."""

    sizes: tuple[int, ...]
    weights: tuple[int, ...]
    """Of every sum(weights) images drawn, so many are of each part."""


class SegmentationDataset:
    """Labelled images in a fixed order. Thread-safe.

    `load` makes sample i; it should release the GIL, for it is called from threads. With `keep` every sample is made
    once and stays in memory, without (files, which would not fit) it is made whenever it is asked for.
    """

    classes: tuple[str, ...] = CLASSES

    labelled: bool = True
    """Whether anything of it can be scored."""
    left_out: int = 0
    """Images that its exclude list names."""

    def __init__(
        self, name: str, names: list[str], load: Callable[[int], Sample], revision: str, *, keep: bool = True
    ) -> None:
        self.name, self.names, self.revision, self.keep = name, names, revision, keep
        self.images: list[str] = names
        """What tells an image from those of other sets of the family: its file, or its name."""
        self.mixture: Mixture | None = None
        self._load = load
        self._lock = threading.Lock()
        self._samples: dict[int, Future[Sample]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Sample `index` in [0, len), waited for or made here. Raises IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, there is no number {index}")
        if not self.keep:
            return self._load(index)
        with self._lock:
            ahead = self._samples.get(index)
            mine = ahead is None or ahead.cancel()  # queued, not begun: do it here rather than wait
            if mine:
                ahead = self._samples[index] = Future()
                ahead.set_running_or_notify_cancel()  # begun: no other thread may take it over
        assert ahead is not None
        if mine:
            _fulfil(ahead, self._load, index)
        return ahead.result()

    def prefetch(self, indices: Iterable[int]) -> None:
        """Start making the samples `indices` in that order, in threads shared by all data sets; if they are kept."""
        for index in indices if self.keep else ():
            with self._lock:
                if index not in self._samples:
                    self._samples[index] = _pool().submit(self._load, index)

    def cancel(self) -> None:
        """Drop what `prefetch` has queued and not begun."""
        with self._lock:
            self._samples = {i: sample for i, sample in self._samples.items() if not sample.cancel()}

    def file_list_hash(self, images: int | None = None) -> str:
        """sha256 over the revision and the names of the first `images` samples (all by default)."""
        return _digest(self.revision, self.names[:images])


def list_hash(card: StreetsCard, images: int) -> str:
    """`file_list_hash` of the first `images` of a set of the embedded world: it follows from the card."""
    return _digest(revision(card), [_frame_name(card, frame) for frame in _frames(card)[:images]])


def _digest(revision: str, names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join([revision, *names]).encode()).hexdigest()


def _frames(card: StreetsCard) -> range:
    first = 0 if card.split == "train" else _VAL_OFFSET
    return range(first, first + card.images)


def _frame_name(card: StreetsCard, frame: int) -> str:
    return f"{card.domain}/{frame:07d}"


def open_dataset(
    name: str, images: int | None = None, data_root: Path | None = None, *, halved: bool = False
) -> SegmentationDataset:
    """Open the data set of card `name`, only its first `images` images if given, all of half their size if `halved`.

    Raises UnknownName for a card that does not exist, DatasetNotFound where its files are not below `data_root` nor
    where the user said, UserError when it has fewer images.
    """
    card = load_card(name)
    if isinstance(card, FilesCard):
        from bench.data.files import open_files

        dataset = open_files(card, data_root, halved=halved)
    else:
        frames = _frames(card)
        file_names = [_frame_name(card, frame) for frame in frames]
        load = _streets_loader(card, frames)
        dataset = SegmentationDataset(name, file_names, _halving(load) if halved else load, revision(card))
    if images is not None:
        if not 0 < images <= len(dataset):
            raise UserError(f"dataset {name} has {len(dataset)} images, not {images}")
        del dataset.names[images:]
    return dataset


def concatenate(datasets: Sequence[SegmentationDataset], weights: Sequence[int] | None = None) -> SegmentationDataset:
    """One data set of all images of several, in their order; a single one is returned as it is.

    Training draws every image as often as any other, or from each data set by its weight.
    """
    if len(datasets) == 1:
        return datasets[0]
    starts = [0, *itertools.accumulate(map(len, datasets))]
    names = [f"{dataset.name}/{name}" for dataset in datasets for name in dataset.names]

    def load(index: int) -> Sample:
        part = bisect.bisect_right(starts, index) - 1
        return datasets[part][index - starts[part]]

    revision = hashlib.sha256("\n".join(dataset.revision for dataset in datasets).encode()).hexdigest()[:16]
    name = "+".join(dataset.name for dataset in datasets)
    joined = SegmentationDataset(name, names, load, revision, keep=all(dataset.keep for dataset in datasets))
    if weights is not None:
        joined.mixture = Mixture(tuple(map(len, datasets)), tuple(weights))
    return joined


def _streets_loader(card: StreetsCard, frames: range) -> Callable[[int], Sample]:
    from bench.data import streets

    def load(index: int) -> Sample:
        frame = streets.render(card.domain, frames[index], card.height, card.width)
        return Sample(frame.image, frame.label, _frame_name(card, frames[index]))

    return load


def _halving(load: Callable[[int], Sample]) -> Callable[[int], Sample]:
    from bench.data.views import half

    return lambda index: half(load(index))


def _fulfil(future: Future[Sample], load: Callable[[int], Sample], index: int) -> None:
    try:
        future.set_result(load(index))
    except BaseException as error:
        future.set_exception(error)
        raise


_POOL: ThreadPoolExecutor | None = None
_POOL_LOCK = threading.Lock()


def _pool() -> ThreadPoolExecutor:
    global _POOL
    with _POOL_LOCK:
        if _POOL is None:
            _POOL = ThreadPoolExecutor(max(2, (os.cpu_count() or 2) // 2), thread_name_prefix="reader")
    return _POOL
