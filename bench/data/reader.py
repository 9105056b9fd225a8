"""The one dataset class: samples by index, rendered or read once, ahead of use, and kept."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.cards import Card, load_card, revision
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


class SegmentationDataset:
    """Labelled images in a fixed order. Thread-safe; every sample is made once and kept in memory.

    `load` makes sample i; it should release the GIL, for `prefetch` calls it from threads.
    """

    classes: tuple[str, ...] = CLASSES

    def __init__(self, name: str, names: list[str], load: Callable[[int], Sample], revision: str) -> None:
        self.name, self.names, self.revision = name, names, revision
        self._load = load
        self._lock = threading.Lock()
        self._samples: dict[int, Future[Sample]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Sample `index` in [0, len), waited for or made here. Raises IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, there is no number {index}")
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
        """Start making the samples `indices` in that order, in threads shared by all data sets."""
        for index in indices:
            with self._lock:
                if index not in self._samples:
                    self._samples[index] = _pool().submit(self._load, index)

    def cancel(self) -> None:
        """Drop what `prefetch` has queued and not begun."""
        with self._lock:
            self._samples = {i: sample for i, sample in self._samples.items() if not sample.cancel()}

    def file_list_hash(self, images: int | None = None) -> str:
        """sha256 over the revision and the names of the first `images` samples (all by default)."""
        lines = [self.revision, *self.names[:images]]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_dataset(name: str, images: int | None = None) -> SegmentationDataset:
    """Open the data set of card `name`, only its first `images` images if given.

    Raises UnknownName for a card that does not exist, UserError when it has fewer images.
    """
    card = load_card(name)
    if images is not None and not 0 < images <= card.images:
        raise UserError(f"dataset {name} has {card.images} images, not {images}")
    first = 0 if card.split == "train" else _VAL_OFFSET
    frames = range(first, first + (images or card.images))
    file_names = [f"{card.domain}/{frame:07d}" for frame in frames]
    return SegmentationDataset(name, file_names, _streets_loader(card, frames), revision(card))


def _streets_loader(card: Card, frames: range) -> Callable[[int], Sample]:
    from bench.data import streets

    def load(index: int) -> Sample:
        frame = streets.render(card.domain, frames[index], card.height, card.width)
        return Sample(frame.image, frame.label, f"{card.domain}/{frames[index]:07d}")

    return load


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
