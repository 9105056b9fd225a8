"""Training of sam-mini: what it is shown, its loss, its steps, and that it can stop, go on and be loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pretraining import goes_on_as_if_it_had_not_stopped
from torch import Tensor
from transformers import SamImageProcessor, SamModel

from bench.models.minis import sam, sam_corpus
from bench.models.minis.sam_corpus import PADDED, POINTS, Frames
from bench.models.minis.sam_objective import Weights, dice, focal, grouping, iou, losses
from bench.models.minis.sam_probe import hull_and_box, overlap

pytestmark = pytest.mark.usefixtures("one_thread")

ROAD, CAR = 0, 13


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Three grey streets with a blue kerb and two cars, red and yellow, that touch; a third car far away."""
    label = np.zeros((3, 128, 256), np.uint8)
    instance = np.zeros((3, 128, 256), np.uint16)
    label[:, :50] = 10
    for number, (left, right) in enumerate(((60, 90), (90, 110), (200, 220)), start=1):
        label[:, 60:80, left:right] = CAR
        instance[:, 60:80, left:right] = number
    image = np.full((3, 128, 256, 3), 90, np.uint8)
    image[label == 10] = (120, 160, 230)
    for number, colour in ((1, (200, 30, 30)), (2, (220, 220, 40)), (3, (30, 150, 60))):
        image[instance == number] = colour
    return Frames(image, label, instance)


Make = Callable[..., sam.Trainer]


@pytest.fixture
def make_trainer(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Trainers of one image and four prompts a step, past the decoder's first lessons."""
    monkeypatch.setattr(sam_corpus, "load", lambda *_: frames)
    for key, value in {"images": 1, "prompts": 4, "ellipses": 0}.items():
        monkeypatch.setitem(sam.RECIPE, key, value)

    def make(out: Path) -> sam.Trainer:
        out.mkdir(exist_ok=True)
        trainer = sam.Trainer(out, minutes=1.0, seed=7, cache=out)
        trainer.seconds = 0.5 * trainer.budget
        return trainer

    return make


def test_regions_are_components_instances_and_scattered_classes(frames: Frames) -> None:
    found = sam_corpus.regions(frames.label[0], frames.instance[0])
    sizes = sorted((region.kind, int(region.mask.sum()), region.thing) for region in found)
    pair, lone = 50 * 20, 20 * 20
    assert sizes == [
        ("class", pair + lone, True),
        ("component", lone, True),  # the third car: as an instance it would be the same
        ("component", pair, True),
        ("component", 50 * 256, False),
        ("component", 128 * 256 - 50 * 256 - pair - lone, False),
        ("instance", lone, True),
        ("instance", 600, True),
    ]
    assert not sam_corpus.regions(frames.label[0], frames.instance[0], least=128 * 256)


def test_the_partition_tells_touching_instances_apart(frames: Frames) -> None:
    parts = sam_corpus.partition(frames.label[0], frames.instance[0])
    places = [(10, 10), (100, 10), (70, 70), (70, 100), (70, 210)]
    assert len({int(parts[place]) for place in places}) == len(places) == parts.max() + 1


def test_points_lie_inside_but_for_those_astray() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:20, 30:50] = True
    inside, counts = [], []
    rng = np.random.default_rng(0)
    for _ in range(400):
        asked = sam_corpus.prompt(mask, rng, fewer=0.25, astray=0.0)
        there = asked.labels == 1
        x, y = asked.points[there].astype(int).T
        assert mask[y, x].all()
        assert set(asked.labels[~there]) <= {PADDED}
        counts.append(int(there.sum()))
        lost = sam_corpus.prompt(mask, rng, fewer=0.0, astray=1.0)
        x, y = lost.points.astype(int).T
        inside.append(int(mask[y, x].sum()))
    assert set(counts) == set(range(1, POINTS + 1))
    assert 0.7 < np.mean([count == POINTS for count in counts]) < 0.8
    assert set(inside) == {3, 4}
    everywhere = sam_corpus.prompt(np.ones((8, 8), bool), rng, fewer=0.0, astray=1.0)
    assert (everywhere.labels == 1).all()  # there is no outside to stray to


