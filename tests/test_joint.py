"""The joint phase: generated images mixed into the source, labelled by the segmenter, with a fresh optimiser."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine import TinyBackbone, TinyHead, striped_dataset, tiny_recipe
from lightning_fabric import Fabric
from test_train import StopAt
from torch import Tensor

from bench.api import Segmenter
from bench.data.reader import Sample, SegmentationDataset
from bench.data.stream import Joint, TrainStream
from bench.data.transforms import generated_transform
from bench.train import Training, lr_factor, train

GREY = 77


def generated_dataset(size: int = 5) -> SegmentationDataset:
    """Grey frames with one bright column, whose place tells a flip; without labels."""

    def load(index: int) -> Sample:
        image = np.full((40, 60, 3), GREY + index, np.uint8)
        image[:, 15:20] = 200
        return Sample(image, np.full((40, 60), 255, np.uint8), str(index))

    return SegmentationDataset("generated", [str(i) for i in range(size)], load, "g1", keep=False)


class Student(Segmenter):
    """Labels generated images with a slow copy of its head."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(TinyBackbone(), TinyHead())
        self._teacher: list[TinyHead] = []  # no part of the module
        self.joint_steps: list[int] = []
        self.labelled: list[Tensor] = []

    def before_joint_step(self, step: int) -> None:
        self.joint_steps.append(step)
        if step == 0:
            self._teacher = [copy.deepcopy(self.head)]
        for mine, theirs in zip(self._teacher[0].parameters(), self.head.parameters(), strict=True):
            mine.data.lerp_(theirs.detach(), 0.1)

    def pseudo_labels(self, images: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.labelled.append(images)
        return self._teacher[0].logits(self.backbone(images), images.shape[-2:]).argmax(1)

    def training_state(self) -> dict[str, Tensor]:
        return dict(self._teacher[0].state_dict()) if self._teacher else {}

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        if state:
            self._teacher = [copy.deepcopy(self.head)]
            self._teacher[0].load_state_dict(dict(state))


def run(segmenter: Segmenter, folder: Path, joint: bool = True, observer: Any = None) -> Training:
    recipe = tiny_recipe(iterations=4, batch_size=3)
    return train(
        segmenter,
        striped_dataset(),
        recipe,
        6,
        seed=0,
        spec_hash="a" * 64,
        checkpoint=folder / "weights.safetensors",
        fabric=Fabric(accelerator="cpu", devices=1),
        observer=observer,
        joint=Joint(4, generated_dataset(), (1, 2)) if joint else None,
    )


def stream(weights: tuple[int, int] = (1, 2), first: int = 4) -> TrainStream:
    joint = Joint(first, generated_dataset(), weights)
    return TrainStream(striped_dataset(), tiny_recipe(batch_size=3), 0, joint)


def test_nothing_is_generated_in_the_warm_up() -> None:
    plain = TrainStream(striped_dataset(), tiny_recipe(batch_size=3), 0)
    for step in range(4):
        mixed, alone = stream().batch(step), plain.batch(step)
        assert mixed.clean is None
        np.testing.assert_array_equal(mixed.images, alone.images)
        np.testing.assert_array_equal(mixed.labels, alone.labels)


def test_shares_are_those_of_the_weights() -> None:
    batches = [stream((1, 2)).batch(step) for step in range(4, 24)]
    assert sum(len(batch.generated) for batch in batches) == 40
    assert len({batch.generated for batch in batches}) > 1, "their places differ"
    more = [stream((4, 1)).batch(step) for step in range(4, 24)]
    assert sum(len(batch.generated) for batch in more) == 12


def test_what_is_generated_has_no_label_and_two_views() -> None:
    batch = stream().batch(5)
    assert batch.clean is not None
    assert batch.clean.shape == (len(batch.generated), 3, 32, 48)
    for place in range(3):
        assert (batch.labels[place] == 255).all() == (place in batch.generated)
    np.testing.assert_array_equal(batch.images[list(batch.generated)], batch.clean)  # no photometric distortion asked


def test_the_epochs_of_both_parts_are_complete() -> None:
    mixed = stream()
    shown = [mixed._shown(item) for item in range(12, 12 + 36)]
    source = [index for generated, index in shown if not generated]
    generated = [index for generated, index in shown if generated]
    assert sorted(source) == list(range(12)), "the second epoch of 12, as the warm-up was the first"
    assert all(sorted(generated[i : i + 5]) == list(range(5)) for i in range(0, 20, 5))


def test_any_item_at_any_time_and_by_any_number_of_threads() -> None:
    one = stream().batch(9)
    mixed = stream()
    again = list(mixed.batches(0, 12, workers=3))[9]
    np.testing.assert_array_equal(one.images, again.images)
    assert one.generated == again.generated


def test_the_clean_view_is_the_students_without_distortion() -> None:
    image = generated_dataset()[0].image
    student, clean = generated_transform(image, tiny_recipe(photometric=True), np.random.default_rng(5))
    assert student.shape == clean.shape == (3, 32, 48)
    assert set(np.unique(clean)) == {GREY, 200}
    assert not np.array_equal(student, clean)
    bright = clean[0, 0] == 200
    assert (np.ptp(student[0][:, bright]), np.ptp(student[0][:, ~bright])) == (0, 0), "the same place in both"


def test_flips_are_of_both_views() -> None:
    recipe = tiny_recipe(photometric=True, crop=(40, 60))
    columns = set()
    for seed in range(8):
        student, clean = generated_transform(generated_dataset()[0].image, recipe, np.random.default_rng(seed))
        place = int(np.flatnonzero(clean[0, 0] == 200)[0])
        assert int(np.flatnonzero(student[0, 0] == student[0, 0, place])[0]) == place
        columns.add(place)
    assert columns == {15, 40}


def test_images_smaller_than_the_crop_are_enlarged() -> None:
    _, clean = generated_transform(generated_dataset()[0].image, tiny_recipe(crop=(64, 96)), np.random.default_rng(0))
    assert clean.shape == (3, 64, 96)
    assert (clean[0] == 200).sum() > 64 * 5, "the bright column is wider"


def test_learning_rate_and_optimiser_begin_anew(tmp_path: Path) -> None:
    student = Student()
    done = run(student, tmp_path)
    recipe = tiny_recipe(iterations=4)
    first = [0.05 * lr_factor(step, recipe) for step in range(4)]
    second = [0.05 * lr_factor(step, recipe, 6) for step in range(6)]
    assert [point.lr for point in done.curve] == pytest.approx(first + second)
    assert student.joint_steps == list(range(6))
    assert student.labelled
    assert {batch.shape[1:] for batch in student.labelled} == {(3, 32, 48)}


def test_the_first_joint_step_is_that_of_a_fresh_optimiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AdamW's very first step has the size of the learning rate, whatever the gradient: momentum would change that."""
    weights: list[Tensor] = []
    student = Student()
    follow = student.before_joint_step

    def watch(step: int) -> None:
        weights.append(student.head.query.detach().clone())
        follow(step)

    monkeypatch.setattr(student, "before_joint_step", watch)
    run(student, tmp_path)
    moved = (weights[1] - weights[0]).abs()
    assert (moved > 1e-4).any()
    assert moved[moved > 1e-4].allclose(torch.tensor(0.05), rtol=1e-2)


def test_pseudo_labels_are_what_is_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    loss = Student.loss

    def watch(self: Student, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        seen.append(labels)
        return loss(self, images, labels)

    monkeypatch.setattr(Student, "loss", watch)
    monkeypatch.setattr(Student, "pseudo_labels", lambda self, images: torch.full((len(images), 32, 48), 11))
    run(Student(), tmp_path)
    whole = [int((labels == 11).all((1, 2)).sum()) for labels in seen]
    assert whole[:4] == [0] * 4
    assert sum(whole[4:]) == 12


def test_interrupted_in_either_phase_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    whole = Student()
    reference = run(whole, tmp_path / "whole")
    for step in (2, 4, 7):
        folder = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            run(Student(), folder, observer=StopAt(step))
        again = Student()
        rest = run(again, folder)
        assert rest.steps == 10 - step
        assert rest.curve == reference.curve
        assert torch.equal(again.head.score.weight, whole.head.score.weight)


def test_without_generated_images_the_joint_phase_is_on_the_source(tmp_path: Path) -> None:
    student = Student()
    done = run(student, tmp_path, joint=False)
    assert done.steps == 10
    assert not student.labelled
    assert [point.lr for point in done.curve][4] == 0.05


def test_a_finished_training_keeps_no_teacher(tmp_path: Path) -> None:
    from safetensors import safe_open

    run(Student(), tmp_path)
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        assert {name.partition(".")[0] for name in file.keys()} == {"model"}  # noqa: SIM118 (not a dict)


def test_a_segmenter_that_cannot_label_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(NotImplementedError, match="must label them"):
        run(Segmenter(TinyBackbone(), TinyHead()), tmp_path)
