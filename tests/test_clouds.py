"""CLOUDS: the teacher, what becomes of its labels, the ablations, and the run as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine import TinyBackbone, TinyHead, striped, striped_dataset, tiny_recipe
from lightning_fabric import Fabric
from PIL import Image
from test_joint import generated_dataset
from test_train import StopAt
from torch import Tensor, nn

from bench.api import Segmenter, freeze
from bench.data.stream import Joint
from bench.train import train
from methods.clouds import Clouds, CloudsConfig
from methods.clouds.refine import components, draw_points, unite

HEIGHT, WIDTH = 32, 48
CPU = torch.device("cpu")


def clouds(**options: Any) -> Clouds:
    torch.manual_seed(0)
    plain: dict[str, Any] = {
        "segmenter": "none",
        "joint_iterations": 6,
        "size_threshold": 20,
        "ema": 0.5,
        "ema_every": 2,
        "save_pseudo_labels": 0,
    }
    return Clouds(TinyBackbone(), TinyHead(), CloudsConfig(**(plain | options))).train()


def images(count: int = 2) -> Tensor:
    stripes = np.stack([striped(index).image for index in range(count)])
    return torch.from_numpy(stripes).movedim(-1, 1).float() / 255


class Boxes:
    """A refiner that answers with the box around the points, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def __call__(self, image: Tensor, points: Tensor) -> Tensor:
        self.asked.append(points)
        masks = torch.zeros(len(points), *image.shape[-2:], dtype=torch.bool)
        for mask, own in zip(masks, points.long(), strict=True):
            (left, top), (right, bottom) = own.amin(0), own.amax(0)
            mask[top : bottom + 1, left : right + 1] = True
        return masks


def test_only_the_head_trains() -> None:
    segmenter = clouds()
    segmenter.before_joint_step(0)
    assert {name.partition(".")[0] for name in segmenter.trainable_names()} == {"head"}
    assert not any("teacher" in name for name in segmenter.state_dict()), "it is no part of what is scored"
    assert not segmenter.backbone.training


def test_the_teacher_is_a_copy_first_and_an_average_then() -> None:
    segmenter = clouds(ema=0.75, ema_every=2)
    segmenter.before_joint_step(0)
    teacher = segmenter.teacher.head
    first = segmenter.head.score.weight.detach().clone()
    assert torch.equal(teacher.score.weight, first)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not teacher.training
    with torch.no_grad():
        segmenter.head.score.weight.add_(1)
    segmenter.before_joint_step(1)
    assert torch.equal(teacher.score.weight, first), "it follows every second step only"
    segmenter.before_joint_step(2)
    torch.testing.assert_close(teacher.score.weight, 0.75 * first + 0.25 * (first + 1))


def test_the_teacher_does_not_drop_out() -> None:
    segmenter = clouds()
    segmenter.head.dropout = nn.Dropout(0.9)
    segmenter.before_joint_step(0)
    assert segmenter.head.dropout.training
    assert not segmenter.teacher.head.dropout.training


def test_without_a_segmenter_labels_are_the_teachers() -> None:
    segmenter = clouds()
    segmenter.before_joint_step(0)
    expected = segmenter.logits(images()).argmax(1)
    with torch.no_grad():
        segmenter.head.score.weight.zero_()
    assert torch.equal(segmenter.pseudo_labels(images()), expected)


def test_labels_are_refined_image_by_image() -> None:
    segmenter = clouds()
    segmenter.before_joint_step(0)
    segmenter.refine_with(boxes := Boxes())
    torch.manual_seed(3)
    found = segmenter.pseudo_labels(images())
    teacher = segmenter.teacher.head.logits(segmenter.backbone(images()), (HEIGHT, WIDTH)).argmax(1)
    assert len(boxes.asked) == 2
    for label, own, points in zip(found, teacher, boxes.asked, strict=True):
        pieces = components(own.numpy(), 20)
        assert len(points) == len(pieces.classes) > 1
        classes = [int(own[y, x]) for x, y in points[:, 0].long()]
        assert classes == pieces.classes.tolist()
        assert torch.equal(label, unite(Boxes()(images()[0], points), torch.from_numpy(pieces.classes)))


def test_an_image_without_a_component_keeps_the_teachers_labels() -> None:
    segmenter = clouds(size_threshold=HEIGHT * WIDTH)
    segmenter.before_joint_step(0)
    segmenter.refine_with(boxes := Boxes())
    found = segmenter.pseudo_labels(images())
    assert not boxes.asked
    assert torch.equal(found, segmenter.logits(images()).argmax(1))


def test_points_are_drawn_from_the_steps_seed_and_disturb_nothing() -> None:
    segmenter = clouds()
    segmenter.before_joint_step(0)
    asked, after = [], []
    for seed in (3, 3, 4):
        segmenter.refine_with(boxes := Boxes())
        torch.manual_seed(seed)
        segmenter.pseudo_labels(images())
        asked.append(torch.cat(boxes.asked))
        after.append(float(torch.rand(())))
    assert torch.equal(asked[0], asked[1])
    assert not torch.equal(asked[0], asked[2])
    torch.manual_seed(3)
    assert after[0] == float(torch.rand(()))