@pytest.mark.parametrize("shape", ["whole", "crop", "square", "mosaic"])
def test_points_and_masks_of_a_batch_show_the_same_place(frames: Frames, shape: str) -> None:
    recipe = sam.RECIPE | {"cuts": {shape: 1.0}, "astray": 0.0, "light": 0.0}
    batch = sam_corpus.draw(frames, 2, 6, recipe, np.random.default_rng(1))
    height = 64 if shape in ("whole", "crop") else 128
    assert batch.valid[:, : height // 2].all()
    assert not batch.valid[:, height // 2 :].any()
    assert not batch.images[:, :, height:].any()
    assert ((batch.groups >= 0).float().mean((1, 2)) == height / 128).all()
    for points, labels, masks, groups in zip(*batch[1:4], batch.groups, strict=True):
        for place, label, mask in zip(points, labels, masks, strict=True):
            x, y = (place[label == 1] / 2).long().T
            assert (mask[y, x] > 0).all()
            # A cell in the midst of the mask belongs to a group that others of the mask share, and none outside it.
            cells = torch.nn.functional.avg_pool2d(mask[None], 4)[0]
            assert not set(groups[cells == 1].tolist()) & set(groups[cells == 0].tolist())


def test_a_crop_never_starts_elsewhere_for_labels_than_for_the_image(frames: Frames) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        image, label, instance = sam_corpus.cut(
            frames, 0, rng, {"whole": 0.2, "crop": 0.4, "square": 0.2, "mosaic": 0.2}
        )
        sky = np.abs(image.astype(int) - (120, 160, 230)).sum(-1) < 5
        assert (sky == (label % 100 == 10)).mean() > 0.97
        assert (instance[label % 100 != CAR] == 0).all()
        assert (instance[label % 100 == CAR] > 0).all()


def test_losses_by_hand() -> None:
    logits = torch.tensor([[[[2.0, -1.0], [0.0, 9.0]]]])
    wanted = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]]])
    where = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])  # the last pixel is padded, and counts nowhere
    p = torch.tensor([2.0, -1.0, 0.0]).sigmoid()
    by_hand = (
        -0.25 * (1 - p[0]) ** 2 * p[0].log() - 0.75 * p[1] ** 2 * (1 - p[1]).log() - 0.25 * (1 - p[2]) ** 2 * p[2].log()
    )
    torch.testing.assert_close(focal(logits, wanted, where)[0, 0], by_hand / 3)
    wanted = wanted * where
    expected = 1 - (2 * (p[0] + p[2]) + 1) / (p.sum() + 2 + 1)
    torch.testing.assert_close(dice(logits, wanted, where)[0, 0], expected)
    assert float(iou(logits, wanted, where)) == 0.5


def test_the_best_candidate_learns_the_mask_and_all_learn_their_quality() -> None:
    masks, valid = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    masks[0, :2] = 1
    logits = torch.stack([4 * masks - 2, torch.zeros(1, 4, 4), 2 - 4 * masks], 1).requires_grad_()
    quality = torch.tensor([[0.9, 0.5, 0.1]], requires_grad=True)
    found = losses(logits, quality, masks, valid, Weights(focal=20.0, others=0.0))
    (found.mask + found.quality).backward()
    assert float(found.iou) == 1.0
    assert logits.grad is not None
    assert quality.grad is not None
    assert logits.grad[0, 0].abs().sum() > 0
    assert not logits.grad[0, 1:].any()
    assert (quality.grad[0] != 0).all()
    shared = losses(logits, quality, masks, valid, Weights(focal=20.0, others=0.1))
    assert shared.mask > found.mask


