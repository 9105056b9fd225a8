"""What training sees: an endless, shuffled, augmented stream, the same for any number of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.ahead import ahead
from bench.data.reader import SegmentationDataset
from bench.data.transforms import train_transform
from bench.spec import Recipe

Image = npt.NDArray[np.uint8]


class Batch(NamedTuple):
    """One training step's input."""

    images: Image
    """(B, 3, H, W) RGB."""
    labels: Image
    """(B, H, W) train ids, 255 ignored."""


class TrainStream:
    """An endless, shuffled, augmented stream over a data set.

    Item k is a pure function of (seed, k): the same whatever was asked before and by how many threads, so a run that
    resumes at any step sees what an uninterrupted one sees.
    """

    def __init__(self, dataset: SegmentationDataset, recipe: Recipe, seed: int) -> None:
        self.dataset, self.recipe, self.seed = dataset, recipe, seed
        self._orders: dict[tuple[int, ...], tuple[int, npt.NDArray[np.int64]]] = {}

    def index(self, item: int) -> int:
        """Which sample item k shows: every epoch is a fresh permutation of the data set.

        Where the data set is a mixture with weights, each run of as many items as the weights add up to has exactly
        its share of each part, in a random order, and each part has epochs of its own.
        """
        mixture = self.dataset.mixture
        if mixture is None:
            return self._place(item, len(self.dataset), (1,))
        block, slot = divmod(item, sum(mixture.weights))
        parts = np.repeat(np.arange(len(mixture.weights)), mixture.weights)
        order = np.random.default_rng((self.seed, 4, block)).permutation(parts)
        part = int(order[slot])
        count = block * mixture.weights[part] + int((order[:slot] == part).sum())
        return sum(mixture.sizes[:part]) + self._place(count, mixture.sizes[part], (5, part))

    def _place(self, count: int, size: int, key: tuple[int, ...]) -> int:
        """The `count`-th of an endless row of permutations of `size` things."""
        epoch, place = divmod(count, size)
        known, order = self._orders.get(key, (-1, np.empty(0, np.int64)))
        if known != epoch:
            order = np.random.default_rng((self.seed, *key, epoch)).permutation(size)
            self._orders[key] = (epoch, order)
        return int(order[place])

    def item(self, item: int) -> tuple[Image, Image]:
        """The augmented image (3, h, w) and label (h, w) number k."""
        rng = np.random.default_rng((self.seed, 2, item))
        return train_transform(self.dataset[self.index(item)], self.recipe, rng)

    def batch(self, step: int) -> Batch:
        """Batch of training step `step`."""
        size = self.recipe.batch_size
        return _batch([self.item(step * size + i) for i in range(size)])

    def samples(self, start: int, stop: int) -> list[int]:
        """The different samples that steps start..stop-1 show, in the order of their first use."""
        size = self.recipe.batch_size
        return list(dict.fromkeys(self.index(item) for item in range(start * size, stop * size)))

    def batches(
        self,
        start: int,
        stop: int,
        depth: int = 4,
        made: Callable[[], object] = lambda: None,
        workers: int | None = None,
    ) -> Generator[Batch, None, None]:
        """Batches of steps start..stop-1, up to `depth` steps ahead of their use.

        Of a data set that is kept in memory all samples are made first, in all threads, `made` called after each:
        beside training, which waits for its slowest thread at every operation, the same work costs more (250 steps of
        `streets`: 61 s instead of 56); then one thread augments them. Files are read and augmented by `workers`
        threads (by default half of the cores, 8 at most), item by item.
        """
        size = self.recipe.batch_size
        try:
            if self.dataset.keep:
                coming = self.samples(start, stop)
                self.dataset.prefetch(coming)
                for index in coming:
                    self.dataset[index]
                    made()
                yield from ahead(self.batch, range(start, stop), threads=1, depth=depth)
                return
            threads = workers or default_workers()
            items = ahead(self.item, range(start * size, stop * size), threads=threads, depth=threads + depth * size)
            held = []
            for item in items:
                held.append(item)
                if len(held) == size:
                    yield _batch(held)
                    held = []
        finally:
            self.dataset.cancel()


def default_workers() -> int:
    """Threads that read files beside the model: half of the cores, 8 at most."""
    return max(1, min(8, (os.cpu_count() or 2) // 2))


def _batch(items: list[tuple[Image, Image]]) -> Batch:
    return Batch(np.stack([image for image, _ in items]), np.stack([label for _, label in items]))
