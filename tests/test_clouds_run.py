"""CLOUDS as a run: identity, generated images, pictures of pseudo-labels, the result; everything embedded."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.checkpoint import Progress, save_checkpoint
from bench.errors import PrerequisiteError, UserError
from bench.generated import place, revision
from bench.models.build import build_segmenter
from bench.protocols import load_protocol
from bench.resolve import departures, resolve
from bench.result import read_result, result_path, state_folder
from bench.run import run
from bench.spec import GENERATED, RunSpec, spec_hash
from bench.trained import elsewhere, is_trained, weights_path
from methods.clouds import CloudsConfig

RANDOM = "weights=random"
SMALL = (
    *("recipe.iterations=2", "joint_iterations=3", "recipe.batch_size=3", "images=4", "save_pseudo_labels=2"),
    *("head.hidden=32", "head.num_queries=20", "head.decoder_layers=1", "head.encoder_layers=1", "head.loss_points=64"),
)


def small_spec(*sets: str, backbone: str = "clip") -> RunSpec:
    """Few steps, one target."""
    spec = resolve("clouds", backbone, sets=[*SMALL, *sets])
    source = next(target for target in spec.targets if target.group == "source")
    return spec.model_copy(update={"targets": (source.model_copy(update={"images": 1}),)})


def test_what_generates_the_images_is_part_of_a_runs_identity() -> None:
    spec = resolve("clouds", "eva02", sets=[RANDOM])
    assert spec.data[GENERATED] == revision(CloudsConfig.model_validate(spec.method_config))
    others = [
        resolve("clouds", "eva02", sets=[RANDOM, setting])
        for setting in ("generator=no/diffusion", "image_size=96,192", "llm=no/llm", "images=0", "segmenter=none")
    ]
    assert len({spec_hash(one) for one in (spec, *others)}) == 6
    assert [GENERATED in one.data for one in others] == [True, True, True, False, True]
    assert others[-1].data[GENERATED] == spec.data[GENERATED]


def test_prompts_of_a_file_count_by_their_contents(tmp_path: Path) -> None:
    specs = []
    for name, text in (
        ("a", "A road at noon.\nA road in snow.\n"),
        ("b", "A road at noon.\n\nA road in snow.\n"),
        ("c", "x y"),
    ):
        (tmp_path / name).write_text(text)
        specs.append(resolve("clouds", "eva02", sets=[RANDOM, f"prompts={tmp_path / name}"]))
    assert specs[0] == specs[1] != specs[2]
    assert str(tmp_path) not in specs[0].model_dump_json()
    (tmp_path / "long").write_text("".join(f"Road {number}.\n" for number in range(40)))
    shown = departures(resolve("clouds", "eva02", sets=[RANDOM, f"prompts={tmp_path / 'long'}"]))
    assert shown["method_config.prompts"].startswith("40 values, sha256:")


def test_what_is_only_looked_at_is_no_part_of_it() -> None:
    one, other = (resolve("clouds", "eva02", sets=[RANDOM, f"save_pseudo_labels={number}"]) for number in (0, 30))
    assert spec_hash(one) == spec_hash(other)
    assert departures(one) == departures(other) == {}


def test_the_shipped_sam_counts_by_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_spec()
    assert re.fullmatch("sam-mini@[0-9a-f]{16}", spec.method_config["segmenter"])
    other = spec.model_copy(update={"method_config": spec.method_config | {"segmenter": "sam-mini@0123456789abcdef"}})
    with pytest.raises(UserError, match="sam-mini has changed since this run was specified"):
        run(other, results=tmp_path, device="cpu")
    assert not list(tmp_path.rglob("spec.json")), "nothing is noted down of a run that cannot begin"
    with pytest.raises(UserError, match="unknown segmenter 'sam-min'; did you mean 'sam-mini'"):
        resolve("clouds", "eva02", sets=[RANDOM, "segmenter=sam-min"])


def test_folders_count_by_their_contents(tmp_path: Path) -> None:
    specs = []
    for parent in ("one", "two"):
        folder = tmp_path / parent / "my-sam"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        specs.append(resolve("clouds", "eva02", sets=[RANDOM, f"segmenter={folder}"]))
    assert specs[0] == specs[1]
    assert specs[0].method_config["segmenter"].startswith("my-sam@")
    assert str(tmp_path) not in specs[0].model_dump_json()


def test_the_warm_up_is_the_recipes_and_the_joint_phase_comes_on_top() -> None:
    spec = resolve("clouds", "eva02", sets=[RANDOM])
    frozen = resolve("frozen", "eva02", sets=[RANDOM])
    assert spec.recipe == frozen.recipe
    assert spec.iterations == spec.recipe.iterations + spec.joint_iterations
    assert (frozen.iterations, frozen.joint_iterations) == (frozen.recipe.iterations, 0)


@pytest.mark.parametrize(
    ("protocol", "joint", "generated", "source", "lr"),
    [
        ("gta2cbm", 40_000, 2, 1, 1e-5),
        ("synthia2cbm", 30_000, 7, 10, 1e-5),
        ("city2bm", 10_000, 1, 5, 1e-4),
        ("city2acdc", 10_000, 1, 5, 1e-4),
    ],
)
def test_published_joint_phases(protocol: str, joint: int, generated: int, source: int, lr: float) -> None:
    """CLOUDS' own configurations of the joint training from GTA5, SYNTHIA and Cityscapes."""
    spec = resolve("clouds", "convnext-clip", protocol, "clouds", sets=[RANDOM])
    config = CloudsConfig.model_validate(spec.method_config)
    assert (config.joint_iterations, config.generated_weight, config.source_weight) == (joint, generated, source)
    assert (spec.recipe.lr, spec.recipe.clip_norm, spec.recipe.crop) == (lr, 0.01, (768, 768))
    assert (config.ema, config.ema_every, config.size_threshold, config.points) == (0.999, 100, 5000, 5)


