"""Model x target -> confusion."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from engine import striped, striped_dataset
from torch import Tensor

from bench import evaluate as evaluation
from bench.data.corruptions import corrupt
from bench.data.labels import CLASSES, PALETTE
from bench.data.reader import Sample, SegmentationDataset
from bench.evaluate import evaluate
from bench.inference import Layout
from bench.metrics import confusion, miou
from bench.observer import Silent
from bench.spec import Target

pytestmark = pytest.mark.usefixtures("one_thread")

WHOLE = Layout(None, None)


def by_colour(images: Tensor) -> Tensor:
    """Scores a perfect model gives: minus the distance to each class's colour."""
    palette = torch.tensor(PALETTE).float() / 255
    return -(images[:, None] - palette[None, :, :, None, None]).square().sum(2)


def target(**fields: object) -> Target:
    return Target.model_validate({"name": "t", "dataset": "stripes", "group": "unseen"} | fields)


def test_a_perfect_model_scores_one() -> None:
    done = evaluate(by_colour, target(), striped_dataset(12), WHOLE)
    assert miou(done.result.confusion) == 1
    assert done.per_image.shape == (12, 19, 19)
    assert done.per_image.dtype == np.int32
    np.testing.assert_array_equal(done.per_image.sum(axis=0), done.result.confusion)
    assert (done.per_image.sum(axis=(1, 2)) == 32 * 48).all()
    assert (done.result.group, done.result.images) == ("unseen", 12)


def test_batches_windows_and_prefetch_do_not_change_the_counts() -> None:
    dataset = striped_dataset(11)

    def noisy(images: Tensor) -> Tensor:
        return by_colour((images * 3).round() / 3)

    expected = []
    for index in range(11):
        image, label = striped(index)[:2]
        found = noisy(torch.from_numpy(image)[None].permute(0, 3, 1, 2).float().div_(255)).argmax(1)[0]
        expected.append(confusion(found.numpy(), label, len(CLASSES)))
    for layout in (WHOLE, Layout((16, 16), (11, 11))):
        np.testing.assert_array_equal(evaluate(noisy, target(), dataset, layout).per_image, expected)


def test_two_batches_at_once_give_the_same_counts_in_the_same_order() -> None:
    both = threading.Barrier(2, timeout=20)

    def meeting(images: Tensor) -> Tensor:
        if len(images) == 4:  # the last batch is a smaller one
            both.wait()  # for the other batch: passes only if two are in here at once
        assert torch.get_num_threads() == 1
        return by_colour((images * 3).round() / 3)

    dataset = striped_dataset(19)
    alone = evaluate(lambda images: by_colour((images * 3).round() / 3), target(), dataset, WHOLE)
    torch.set_num_threads(2)
    together = evaluate(meeting, target(), dataset, WHOLE)
    assert torch.get_num_threads() == 2
    np.testing.assert_array_equal(together.per_image, alone.per_image)


def test_only_the_first_images_and_the_observer_hears_all() -> None:
    heard: list[tuple[str, object]] = []

    class Ear(Silent):
        def start(self, task: str, total: int, done: int = 0) -> None:
            heard.append((task, total))

        def advance(self, task: str, steps: int = 1, note: str = "") -> None:
            heard.append((task, steps))

        def finish(self, task: str) -> None:
            heard.append((task, "over"))

    dataset = striped_dataset(12)
    done = evaluate(by_colour, target(images=9), dataset, WHOLE, observer=Ear())
    assert heard == [("t", 9), ("t", 4), ("t", 4), ("t", 1), ("t", "over")]
    assert done.result.images == len(done.per_image) == 9
    assert done.result.file_list_hash == dataset.file_list_hash(9)


def test_corruptions_reach_the_model_and_are_the_same_each_time() -> None:
    seen: list[np.ndarray] = []

    def watch(images: Tensor) -> Tensor:
        seen.append(images.mul(255).round().byte().permute(0, 2, 3, 1).numpy())
        return by_colour(images)

    noisy = target(name="shot_noise", group="corruption", corruption="shot_noise", severity=5, images=3)
    dataset = striped_dataset()
    first, second = (evaluate(watch, noisy, dataset, WHOLE) for _ in range(2))
    np.testing.assert_array_equal(first.per_image, second.per_image)
    np.testing.assert_array_equal(seen[0][1], corrupt(striped(1).image, "shot_noise", 5, seed=striped(1).name))
    assert miou(first.result.confusion) < 1
    np.testing.assert_array_equal(dataset[1].image, striped(1).image)  # the shared clean frame is untouched


def test_images_of_several_sizes_and_scores_at_the_labels_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(index: int) -> Sample:
        image, label, name = striped(index)[:3]
        if index % 3 == 0:  # an image at half the size of its label map
            return Sample(np.ascontiguousarray(image[::2, ::2]), label, name)
        return Sample(image, label, name)

    monkeypatch.setattr(evaluation, "_BATCH_PIXELS", 2 * 32 * 48)
    sizes: list[tuple[int, ...]] = []

    def watch(images: Tensor) -> Tensor:
        sizes.append(tuple(images.shape))
        return by_colour(images)

    dataset = SegmentationDataset("mixed", [str(i) for i in range(7)], load, "r")
    done = evaluate(watch, target(), dataset, WHOLE)
    assert [shape[0] for shape in sizes] == [1, 2, 1, 2, 1]
    assert (done.per_image.sum(axis=(1, 2)) == 32 * 48).all()
    whole = done.per_image[[1, 2, 4, 5]].sum(axis=0)
    assert miou(whole) == 1
    assert miou(done.result.confusion) > 0.8  # the halved ones lose only the stripes' edges


def test_a_broken_sample_ends_the_evaluation() -> None:
    def load(index: int) -> Sample:
        if index == 9:
            raise OSError("no such image")
        return striped(index)

    dataset = SegmentationDataset("broken", [str(i) for i in range(12)], load, "r")
    with pytest.raises(OSError, match="no such image"):
        evaluate(by_colour, target(), dataset, WHOLE)
