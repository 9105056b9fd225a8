"""Published checkpoints become runs: through the command line, scored like a run of our own, refused when wrong."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

import pytest
import torch
from killed_run import small_spec
from published import as_detectron2
from torch import Tensor

from bench import cli, protocols
from bench import resolve as resolve_module
from bench.api import Segmenter
from bench.models.build import build_segmenter
from bench.registry import METHODS
from bench.result import read_result
from bench.spec import HeadConfig, RunSpec

SIZES = [
    *("head.hidden=32", "head.heads=8", "head.num_queries=8", "head.encoder_layers=1", "head.decoder_layers=1"),
    *("head.encoder_ffn=16", "head.decoder_ffn=16", "recipe.crop=[64,128]"),
]


@pytest.fixture(autouse=True)
def few_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """`streets` with two images of the source and one of rain."""
    whole = protocols.load_protocol("streets")
    wanted = {"source": 2, "weather-rain": 1}
    targets = [t.model_copy(update={"images": wanted[t.name]}) for t in whole.targets if t.name in wanted]
    small = whole.model_copy(update={"targets": tuple(targets), "corruptions": None})
    monkeypatch.setattr(resolve_module, "load_protocol", lambda name: small)


def built(method: str, backbone: str, *sets: str) -> tuple[RunSpec, Segmenter]:
    """A segmenter whose parameters are all moved from where they start."""
    spec = resolve_module.resolve(method, backbone, sets=["weights=random", *SIZES, *sets])
    segmenter = build_segmenter(spec)
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in segmenter.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return spec, segmenter


class Log:
    """Stands for a library's object in a checkpoint; building it would be running code of the file."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("an object of the checkpoint was built")


def arguments(checkpoint: Path, method: str, backbone: str, results: Path, *sets: str) -> list[str]:
    options = [piece for text in (*SIZES, *sets) for piece in ("--set", text)]
    return ["import", str(checkpoint), "--method", method, "--backbone", backbone, "--results", str(results), *options]