def test_scored_elsewhere_it_was_trained_on_the_same_images() -> None:
    spec = resolve("clouds", "eva02", sets=[RANDOM])
    other = elsewhere(spec, load_protocol("streets-weather"), "native")
    assert other.data[GENERATED] == spec.data[GENERATED]
    assert departures(other) == departures(spec) == {}


def test_a_run_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = small_spec("size_threshold=10")
    result = run(spec, results=tmp_path, device="cpu")
    assert result.state == "complete"
    assert is_trained(spec, tmp_path)
    assert result.cost is not None
    assert result.cost.parameters.total == sum(parameter.numel() for parameter in build_segmenter(spec).parameters())
    assert re.fullmatch("[0-9a-f]{16}", result.provenance.generated or "")
    assert [point.iteration for point in result.curve] == [1, 2, 3, 4, 5]
    assert read_result(result_path(spec, tmp_path)) == result
    folder = place(tmp_path, CloudsConfig.model_validate(spec.method_config))
    assert len(list(folder.glob("*.png"))) == 4
    pictures = sorted((state_folder(spec, tmp_path) / "pseudo-labels").iterdir())
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.size == (4 * 4 * 128, 4 * 64)
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent)
    for segmenter in ("none", "sam-mini"):
        arguments = [spec_hash(spec)[:12], "--results", str(tmp_path), "--images", "2", "--segmenter", segmenter]
        monkeypatch.setattr("sys.argv", ["pseudo_labels", *arguments])
        importlib.import_module("benchmarks.pseudo_labels").main()
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["teacher", "components", "refined"]
        assert all(re.search(r"% of it right, mIoU \d", line) for line in lines)
    with pytest.raises(UserError, match="not those that this training began with"):
        _with_other_images(spec, tmp_path)
    again = run(spec.model_copy(update={"seed": 1}), results=tmp_path, device="cpu")
    assert again.curve != result.curve
    assert len(list(folder.parent.iterdir())) == 1, "all seeds share the images"


def _with_other_images(spec: RunSpec, results: Path) -> None:
    """A training that stopped in its warm-up goes on with images that are not those it was begun with."""
    elsewhere_ = results / "interrupted"
    path = weights_path(spec, elsewhere_)
    segmenter = build_segmenter(spec)
    save_checkpoint(path, Progress(spec_hash=spec_hash(spec), step=1, generated="0" * 16), segmenter)
    run(spec, results=elsewhere_, device="cpu")


def test_an_ablation_without_images_needs_neither_generator_nor_sam(tmp_path: Path) -> None:
    result = run(small_spec("images=0", "generator=no/such", "segmenter=no/such"), results=tmp_path, device="cpu")
    assert len(result.curve) == 5
    assert not (tmp_path / ".runs" / "generated").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [("segmenter=no/such-sam", "no/such-sam"), ("generator=no/such-diffusion", "no/such-diffusion")],
)
def test_what_is_missing_is_said_before_anything_slow(
    setting: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import run as running

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained all the same")

    monkeypatch.setattr(running, "train", never)
    with pytest.raises(PrerequisiteError, match=message) as error:
        run(small_spec(setting), results=tmp_path, device="cpu")
    assert "\n" not in str(error.value)


def test_weights_outlive_a_rerun_that_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_spec("segmenter=none")
    run(spec, results=tmp_path, device="cpu")

    def missing(*_: Any) -> None:
        raise PrerequisiteError("no SAM")

    monkeypatch.setattr(type(build_segmenter(spec)), "prepare", missing)
    with pytest.raises(PrerequisiteError, match="no SAM"):
        run(spec, results=tmp_path, device="cpu", on_existing="rerun")
    assert is_trained(spec, tmp_path)


def test_a_painter_that_has_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.generated import streets

    spec = small_spec("segmenter=none")
    monkeypatch.setattr(streets, "VERSION", "other")
    with pytest.raises(UserError, match="generates the images has changed"):
        run(spec, results=tmp_path, device="cpu")
