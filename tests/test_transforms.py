"""Augmentation: geometry, colour and purity in (seed, item)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from bench.data.labels import IGNORE
from bench.data.reader import Sample, SegmentationDataset
from bench.data.stream import TrainStream
from bench.data.transforms import PAD_COLOUR, jittered_size, photometric, train_transform
from bench.spec import Jitter, Recipe


def recipe(**fields: Any) -> Recipe:
    """No augmentation but cropping to 16 x 32, unless asked for."""
    plain: dict[str, Any] = {"crop": (16, 32), "short_edges": (16,), "flip": 0.0, "photometric": False, "batch_size": 3}
    return Recipe.model_validate(plain | fields)


def sample(height: int, width: int, seed: int = 0) -> Sample:
    """Label = first channel // 16, in blocks that survive resizing."""
    rng = np.random.default_rng(seed)
    label = np.kron(rng.integers(0, 15, (height // 8, width // 8)), np.ones((8, 8), int)).astype(np.uint8)
    return Sample(np.stack([label * 16 + 8] * 3, axis=-1).astype(np.uint8), label, "x")


def dataset(size: int = 5) -> SegmentationDataset:
    return SegmentationDataset("toy", [str(i) for i in range(size)], lambda i: sample(24, 48, i), "r")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_small_images_are_padded_right_and_below() -> None:
    whole = sample(16, 32)
    image, label = train_transform(whole, recipe(crop=(24, 40)), rng())
    assert (image.shape, label.shape) == ((3, 24, 40), (24, 40))
    np.testing.assert_array_equal(label[:16, :32], whole.label)
    np.testing.assert_array_equal(image[:, :16, :32], whole.image.transpose(2, 0, 1))
    assert (label[16:] == IGNORE).all()
    assert (label[:, 32:] == IGNORE).all()
    assert image[:, -1, -1].tolist() == list(PAD_COLOUR)


@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32), (16, 16), (40, 200)])
def test_label_follows_image_through_resize_crop_and_flip(height: int, width: int) -> None:
    settings = recipe(short_edges=(16, 24, 48), flip=0.5, cat_max_ratio=1.0)
    for seed in range(10):
        image, label = train_transform(sample(height, width), settings, rng(seed))
        assert (image.shape, label.shape) == ((3, 16, 32), (16, 32))
        kept = label != IGNORE
        assert kept.any()
        agrees = image[0] // 16 == label  # all but the mixed pixels between two blocks
        assert agrees[kept].mean() > 0.6


def test_short_edge_and_long_edge_limit() -> None:
    wide = sample(16, 64)
    _, label = train_transform(wide, recipe(short_edges=(32,), crop=(64, 256)), rng())
    assert (label != IGNORE).sum() == 32 * 128
    _, label = train_transform(wide, recipe(short_edges=(32,), long_edge_max=96, crop=(64, 256)), rng())
    assert (label != IGNORE).sum() == 24 * 96


def test_crop_is_drawn_again_while_one_class_covers_too_much() -> None:
    label = np.zeros((16, 320), np.uint8)
    label[:, 160:] = np.arange(16, dtype=np.uint8)[:, None]
    one = Sample(np.zeros((16, 320, 3), np.uint8), label, "x")

    def dull(ratio: float) -> int:
        crops = [train_transform(one, recipe(cat_max_ratio=ratio), rng(seed))[1] for seed in range(60)]
        return sum((crop == 0).mean() > 0.75 for crop in crops)

    assert dull(1.0) > 20
    assert dull(0.75) <= 1


def test_flip_mirrors_both() -> None:
    whole = sample(16, 32)
    image, label = train_transform(whole, recipe(flip=1.0), rng())
    np.testing.assert_array_equal(label, whole.label[:, ::-1])
    np.testing.assert_array_equal(image, whole.image[:, ::-1].transpose(2, 0, 1))


def test_photometric_distortion_stays_in_its_ranges() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    means = [photometric(grey, rng(seed)).mean() for seed in range(400)]
    assert 34 <= min(means) < 60  # (100 - 32) * 0.5
    assert 160 < max(means) <= 198  # (100 + 32) * 1.5
    assert 0.2 < np.mean([mean == 100 for mean in means]) < 0.35  # neither brightness nor contrast
    red = np.full((1, 1, 3), (200, 20, 20), np.uint8)
    hues = {tuple(np.argsort(photometric(red, rng(seed))[0, 0]).tolist()) for seed in range(200)}
    assert all(order[2] == 0 for order in hues)  # 36 degrees at most: red stays the strongest
    assert len(hues) > 1


def test_the_stream_is_a_function_of_seed_and_item() -> None:
    settings = recipe(short_edges=(16, 24), flip=0.5, photometric=True)
    stream = TrainStream(dataset(), settings, seed=3)
    made: list[None] = []
    whole = list(stream.batches(0, 6, made=lambda: made.append(None)))
    assert len(made) == len(stream.samples(0, 6)) == len(stream.dataset)
    late = list(TrainStream(dataset(), settings, seed=3).batches(4, 6, depth=1))
    assert len(whole) == 6
    for one, other in zip(whole[4:], late, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    other_seed = TrainStream(dataset(), settings, seed=4).batch(0)
    assert not np.array_equal(whole[0].images, other_seed.images)
    assert not np.array_equal(whole[0].images[0], whole[0].images[1])


def test_every_epoch_shows_every_sample_in_another_order() -> None:
    stream = TrainStream(dataset(5), recipe(), seed=0)
    epochs = [[stream.index(5 * epoch + i) for i in range(5)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_stopping_early_leaves_no_thread_waiting() -> None:
    batches = TrainStream(dataset(), recipe(), seed=0).batches(0, 1000)
    next(batches)
    batches.close()
    with pytest.raises(StopIteration):
        next(batches)


def test_jitter_fits_the_picture_into_its_size_times_a_factor() -> None:
    jitter = Jitter(size=(1052, 1914), low=0.5, high=2.0)
    assert jittered_size(1052, 1914, jitter, 1.0) == (1914, 1052)
    assert jittered_size(1052, 1914, jitter, 0.5) == (957, 526)
    assert jittered_size(720, 1280, jitter, 1.0) == (1870, 1052), "the height is the limit"
    assert jittered_size(1024, 2048, jitter, 1.0) == (1914, 957), "the width is"
    settings = recipe(crop=(64, 64), cat_max_ratio=1.0, jitter={"size": (64, 64), "low": 0.5, "high": 2.0})
    rows = []
    for seed in range(40):
        image, label = train_transform(sample(80, 160), settings, rng(seed))
        assert image.shape == (3, 64, 64)
        rows.append(int((label != IGNORE).any(1).sum()))
    assert 16 <= min(rows) < 20 < 60 < max(rows) <= 64, "the width is 32 to 128, the height half of it, then padded"
    with pytest.raises(ValidationError, match="above high"):
        Jitter(size=(1, 1), low=2, high=1)
