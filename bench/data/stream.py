"""What training sees: an endless, shuffled, augmented stream, the same for any number of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.ahead import ahead
from bench.data.labels import IGNORE
from bench.data.reader import SegmentationDataset
from bench.data.transforms import generated_transform, train_transform
from bench.spec import Recipe

Image = npt.NDArray[np.uint8]


class Batch(NamedTuple):
    """One training step's input."""

    images: Image
    """(B, 3, H, W) RGB."""
    labels: Image
    """(B, H, W) train ids, 255 ignored; all 255 where an image is generated."""
    clean: Image | None = None
    """(U, 3, H, W) the generated ones among them without photometric distortion; None without any."""
    generated: tuple[int, ...] = ()
    """Their U places in the batch."""


class Joint(NamedTuple):
    """What is mixed into the source, and from which iteration on."""

    first: int
    generated: SegmentationDataset
    weights: tuple[int, int] = (1, 2)
    """Of every sum(weights) images so many are of the source and so many generated."""


class _Item(NamedTuple):
    image: Image
    label: Image
    clean: Image | None


class TrainStream:
    """An endless, shuffled, augmented stream over a data set; from `joint.first` on with generated images mixed in.

    Item k is a pure function of (seed, k): the same whatever was asked before and by how many threads, so a run that
    resumes at any step sees what an uninterrupted one sees.
    """

    def __init__(self, dataset: SegmentationDataset, recipe: Recipe, seed: int, joint: Joint | None = None) -> None:
        self.dataset, self.recipe, self.seed = dataset, recipe, seed
        self.joint = joint
        self._orders: dict[tuple[int, ...], tuple[int, npt.NDArray[np.int64]]] = {}

    def index(self, item: int) -> int:
        """Which sample the source's item k shows: every epoch is a fresh permutation of the data set.

        Where the data set is a mixture with weights, each run of as many items as the weights add up to has exactly
        its share of each part, in a random order, and each part has epochs of its own.
        """
        mixture = self.dataset.mixture
        if mixture is None:
            return self._place(item, len(self.dataset), (1,))
        part, count = self._part(item, mixture.weights, 4)
        return sum(mixture.sizes[:part]) + self._place(count, mixture.sizes[part], (5, part))

    def _part(self, item: int, weights: tuple[int, ...], key: int) -> tuple[int, int]:
        """Of which part an item of a weighted mixture is, and how many of that part come before it."""
        block, slot = divmod(item, sum(weights))
        order = np.random.default_rng((self.seed, key, block)).permutation(np.repeat(np.arange(len(weights)), weights))
        part = int(order[slot])
        return part, block * weights[part] + int((order[:slot] == part).sum())

    def _place(self, count: int, size: int, key: tuple[int, ...]) -> int:
        """The `count`-th of an endless row of permutations of `size` things."""
        epoch, place = divmod(count, size)
        known, order = self._orders.get(key, (-1, np.empty(0, np.int64)))
        if known != epoch:
            order = np.random.default_rng((self.seed, *key, epoch)).permutation(size)
            self._orders[key] = (epoch, order)
        return int(order[place])

    def _shown(self, item: int) -> tuple[bool, int]:
        """Whether item k is generated, and which sample of its data set it shows."""
        first = self.joint.first * self.recipe.batch_size if self.joint is not None else item + 1
        if self.joint is None or item < first:
            return False, self.index(item)
        part, count = self._part(item - first, self.joint.weights, 6)
        if part == 0:
            return False, self.index(first + count)
        return True, self._place(count, len(self.joint.generated), (7,))

    def item(self, item: int) -> _Item:
        """The augmented image (3, h, w) and label (h, w) number k; of a generated image the clean view, too."""
        rng = np.random.default_rng((self.seed, 2, item))
        generated, index = self._shown(item)
        if not generated:
            return _Item(*train_transform(self.dataset[index], self.recipe, rng), None)
        assert self.joint is not None
        image, clean = generated_transform(self.joint.generated[index].image, self.recipe, rng)
        return _Item(image, np.full(self.recipe.crop, IGNORE, np.uint8), clean)

    def batch(self, step: int) -> Batch:
        """Batch of training step `step`."""
        size = self.recipe.batch_size
        return _batch([self.item(step * size + i) for i in range(size)])

    def samples(self, start: int, stop: int) -> list[int]:
        """The different samples of the source that steps start..stop-1 show, in the order of their first use."""
        size = self.recipe.batch_size
        shown = (self._shown(item) for item in range(start * size, stop * size))
        return list(dict.fromkeys(index for generated, index in shown if not generated))

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


def _batch(items: list[_Item]) -> Batch:
    places = tuple(place for place, item in enumerate(items) if item.clean is not None)
    clean = np.stack([item.clean for item in items if item.clean is not None]) if places else None
    return Batch(np.stack([item.image for item in items]), np.stack([item.label for item in items]), clean, places)
