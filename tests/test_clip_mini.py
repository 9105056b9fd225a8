"""clip-mini: its towers and losses, its pre-training, and what ships."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pretraining import goes_on_as_if_it_had_not_stopped
from torch import Tensor, nn

from bench.data.labels import CLASSES
from bench.data.streets import ids
from bench.data.streets.graph import COLUMNS, DEPTH, LABEL, SORT, Graph, X, Y
from bench.errors import DamagedFile
from bench.models import hub
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.language import load_language
from bench.models.minis import clip, contrast, pairs
from bench.models.minis.captions import vocabulary
from bench.models.minis.towers import CONTEXT, MiniLanguage, TextTower, Tokenizer
from bench.models.weights import load_backbone

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "clip-mini"
HELD = 80  # held-out photographs that the shipped weights are tried on
Make = Callable[[Path], clip.Trainer]


def noise(count: int) -> pairs.Photographs:
    """Photographs of noise, each with a few things."""
    rng = np.random.default_rng(0)
    graphs = []
    for k in range(count):
        things = rng.random((9, COLUMNS)).astype(np.float32)
        things[:, [LABEL, SORT]] = [[(k + j) % len(CLASSES), 0] for j in range(9)]
        things[:, DEPTH] = 15.0
        graphs.append(Graph(things, np.zeros(5, np.float32)))
    return pairs.Photographs(rng.integers(0, 256, (count, 128, 256, 3), np.uint8), graphs)


@pytest.fixture
def make_trainer(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Trainers of small batches of small crops, halfway through their time."""
    for key, value in {"batch": 6, "size": [32, 64], "streets": 4, "warmup": 1, "precision": "fp32"}.items():
        monkeypatch.setitem(clip.RECIPE, key, value)

    def make(out: Path) -> clip.Trainer:
        trainer = clip.Trainer(out, 1.0, 7, noise(8), noise(4))
        trainer.seconds = 0.5 * trainer.budget
        return trainer

    return make


@pytest.fixture(scope="module")
def held_out() -> pairs.Photographs:
    """Streets that training never saw."""
    made = [pairs.photograph(pairs.HELD_OUT + k, 0) for k in range(HELD)]
    return pairs.Photographs(np.stack([image for image, _ in made]), [graph for _, graph in made])


@pytest.fixture(scope="module")
def shipped() -> nn.Module:
    """The image tower as it ships."""
    card = load_card(NAME)
    backbone = build_backbone(card)
    load_backbone(backbone, card)
    return backbone.eval()


def test_a_text_survives_the_tokenizer() -> None:
    tokenize = Tokenizer(vocabulary())
    text = "a photo of two red cars on the left and a traffic light at night"
    tokens = tokenize([text, "a zeppelin, nearby!"])
    assert tokenize.text(tokens[0]) == text
    assert tokenize.text(tokens[1]) == "a <unk> nearby"
    assert tokenize(["car " * 100]).shape == (1, CONTEXT)


@torch.no_grad()
def test_padding_does_not_change_an_embedding() -> None:
    tower, tokenize = TextTower(len(vocabulary())).eval(), Tokenizer(vocabulary())
    alone, together = tower(tokenize(["a red car"])), tower(tokenize(["a red car", "many trees on the left at night"]))
    torch.testing.assert_close(alone[0], together[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))
    assert (together[0] @ together[1]) < 0.999


def test_features_are_read_at_their_places() -> None:
    """A map that holds its own coordinates gives them back, between cells too."""
    y, x = torch.meshgrid((torch.arange(4) + 0.5) / 4, (torch.arange(8) + 0.5) / 8, indexing="ij")
    grid = torch.stack([torch.stack([x, y, torch.full_like(x, k)]) for k in (5.0, 9.0)])
    places = torch.tensor([[0.3, 0.4], [0.0625, 0.875], [0.62, 0.5]])
    found = contrast.at(grid, torch.tensor([0, 1, 1]), places)
    torch.testing.assert_close(found[:, :2], places)
    assert found[:, 2].tolist() == [5, 9, 9]
    torch.testing.assert_close(
        contrast.at(grid, torch.tensor([0]), torch.tensor([[1.0, 0.0]]))[0, :2], grid[0, :2, 0, 7]
    )


def test_words_of_one_kind_are_rivals_only_by_their_colour() -> None:
    rivals = contrast.rival(torch.tensor([ids.CAR, ids.CAR, ids.CAR, ids.BUS]), ["red", "", "blue", "red"])
    assert rivals.tolist() == [
        [False, False, True, True],
        [False, False, False, True],
        [True, False, False, True],
        [True, True, True, False],
    ]
    perfect = contrast.one_of_many(torch.full((4, 4), 20.0).masked_fill(rivals, -20.0), rivals)
    assert perfect < 1e-6
    assert contrast.one_of_many(torch.zeros(4, 4), rivals) > 0.8


def test_training_lowers_both_losses(make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path)
    batch = pairs.draw(trainer.photographs, 6, (32, 64), np.random.default_rng(0))
    monkeypatch.setattr(pairs, "draw", lambda *_: batch)  # the same crops again and again
    first = trainer.one_step()
    for _ in range(20):
        last = trainer.one_step()
    assert last["pair"] < 0.5 * first["pair"]
    assert last["region"] < 0.8 * first["region"]
    assert (trainer.step, trainer.seen) == (21, 21 * 6)