def scored(capsys: pytest.CaptureFixture[str], results: Path, imported: dict[str, Any]) -> dict[str, Any]:
    assert cli.main(["evaluate", imported["run"], "--results", str(results), "--json", "--quiet"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def confusions(document: dict[str, Any]) -> dict[str, Any]:
    return {name: target.confusion.tolist() for name, target in read_result(Path(document["path"])).targets.items()}


def expected(segmenter: Segmenter, spec: RunSpec) -> dict[str, Any]:
    """What the segmenter itself scores on the spec's targets."""
    from lightning_fabric import Fabric

    from bench import inference
    from bench.data.reader import open_dataset
    from bench.evaluate import evaluate
    from bench.observer import Silent

    segmenter.eval()
    found = {}
    for target in spec.targets:
        dataset = open_dataset(target.dataset)
        done = evaluate(
            segmenter.logits, target, dataset, inference.layout(spec), Fabric(accelerator="cpu").device, Silent()
        )
        found[target.name] = done.result.confusion.tolist()
    return found


def test_a_rein_checkpoint_is_imported_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    spec, segmenter = built("rein", "eva02", "rank=4", "linked=true")
    assert segmenter.adapter is not None
    checkpoint, results = tmp_path / "rein.pth", tmp_path / "results"
    state: dict[str, Tensor] = {f"backbone.reins.{k}": v for k, v in segmenter.adapter.state_dict().items()}
    state |= {f"decode_head.{k}": v for k, v in segmenter.head.state_dict().items()}
    # As mmengine saves: with objects of its own beside the tensors, which are not built when the file is read.
    torch.save({"state_dict": state, "meta": {"iter": 40_000}, "message_hub": Log([1.0])}, checkpoint)
    weights = tmp_path / "backbone.pth"
    torch.save({"model": segmenter.backbone.vit.state_dict()}, weights)

    command = arguments(checkpoint, "rein", "eva02", results, "rank=4", "linked=true")
    assert cli.main([*command, "--backbone-weights", str(weights), "--json"]) == 0
    imported = json.loads(capsys.readouterr().out)
    assert "published Rein" not in caplog.text, "the mini is none of theirs"
    assert imported["spec"]["checkpoint"].startswith("sha256:")
    # The backbone's file is not the run's own: it is named again.
    assert cli.main(["evaluate", imported["path"], "--results", str(results), "--quiet"]) == 2
    assert "the run was specified with weights" in capsys.readouterr().err
    more = ["--weights", str(weights), "--results", str(results), "--json", "--quiet"]
    assert cli.main(["evaluate", imported["run"][:8], *more]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["seconds"]["train"] == 0
    assert confusions(document) == expected(segmenter, spec)
    result = read_result(Path(document["path"]))
    assert result.settings["checkpoint"] == imported["spec"]["checkpoint"], "tables say that it was not trained here"


@pytest.mark.parametrize("method", ["frozen", "clouds"])
def test_a_detectron2_checkpoint_brings_its_clip(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, segmenter = built(method, "timm:convnext_atto")
    checkpoint, results = tmp_path / "clouds.pth", tmp_path / "results"
    state = as_detectron2(segmenter.head) | {"void_embedding.weight": torch.zeros(1, 8)}
    trunk = segmenter.backbone.model.state_dict()
    state |= {f"backbone.clip_model.visual.trunk.{name}": tensor for name, tensor in trunk.items()}
    state |= {
        "backbone.clip_model.logit_scale": torch.zeros(()),
        "backbone.clip_model.visual.head.proj.weight": torch.zeros(2),
    }
    torch.save({"model": state}, checkpoint)
    assert cli.main([*arguments(checkpoint, method, "timm:convnext_atto", results), "--json"]) == 0
    imported = json.loads(capsys.readouterr().out)
    assert imported["spec"]["weights"].startswith("sha256:")
    assert confusions(scored(capsys, results, imported)) == expected(segmenter, spec)
    # Scored once, it is shown; scored again, nothing has been lost.
    assert confusions(scored(capsys, results, imported)) == expected(segmenter, spec)


def test_an_mmsegmentation_checkpoint_on_a_resnet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, segmenter = built("full", "timm:resnet18")
    checkpoint, results = tmp_path / "mmseg.pth", tmp_path / "results"
    state = {f"decode_head.{name}": tensor for name, tensor in segmenter.head.state_dict().items()}
    state |= {f"backbone.{name}": tensor for name, tensor in segmenter.backbone.model.state_dict().items()}
    torch.save({"state_dict": state}, checkpoint)
    assert cli.main([*arguments(checkpoint, "full", "timm:resnet18", results), "--json"]) == 0
    imported = json.loads(capsys.readouterr().out)
    assert confusions(scored(capsys, results, imported)) == expected(segmenter, spec)


@pytest.mark.parametrize(
    ("sets", "change", "message"),
    [
        (("rank=0", "linked=true"), {}, "missing learnable_tokens"),
        (("rank=5", "linked=true"), {}, r"learnable_tokens_a has shape"),
        (("rank=4", "linked=true", "head.num_queries=9", "tokens=9"), {}, "has shape"),
        (("rank=4", "linked=true"), {"backbone.reins.scale": "backbone.reins.scales"}, "missing scale"),
        (
            ("rank=4", "linked=true"),
            {"decode_head.cls_embed.weight": "decode_head.class_embed.weight"},
            "missing cls_embed.weight",
        ),
        (
            ("rank=4", "linked=true"),
            {"decode_head.cls_embed.weight": "teacher.cls_embed.weight"},
            "no known part: teacher",
        ),
    ],
)
def test_wrong_sizes_and_renamed_keys_fail_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sets: tuple[str, ...], change: dict[str, str], message: str
) -> None:
    _, segmenter = built("rein", "eva02", "rank=4", "linked=true")
    assert segmenter.adapter is not None
    state: dict[str, Tensor] = {f"backbone.reins.{k}": v for k, v in segmenter.adapter.state_dict().items()}
    state |= {f"decode_head.{k}": v for k, v in segmenter.head.state_dict().items()}
    checkpoint, results = tmp_path / "rein.pth", tmp_path / "results"
    torch.save({change.get(name, name): tensor for name, tensor in state.items()}, checkpoint)
    assert cli.main(arguments(checkpoint, "rein", "eva02", results, *sets)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(results.rglob("*.json")), "no phantom run"


@pytest.mark.parametrize("method", ["lora", "vpt", "adaptformer", "bitfit", "full", "partial"])
def test_what_a_method_trains_must_be_in_the_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    _, segmenter = built("frozen", "eva02")
    checkpoint = tmp_path / "head.pth"
    torch.save({f"decode_head.{name}": tensor for name, tensor in segmenter.head.state_dict().items()}, checkpoint)
    assert cli.main(arguments(checkpoint, method, "eva02", tmp_path / "results")) == 2
    assert "that the method trains" in capsys.readouterr().err
    assert cli.main(arguments(checkpoint, "frozen", "eva02", tmp_path / "results")) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": [1, 2]}, "it holds a list"),
        ({"model": torch.zeros(2)}, "it holds a Tensor"),
        ({"teacher": {"x": torch.zeros(2)}}, "holds no named tensors"),
        ({"state_dict": {"decode_head.x": torch.zeros(1)}, "log": OrderedDict(a=deque([1]))}, "does not fit"),
        (torch.zeros(2), "it holds a Tensor"),
    ],
)
def test_files_that_hold_something_else_say_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, message: str
) -> None:
    checkpoint = tmp_path / "odd.pth"
    torch.save(content, checkpoint)
    assert cli.main(arguments(checkpoint, "frozen", "eva02", tmp_path / "results")) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_sizes_are_the_published_ones_not_those_the_protocol_trains_with() -> None:
    imported = resolve_module.resolve("rein", "eva02", sets=["weights=random"], checkpoint="sha256:" + "0" * 64)
    assert imported.head == HeadConfig()
    assert imported.method_config == METHODS.get("rein").config().model_dump(mode="json")
    assert resolve_module.departures(imported) == {"checkpoint": imported.checkpoint}
    trained = resolve_module.resolve("rein", "eva02", sets=["weights=random"])
    assert imported.recipe == trained.recipe
    assert imported.head != trained.head


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(tmp_path / "none.pth", "rein", "eva02", tmp_path)) == 2
    assert "there is no such file" in capsys.readouterr().err
    for text in ("no tensors here", "q= foo", "<html></html>", ""):
        (tmp_path / "text.pth").write_text(text)
        assert cli.main(arguments(tmp_path / "text.pth", "rein", "eva02", tmp_path)) == 2
        assert "cannot be read" in capsys.readouterr().err
    assert cli.main(arguments(tmp_path, "rein", "eva02", tmp_path)) == 2
    assert "that is a folder" in capsys.readouterr().err
    assert cli.main(["evaluate", "*", "--results", str(tmp_path)]) == 2
    assert "no run begins with '*'" in capsys.readouterr().err
    assert cli.main(["evaluate", "abcdef", "--results", str(tmp_path)]) == 2
    assert "no run begins with 'abcdef'" in capsys.readouterr().err


def test_evaluate_does_not_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.result import announce, state_folder

    spec = small_spec()
    announce(spec, tmp_path)
    assert cli.main(["evaluate", state_folder(spec, tmp_path).name, "--results", str(tmp_path)]) == 2
    assert "is not trained" in capsys.readouterr().err
