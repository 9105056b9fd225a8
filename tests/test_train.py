"""The training loop: schedule, groups, resume, interruption, divergence."""

from __future__ import annotations

import inspect
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from engine import striped_dataset, tiny_recipe, tiny_segmenter
from lightning_fabric import Fabric

from bench import train as training
from bench.api import Segmenter, freeze
from bench.checkpoint import load_checkpoint
from bench.errors import DamagedFile
from bench.observer import Silent
from bench.spec import Recipe
from bench.train import Diverged, Training, lr_factor, parameter_groups, train


def run(
    segmenter: Segmenter, path: Path, recipe: Recipe | None = None, observer: Any = None, seed: int = 0
) -> Training:
    return train(
        segmenter,
        striped_dataset(),
        recipe or tiny_recipe(),
        seed=seed,
        spec_hash="a" * 64,
        checkpoint=path / "weights.safetensors",
        fabric=Fabric(accelerator="cpu", devices=1),
        observer=observer,
    )


class StopAt(Silent):
    """Sends this process a signal once so many steps of a task are done."""

    def __init__(self, step: int, number: int = signal.SIGINT, task: str = "train") -> None:
        self.left, self.number, self.task = step, number, task

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        self.left -= steps * (task == self.task)
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def test_learning_rate_is_poly_to_zero_after_a_linear_warm_up() -> None:
    plain = Recipe(iterations=100)
    assert lr_factor(0, plain) == 1
    assert lr_factor(50, plain) == pytest.approx(0.5**0.9)
    assert lr_factor(99, plain) == pytest.approx(0.01**0.9)
    warm = Recipe(iterations=100, warmup=20)
    factors = [lr_factor(step, warm) for step in range(100)]
    assert factors[0] == pytest.approx(1 / 21)
    assert factors[20] == max(factors) == 1
    assert factors[60] == pytest.approx(0.5**0.9)


def test_groups_follow_the_segmenter() -> None:
    segmenter = tiny_segmenter(lr_scale={"backbone": 0.1})
    freeze(segmenter.backbone.patch)
    groups = parameter_groups(segmenter, Recipe(weight_decay=0.3))
    shapes = {(group["lr_scale"], group["weight_decay"]): [p.numel() for p in group["params"]] for group in groups}
    assert shapes == {(0.1, 0.0): [8, 8], (1.0, 0.3): [19 * 8, 19], (1.0, 0.0): [19]}


def test_learns_and_tells(tmp_path: Path) -> None:
    done = run(tiny_segmenter(), tmp_path, tiny_recipe(iterations=40))
    assert done.steps == 40
    assert done.curve[-1].iteration == 40
    assert done.curve[-1].loss < 0.75 * done.curve[0].loss
    assert [point.lr for point in done.curve] == [0.05 * (1 - step / 40) ** 0.9 for step in range(40)]


def test_interrupted_and_resumed_is_bit_identical(tmp_path: Path) -> None:
    whole = tiny_segmenter()
    reference = run(whole, tmp_path / "whole")
    for step, number in ((1, signal.SIGINT), (4, signal.SIGTERM)):
        folder = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_segmenter(), folder, observer=StopAt(step, number))
        again = tiny_segmenter()
        rest = run(again, folder)
        assert rest.steps == 6 - step
        assert rest.curve == reference.curve
        assert rest.seconds > rest.earlier > 0
        for name, tensor in whole.trainable_state().items():
            assert torch.equal(again.trainable_state()[name], tensor), name
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupted_before_the_first_step_stops_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_segmenter(), tmp_path, observer=StopAt(1, task="images"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run(tiny_segmenter(), tmp_path).steps == 6


def test_a_finished_training_is_loaded_not_repeated(tmp_path: Path) -> None:
    first, second = tiny_segmenter(), tiny_segmenter()
    run(first, tmp_path)
    before = (tmp_path / "weights.safetensors").read_bytes()
    assert run(second, tmp_path).steps == 0
    assert (tmp_path / "weights.safetensors").read_bytes() == before
    assert torch.equal(first.head.score.weight, second.head.score.weight)
    assert not second.training


def test_checkpoint_holds_only_what_trains(tmp_path: Path) -> None:
    segmenter = tiny_segmenter()
    freeze(segmenter.backbone)
    frozen = segmenter.backbone.state_dict()["patch.weight"].clone()
    run(segmenter, tmp_path)
    assert torch.equal(segmenter.backbone.state_dict()["patch.weight"], frozen)
    assert (tmp_path / "weights.safetensors").stat().st_size < 2500
    other = tiny_segmenter()
    with pytest.raises(DamagedFile, match=r"missing backbone\.patch\.weight.*delete it"):
        load_checkpoint(tmp_path / "weights.safetensors", "a" * 64, other)


def test_periodic_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    original = training.save_checkpoint

    def spy(path: Path, progress: Any, *rest: Any) -> None:
        saved.append(progress.step)
        original(path, progress, *rest)

    monkeypatch.setattr(training, "save_checkpoint", spy)
    run(tiny_segmenter(), tmp_path / "a")
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    run(tiny_segmenter(), tmp_path / "b")
    assert saved == [6, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_a_checkpoint_that_cannot_be_trusted_is_named(tmp_path: Path, damage: str) -> None:
    run(tiny_segmenter(), tmp_path)
    path = tmp_path / "weights.safetensors"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DamagedFile, match="delete it to start again"):
            run(tiny_segmenter(), tmp_path)
    else:
        with pytest.raises(DamagedFile, match="belongs to the run aaaaaaaaaaaa"):
            load_checkpoint(path, "b" * 64, tiny_segmenter())


@pytest.mark.parametrize("clip", [None, 1.0])
def test_divergence_names_the_iteration(tmp_path: Path, clip: float | None) -> None:
    segmenter = tiny_segmenter()
    real = segmenter.head.loss
    steps = iter(range(10))

    def broken(*arguments: Any) -> dict[str, torch.Tensor]:
        terms = real(*arguments)
        if next(steps) == 3:
            query = segmenter.head.query
            steep = (query - query.detach()).sqrt().sum()  # 0, with a slope that is not finite
            terms["class"] = terms["class"] + (math.nan if clip is None else steep)
        return terms

    segmenter.head.loss = broken
    with pytest.raises(Diverged, match=r"is (nan|inf) at iteration 3; lower recipe\.lr") as caught:
        run(segmenter, tmp_path, tiny_recipe(clip_norm=clip))
    assert ("gradient" in str(caught.value)) == (clip is not None)
    assert "\n" not in str(caught.value)


def test_seeds_differ_and_the_callers_generator_does_not_matter(tmp_path: Path) -> None:
    states = []
    for place, (seed, noise) in enumerate([(0, 1), (0, 2), (1, 1)]):
        segmenter = tiny_segmenter()
        torch.manual_seed(noise)
        run(segmenter, tmp_path / str(place), seed=seed)
        states.append(segmenter.head.score.weight.detach())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_trainer_cannot_be_given_a_target() -> None:
    kinds = [str(parameter.annotation) for parameter in inspect.signature(train).parameters.values()]
    assert sum("Dataset" in kind for kind in kinds) == 1
    assert not any("Target" in kind or "RunSpec" in kind or "Protocol" in kind for kind in kinds)