def test_going_on_from_a_checkpoint_equals_not_having_stopped(make_trainer: Make, tmp_path: Path) -> None:
    goes_on_as_if_it_had_not_stopped(make_trainer, tmp_path)


def test_what_is_exported_loads_as_backbone_and_language(
    make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path / "minis")
    trainer.one_step()
    trainer.export()
    monkeypatch.setattr(hub, "MODELS", tmp_path)
    monkeypatch.setattr("bench.models.language.MODELS", tmp_path)
    card = load_card(NAME)
    backbone = build_backbone(card)
    load_backbone(backbone, card)
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        ours, theirs = backbone.eval()(images)[-1], trainer.model.eval().backbone(images)[-1]
        torch.testing.assert_close(ours, theirs, atol=2e-2, rtol=2e-2)  # half precision
        embedded = load_language(card, CLASSES).project(ours.mean((2, 3)))
        torch.testing.assert_close(
            embedded, trainer.model.language.encode_image(theirs.mean((2, 3))), atol=2e-2, rtol=2e-2
        )
    text = tmp_path / "minis" / f"{NAME}.text.safetensors"
    with text.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(DamagedFile, match="sha256"):
        load_language(card, CLASSES)


def test_the_corpus_comes_back_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "CHUNK", 2)
    made = noise(6)
    monkeypatch.setattr(pairs, "photograph", lambda street, wear: (made.images[street], made.graphs[street]))
    first = pairs.load(3, 1, tmp_path)
    monkeypatch.delattr(pairs, "photograph")
    again = pairs.load(3, 1, tmp_path)
    np.testing.assert_array_equal(again.images, made.images[:3])
    for mine, its, source in zip(again.graphs, first.graphs, made.graphs, strict=False):
        np.testing.assert_array_equal(mine.things, source.things)
        np.testing.assert_array_equal(mine.things, its.things)


def test_a_draw_tells_of_its_own_crop(held_out: pairs.Photographs) -> None:
    batch, again = (pairs.draw(held_out, 16, (64, 128), np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(batch.images, again.images)
    assert batch.texts == again.texts
    assert batch.images.shape == (16, 3, 64, 128)
    assert len(batch.owner) == len(batch.places) == len(batch.kinds) == len(batch.phrases) == len(batch.hues)
    assert ((batch.places >= 0) & (batch.places < 1)).all()
    assert (np.bincount(batch.owner.numpy()) <= pairs.REGIONS).all()


def test_shipped_files_are_those_of_their_record() -> None:
    folder = Path(clip.__file__).parent
    record = json.loads((folder / f"{NAME}.json").read_text(encoding="utf-8"))
    assert hub.file_sha256(folder / f"{NAME}.safetensors") == record["sha256"]
    assert hub.file_sha256(folder / f"{NAME}.text.safetensors") == record["text_sha256"]
    assert sum((folder / f"{NAME}{end}").stat().st_size for end in (".safetensors", ".text.safetensors")) < 8e6
    history = record["probe_history"]
    assert history[-1]["source_probe_miou"] > history[0]["source_probe_miou"] + 5.0
    assert history[-1]["recall_at_1_of_64"] > 5 * 100 / 64
    assert record["seconds"] > 0
    assert record["pairs_seen"] == record["steps"] * record["recipe"]["batch"]


@torch.no_grad()
def pooled(shipped: nn.Module, held_out: pairs.Photographs) -> Tensor:
    images = torch.from_numpy(held_out.images).permute(0, 3, 1, 2) / 255.0
    return torch.cat([shipped(part)[-1] for part in images.split(16)])


@torch.no_grad()
def test_shipped_weights_tell_night_from_day_in_words(shipped: nn.Module, held_out: pairs.Photographs) -> None:
    language = load_language(load_card(NAME), ["street at night", "street on a sunny day"])
    guess = language.logits(pooled(shipped, held_out).mean((2, 3))).argmax(1).numpy()
    weather = np.stack([graph.weather for graph in held_out.graphs])
    night, day = weather[:, 0] > 0.5, (weather[:, :3].max(1) == 0) & (weather[:, 3] > 0.6)
    assert min(night.sum(), day.sum()) >= 4
    assert 0.5 * (np.mean(guess[night] == 0) + np.mean(guess[day] == 1)) > 0.8


@torch.no_grad()
def test_shipped_weights_name_things_at_their_places(shipped: nn.Module, held_out: pairs.Photographs) -> None:
    """Better than chance, class by class, although a cell of the last map is a quarter of the frame high."""
    language = load_language(load_card(NAME), CLASSES)
    grid = pooled(shipped, held_out)
    hits: dict[int, list[bool]] = defaultdict(list)
    for k, graph in enumerate(held_out.graphs):
        places = torch.from_numpy(graph.things[:, [X, Y]].copy())
        found = contrast.at(grid, torch.full((len(places),), k), places)
        for label, guess in zip(graph.things[:, LABEL], language.logits(found).argmax(1).tolist(), strict=True):
            hits[int(label)].append(guess == label)
    assert set(hits) == set(range(len(CLASSES)))
    assert np.mean([np.mean(own) for own in hits.values()]) > 3 / len(CLASSES)


def test_the_language_side_does_not_train() -> None:
    side = MiniLanguage(vocabulary(), 320)
    assert side.scale <= 100.0
    language = load_language(load_card(NAME), CLASSES)
    assert not any(p.requires_grad for p in language.parameters())
    assert not language.train().training