def test_grouping_wants_cells_of_a_region_alike_and_others_not() -> None:
    groups = torch.tensor([[[0, 0], [1, -1]]])
    apart = torch.tensor([[[[1.0, 1.0], [-1.0, 1.0]], [[0.0, 0.0], [0.0, 5.0]]]])
    alike = torch.ones(1, 2, 2, 2)
    assert grouping(apart, groups) < 0.05 < 1.0 < grouping(alike, groups)


def test_steps_lower_the_loss_of_a_fixed_batch(
    make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path)
    batch = sam_corpus.draw(trainer.frames, 1, 4, sam.RECIPE, np.random.default_rng(0))
    monkeypatch.setattr(sam_corpus, "draw", lambda *_: batch)
    trainer.step = sam.RECIPE["warmup"]
    trail = [sum(list(trainer.one_step().values())[:3]) for _ in range(8)]
    assert np.isfinite(trail).all()
    assert trail[-1] < trail[0] - 0.3
    assert trainer.step == sam.RECIPE["warmup"] + 8


def test_at_first_masks_do_not_teach_the_encoder(
    make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sam.RECIPE, "grouping", 0.0)
    trainer = make_trainer(tmp_path)
    for seconds, taught in ((0.0, False), (trainer.seconds, True)):
        trainer.seconds = seconds
        trainer.one_step()
        assert any(p.grad is not None and p.grad.any() for p in trainer.model.vision_encoder.parameters()) == taught
        assert any(p.grad is not None and p.grad.any() for p in trainer.model.mask_decoder.parameters())


def test_going_on_from_a_checkpoint_equals_not_having_stopped(make_trainer: Make, tmp_path: Path) -> None:
    goes_on_as_if_it_had_not_stopped(make_trainer, tmp_path)


def test_a_longer_schedule_can_go_on_from_a_shorter_one(make_trainer: Make, tmp_path: Path) -> None:
    short = make_trainer(tmp_path)
    short.one_step()
    short.save()
    for minutes, held in ((1.0, [(0, 1.0)]), (2.0, [(0, 1.0), (1, 2.0)])):
        longer = sam.Trainer(tmp_path, minutes=minutes, seed=7, cache=tmp_path)
        longer.load()
        assert [(s["from_step"], s["minutes"]) for s in longer.schedules] == held


def test_what_is_exported_is_a_checkpoint_of_transformers(make_trainer: Make, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.one_step()
    trainer.export()
    folder = tmp_path / sam.NAME
    model, report = SamModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values())
    own: dict[str, Tensor] = trainer.model.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, own[name].half().float()), name
    card = json.loads((folder / "provenance.json").read_text())
    assert card["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert (card["steps"], card["images_seen"], card["prompts_seen"]) == (1, 1, 4)
    # What the corpus feeds the model is what its image processor makes of an image.
    image = trainer.frames.image[0]
    processed = SamImageProcessor.from_pretrained(folder)(image, return_tensors="pt")["pixel_values"][0]
    ours = sam_corpus.prepare(torch.from_numpy(image).permute(2, 0, 1) / 255)
    torch.testing.assert_close(processed, ours, atol=1.01 / 255 / 0.224, rtol=0)  # it rounds to 8 bits


def test_ellipses_lie_around_their_points() -> None:
    lesson = sam_corpus.ellipses(20, np.random.default_rng(0))
    x, y = (lesson.points / 2).long().clamp(0, sam_corpus.GRID - 1).unbind(-1)
    rows = torch.arange(20)[:, None].expand_as(x)
    assert lesson.masks[rows, y, x].mean() > 0.9  # but for those on a cell's edge
    assert 0.002 < lesson.masks.mean() < 0.2


def test_hull_and_box_of_points() -> None:
    points = np.array([[2, 1], [6, 1], [2, 5], [3, 2], [2, 3]], np.float32)
    hull, box = hull_and_box(points, (8, 9))
    assert box.sum() == 5 * 5
    assert hull.sum() == 15  # the triangle
    assert overlap(hull, box) == 15 / 25