def test_neither_sam_nor_teacher_is_part_of_what_is_scored() -> None:
    segmenter = clouds()
    alone = [name for name, _ in segmenter.named_modules()]
    segmenter.refine_with(nn.Linear(2, 2))  # a module, as SAM is
    segmenter.before_joint_step(0)
    assert [name for name, _ in segmenter.named_modules()] == alone
    segmenter.release()
    assert segmenter.refiner is None
    assert segmenter.teacher.head is None


def test_any_number_of_components() -> None:
    label = (np.indices((200, 400)).sum(0) % 2).astype(np.uint8)
    found = components(label, 0)
    assert len(found.classes) == 80_000
    assert found.places.min() == 1


def test_small_components_have_no_points() -> None:
    label = np.zeros((4, 6), np.uint8)
    label[0, :3] = 1
    found = components(label, 0)
    assert found.classes.tolist() == [0, 1]
    numbers, points = draw_points(found, 5, np.random.default_rng(0))
    assert numbers.tolist() == [0]
    assert points.shape == (1, 5, 2)


def test_components_touch_at_sides_not_at_corners() -> None:
    label = np.full((4, 4), 255, np.uint8)
    label[0, 0] = label[1, 1] = label[2, 1] = 3
    label[0, 2:] = label[1, 3] = 1
    found = components(label, 0)
    assert found.classes.tolist() == [1, 3, 3]
    assert found.masks().sum((1, 2)).tolist() == [3, 1, 2]
    assert not (found.places[label == 255]).any()
    assert components(label, 2).classes.tolist() == [1], "strictly more than the threshold"


@pytest.mark.parametrize("seed", range(4))
def test_components_are_those_of_scipy(seed: int) -> None:
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, (40, 60)).astype(np.uint8)
    label = ndimage.median_filter(label, 3)
    found = components(label, 10)
    expected, classes = [], []
    for own in np.unique(label):
        pieces, count = ndimage.label(label == own)
        kept = [pieces == piece for piece in range(1, count + 1) if (pieces == piece).sum() > 10]
        expected += kept
        classes += [own] * len(kept)
    assert found.classes.tolist() == classes
    np.testing.assert_array_equal(found.masks(), np.stack(expected))


def test_contested_pixels_belong_to_none_even_within_a_class() -> None:
    masks = torch.zeros(3, 2, 4, dtype=torch.bool)
    masks[0, :, :2] = masks[1, :, 1:3] = masks[2, 0, 3] = True
    label = unite(masks, torch.tensor([7, 7, 0]))
    assert label.tolist() == [[7, 255, 7, 0], [7, 255, 7, 255]]


def joint_training(segmenter: Segmenter, folder: Path, observer: Any = None, joint: bool = True) -> Any:
    segmenter.prepare(folder, CPU)
    return train(
        segmenter,
        striped_dataset(),
        tiny_recipe(iterations=3, batch_size=3),
        6 if joint else 0,
        seed=0,
        spec_hash="a" * 64,
        checkpoint=folder / "weights.safetensors",
        fabric=Fabric(accelerator="cpu", devices=1),
        observer=observer,
        joint=Joint(3, generated_dataset(), (1, 2)) if joint else None,
    )


def test_the_warm_up_is_the_frozen_method(tmp_path: Path) -> None:
    segmenter, frozen = clouds(), Segmenter(freeze(TinyBackbone()), TinyHead())
    frozen.load_state_dict(segmenter.state_dict())
    with pytest.raises(KeyboardInterrupt):
        joint_training(segmenter, tmp_path / "clouds", observer=StopAt(3))
    joint_training(frozen, tmp_path / "frozen", joint=False)
    assert torch.equal(segmenter.head.score.weight, frozen.head.score.weight)


@pytest.mark.parametrize("refiner", [None, Boxes()])
def test_a_training_that_was_interrupted_goes_on_with_its_teacher(tmp_path: Path, refiner: Boxes | None) -> None:
    def made() -> Clouds:
        segmenter = clouds(save_pseudo_labels=3)
        segmenter.refine_with(refiner)
        return segmenter

    whole = made()
    reference = joint_training(whole, tmp_path / "whole")
    for step in (3, 6):
        folder = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            joint_training(made(), folder, StopAt(step))
        again = made()
        assert joint_training(again, folder).curve == reference.curve
        assert torch.equal(again.head.score.weight, whole.head.score.weight)
        names = [
            [path.name for path in sorted((place / "pseudo-labels").iterdir())]
            for place in (folder, tmp_path / "whole")
        ]
        assert names[0] == names[1]


def test_pseudo_labels_can_be_looked_at_and_change_nothing(tmp_path: Path) -> None:
    shown, unseen = clouds(save_pseudo_labels=2), clouds()
    joint_training(shown, tmp_path / "shown")
    joint_training(unseen, tmp_path / "unseen")
    assert torch.equal(shown.head.score.weight, unseen.head.score.weight)
    pictures = sorted((tmp_path / "shown" / "pseudo-labels").iterdir())
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.size == (4 * 8 * WIDTH, 8 * HEIGHT)
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 3
    assert not (tmp_path / "unseen" / "pseudo-labels").exists()


def test_without_generated_images_there_is_no_teacher(tmp_path: Path) -> None:
    segmenter = clouds(images=0, segmenter="no/such-model")
    segmenter.prepare(tmp_path, CPU)
    segmenter.before_joint_step(0)
    assert segmenter.teacher.head is None
    assert segmenter.refiner is None
    assert segmenter.training_state() == {}
