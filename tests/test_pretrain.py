"""Pre-training of the mini backbones: its steps, and that it can stop, go on, start anew and be loaded."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pretraining import goes_on_as_if_it_had_not_stopped
from torch import Tensor, nn

from bench.data.streets import graph as scene_graph
from bench.errors import DamagedFile
from bench.models import card as cards
from bench.models import hub
from bench.models.backbones import build_backbone
from bench.models.minis import corpus, pretrain
from bench.models.minis.corpus import WEARS, Views
from bench.models.minis.muon import Muon, orthogonal
from bench.models.weights import load_backbone

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "eva02-mini"


Make = Callable[..., pretrain.Trainer]


@pytest.fixture
def make_trainer(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Trainers of small batches of small crops of three noisy streets, halfway through their time."""
    streets = np.random.default_rng(0).integers(0, 256, (3, WEARS, 128, 256, 3), np.uint8)
    monkeypatch.setattr(corpus, "load", lambda *_: streets)
    for key, value in {"batch": 2, "size": [32, 64], "streets": 3, "precision": "fp32"}.items():
        monkeypatch.setitem(pretrain.RECIPE, key, value)

    def make(out: Path, start: Path | None = None) -> pretrain.Trainer:
        settings = {"seed": 7, "cache": out, "streets": 3, "precision": "bf16", "start": start}
        trainer = pretrain.Trainer(NAME, out, minutes=1.0, **settings)
        trainer.seconds = 0.5 * trainer.budget
        return trainer

    return make


def weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_steps_move_the_student_and_the_teacher_after_it(make_trainer: Make, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    start = weights(trainer.model.teacher)
    torch.testing.assert_close(start, weights(trainer.model.student))
    for share in (0.0, 0.5, 0.9):  # before there is a teacher, with it, and near the end
        trainer.seconds = share * trainer.budget
        losses = trainer.one_step()
        assert np.isfinite(list(losses.values())).all()
        assert losses["appearance"] > 0
        assert (losses["assignment"] > 0) == (share > 0)
    student, teacher = weights(trainer.model.student), weights(trainer.model.teacher)
    assert torch.isfinite(student).all()
    assert 0 < (teacher - start).norm() < 0.1 * (student - start).norm()
    assert (trainer.step, trainer.seen) == (3, 3 * 2)


def test_every_step_and_process_draws_its_own_batch(
    make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Tensor] = []
    draw = corpus.draw

    def recorded(*args: object) -> Views:
        views = draw(*args)
        drawn.append(views.student)
        return views

    monkeypatch.setattr(corpus, "draw", recorded)
    first, second = make_trainer(tmp_path), make_trainer(tmp_path)
    second.rank = 1  # of a world of one here: it draws as the other would and waits for nobody
    first.one_step()
    first.one_step()
    second.one_step()
    assert not any(torch.equal(drawn[a], drawn[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_going_on_from_a_checkpoint_equals_not_having_stopped(make_trainer: Make, tmp_path: Path) -> None:
    goes_on_as_if_it_had_not_stopped(make_trainer, tmp_path)


def test_what_is_exported_loads_as_a_backbone(
    make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "minis"
    out.mkdir()
    trainer = make_trainer(out)
    trainer.one_step()
    trainer.export()
    monkeypatch.setattr(hub, "MODELS", tmp_path)
    card = cards.load_card(NAME)
    assert hub.expected_sha256(card) == hub.file_sha256(out / f"{NAME}.safetensors")
    backbone = build_backbone(card)
    load_backbone(backbone, card)
    for (name, mine), its in zip(
        backbone.vit.named_parameters(), trainer.model.teacher.backbone.vit.parameters(), strict=True
    ):
        assert torch.equal(mine, its.half().float()), name
    with (out / f"{NAME}.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(DamagedFile, match="sha256"):
        load_backbone(build_backbone(card), card)


def test_a_new_schedule_can_start_from_earlier_weights(make_trainer: Make, tmp_path: Path) -> None:
    earlier = make_trainer(tmp_path)
    earlier.one_step()
    earlier.export()
    out = tmp_path / "later"
    out.mkdir()
    later = make_trainer(out, start=tmp_path / f"{NAME}.safetensors")
    kept = [p.half().float() for p in earlier.model.teacher.backbone.get_submodule("vit").parameters()]
    for mine, its in zip(later.model.student.backbone.get_submodule("vit").parameters(), kept, strict=True):
        assert torch.equal(mine, its)
    later.seconds = 0.0
    assert later.one_step()["assignment"] > 0  # features are good enough for the teacher from the first step on
    later.export()
    card = json.loads((out / f"{NAME}.json").read_text())
    assert card["started_from"] == json.loads((tmp_path / f"{NAME}.json").read_text())
    later.save()
    resumed = make_trainer(out)  # the option need not be given again
    resumed.load()
    assert resumed.started_from == later.started_from


def test_a_start_without_its_card_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "w.safetensors"
    weights.touch()
    monkeypatch.setattr("sys.argv", ["pretrain", NAME, "--out", str(tmp_path / "out"), "--start", str(weights)])
    with pytest.raises(SystemExit, match="2"):
        pretrain.main()
    assert f"there is no {tmp_path / 'w.json'}" in capsys.readouterr().err


def labels_read(source: str) -> list[str]:
    """What a module takes from a rendered Frame besides its image: attributes by name, or a whole frame kept."""
    tree = ast.parse(source)
    found = [
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ("label", "instance", "depth")
    ]
    pictures = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "image"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "render":
            called = [c for c in ast.walk(tree) if isinstance(c, ast.Call) and c.func is node]
            if not called or id(called[0]) not in pictures:
                found.append(f"render in line {node.lineno}")
    return found


def test_pre_training_reads_no_labels() -> None:
    assert labels_read("x = render('wild', 1).image") == []
    assert labels_read("f = render('wild', 1)\nf.label") == ["label", "render in line 1"]
    assert labels_read("frames = map(render, names)") == ["render in line 1"]
    folder = Path(corpus.__file__).parent
    for name in ("corpus", "objective", "pretrain", "captions", "pairs", "towers", "contrast", "clip", "loop"):
        assert labels_read((folder / f"{name}.py").read_text(encoding="utf-8")) == [], name
    # Captions come from the scene graph, which is made without rendering at all.
    graph = Path(scene_graph.__file__).read_text(encoding="utf-8")
    assert labels_read(graph) == []
    assert not {"shading", "sensor", "frame"} & {n.id for n in ast.walk(ast.parse(graph)) if isinstance(n, ast.Name)}
    # The probe does read the source's labels: its score may be watched, and nothing else may come of it.
    for name in ("pretrain", "clip"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        users = [
            f.name
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef)
            and any(isinstance(n, ast.Name) and n.id == "linear_probe" for n in ast.walk(f))
        ]
        assert users == ["score"], name


def test_muon_does_what_torchs_own_does_in_half_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(24, 24), (24, 60), (60, 24), (24, 24)]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = ([nn.Parameter(weight.clone()) for weight in start] for _ in range(2))
    options = {"lr": 0.01, "weight_decay": 0.1}
    optimisers = [Muon(ours, **options), torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **options)]
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for mine, other, before in zip(ours, theirs, start, strict=True):
        assert (mine - other).norm() < 0.02 * (other - before).norm()  # bfloat16 keeps 8 bits


def test_orthogonal_keeps_directions_and_makes_their_sizes_alike() -> None:
    matrices = torch.randn(3, 20, 50, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.transpose(1, 2) @ orthogonal(matrices) @ v.transpose(1, 2)
    sizes = torch.diagonal(inside, dim1=1, dim2=2)
    assert sizes.min() > 0.5
    assert sizes.max() < 1.5
    torch.testing.assert_close(inside, torch.diag_embed(sizes), atol=1e-4, rtol=0)
