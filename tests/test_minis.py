"""Pre-training of the mini backbones: what it is shown, and what it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models import card as cards
from bench.models.backbones import build_backbone
from bench.models.minis import corpus
from bench.models.minis.corpus import PATCH, WEARS, Views
from bench.models.minis.objective import Pretraining, appearance, block_masks, sinkhorn

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "eva02-mini"
SIZE = (64, 128)
GRID = (SIZE[0] // PATCH, SIZE[1] // PATCH)
RED, GREEN, BLUE = range(3)


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    """Two streets in which red says the column, green the row and blue the photograph."""
    street = np.zeros((WEARS, 128, 256, 3), np.uint8)
    street[..., RED] = np.arange(256)
    street[..., GREEN] = 2 * np.arange(128)[:, None]
    street[..., BLUE] = 60 * np.arange(WEARS)[:, None, None]
    return np.stack([street, street])


@pytest.fixture
def plain_light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "photometric", lambda images, rng, strength: images)


def patches(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, h, w, 3) mean colours."""
    return F.avg_pool2d(images, PATCH).permute(0, 2, 3, 1)


def shows_same_place(views: Views, i: int, j: int) -> bool | None:
    """Whether the teacher's patch for patch (i, j) of the student shows the same pixels; None where it has none."""
    row, column = i - views.down, j - views.right
    if not (0 <= row < GRID[0] and 0 <= column < GRID[1]):
        return None
    teacher = views.teacher.flip(3) if views.mirror else views.teacher
    mine = views.student[..., i * PATCH : (i + 1) * PATCH, j * PATCH : (j + 1) * PATCH]
    its = teacher[..., row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
    return torch.equal(mine[:, :BLUE], its[:, :BLUE])


@pytest.mark.usefixtures("plain_light")
def test_the_teacher_sees_the_same_street_moved_and_mirrored(places: np.ndarray) -> None:
    moves = set()
    for seed in range(12):
        views = corpus.draw(places, 2, SIZE, np.random.default_rng(seed))
        found = [shows_same_place(views, i, j) for i in range(GRID[0]) for j in range(GRID[1])]
        assert all(same for same in found if same is not None)
        assert found.count(None) == GRID[0] * GRID[1] - (GRID[0] - abs(views.down)) * (GRID[1] - abs(views.right))
        moves |= {("down", np.sign(views.down)), ("right", np.sign(views.right)), ("mirror", views.mirror)}
    assert {m for m in moves if m[1] != 0} >= {("down", 1), ("down", -1), ("right", 1), ("right", -1), ("mirror", True)}
    assert not shows_same_place(views._replace(right=views.right + 1), 3, 8)  # the patches can be told apart


@pytest.mark.usefixtures("plain_light")
def test_the_loss_compares_the_same_places(places: np.ndarray) -> None:
    """The indices in `forward`, through networks whose descriptors are the places that patches show."""

    class Places(nn.Module):
        def forward(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return patches(images), torch.zeros(len(images), *GRID, 80)

        def scores(self, descriptors: Tensor) -> Tensor:
            self.seen = descriptors
            return descriptors

    model = Pretraining(build_backbone(cards.load_card(NAME)), prototypes=512)
    model.student, model.teacher = Places(), Places()
    for seed in range(6):
        views = corpus.draw(places, 2, SIZE, np.random.default_rng(seed))
        model(views, torch.zeros(2, *GRID, dtype=torch.bool), 0.04, with_teacher=True)
        assert len(model.student.seen) == 2 * (GRID[0] - abs(views.down)) * (GRID[1] - abs(views.right))
        torch.testing.assert_close(model.student.seen[:, :BLUE], model.teacher.seen[:, :BLUE])


@pytest.mark.usefixtures("plain_light")
def test_the_other_views_are_the_other_photographs(places: np.ndarray) -> None:
    views = corpus.draw(places, 3, SIZE, np.random.default_rng(0))
    assert views.student.shape == views.teacher.shape == (3, 3, *SIZE)
    assert views.others.shape == (3, WEARS - 1, 3, *SIZE)
    for k in range(3):
        torch.testing.assert_close(views.others[k, :, :BLUE], views.student[k, :BLUE].expand(WEARS - 1, -1, -1, -1))
        worn = [round(float(x[BLUE].mean()) * 255 / 60) for x in (views.student[k], *views.others[k])]
        assert sorted(worn) == list(range(WEARS))
        assert round(float(views.teacher[k, BLUE].mean()) * 255 / 60) == worn[1]


def test_a_draw_follows_from_its_generator_and_stays_in_range(places: np.ndarray) -> None:
    first, again, other = (corpus.draw(places, 2, SIZE, np.random.default_rng(s)) for s in (5, 5, 6))
    assert torch.equal(first.student, again.student)
    assert not torch.equal(first.student, other.student)
    for images in (first.student, first.teacher, first.others):
        assert images.min() >= 0.0
        assert images.max() <= 1.0


def test_the_corpus_is_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def photographs(index: int) -> np.ndarray:
        return np.full((WEARS, 128, 256, 3), index, np.uint8)

    monkeypatch.setattr(corpus, "CHUNK", 2)
    monkeypatch.setattr(corpus, "_photographs", photographs)
    done: list[int] = []
    made = corpus.load(3, tmp_path, done.append)
    assert made.shape == (3, WEARS, 128, 256, 3)
    assert made[:, 0, 0, 0, 0].tolist() == [0, 1, 2]
    assert done == [2, 4]
    monkeypatch.delattr(corpus, "_photographs")
    np.testing.assert_array_equal(corpus.load(3, tmp_path), made)


def test_appearance_is_relative_to_the_frame() -> None:
    images = 0.25 + 0.5 * torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    base = appearance(images)
    assert base.shape == (2, *GRID, 80)
    torch.testing.assert_close(appearance(images + 0.2), base, atol=1e-4, rtol=1e-4)
    gained = appearance(images * 1.3)
    assert (gained - base).abs().mean() < 0.1 * base.abs().mean()
    inverted = appearance(1.0 - images)
    torch.testing.assert_close(inverted[..., :48], -base[..., :48], atol=1e-4, rtol=1e-4)  # colours
    torch.testing.assert_close(inverted[..., 48:], base[..., 48:], atol=1e-4, rtol=1e-4)  # edges have no sign


@pytest.mark.parametrize(("axis", "direction"), [(3, 0), (2, 4)])
def test_appearance_tells_the_direction_of_edges(axis: int, direction: int) -> None:
    """A ramp along x has its energy in direction 0, one along y in direction 4 (of 8, a half turn)."""
    size = SIZE[axis - 2]
    ramp = torch.linspace(0, 1, size).view(*(size if d == axis else 1 for d in range(4))).expand(1, 3, *SIZE)
    cells = appearance(ramp)[0, GRID[0] // 2, GRID[1] // 2, 48:].view(8, 4)
    assert (cells.sum(1).argmax(), cells.sum(1).argmin()) == (direction, (direction + 4) % 8)


def test_sinkhorn_uses_all_prototypes_alike() -> None:
    scores = torch.randn(600, 12, generator=torch.Generator().manual_seed(0)) * 0.1
    scores[:, 0] += 0.4  # one prototype is everybody's nearest
    q = sinkhorn(scores, 0.1)
    torch.testing.assert_close(q.sum(1), torch.ones(600))
    assert ((q.sum(0) / 50 - 1).abs() < 0.1).all()
    assert (scores / 0.1).softmax(1).sum(0)[0] > 4 * 50  # which is what it is for
    assert q.max(1).values.mean() > 0.2  # and it decides: 1 / 12 is no opinion


def test_block_masks_hide_about_the_ratio() -> None:
    masks = block_masks(40, GRID, 0.3, torch.Generator().manual_seed(1))
    hidden = masks.float().mean((1, 2))
    largest = (GRID[0] // 2 - 1) * (GRID[1] // 3 - 1) / (GRID[0] * GRID[1])
    assert masks.shape == (40, *GRID)
    assert (hidden >= 0.3).all()
    assert (hidden < 0.3 + largest).all()
    assert len({tuple(m.flatten().tolist()) for m in masks}) == 40
    assert torch.equal(masks, block_masks(40, GRID, 0.3, torch.Generator().manual_seed(1)))
    runs = (masks[:, :, 1:] == masks[:, :, :-1]).float().mean()
    assert runs > 0.75  # blocks: neighbours mostly share their fate, single patches would at 0.58
