"""What the mmsegmentation bridge reads and records: configs, checkpoints, and the mistakes in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from test_mmseg import SEGFORMER, built, needs_mmseg, spec_of

from bench.api import PrerequisiteError, UserError
from bench.models.build import build_segmenter
from bench.resolve import departures, resolve
from bench.spec import RunSpec, canonical_json, spec_hash
from methods.mmseg import plan


@needs_mmseg
def test_the_spec_holds_the_model_and_no_path(tmp_path: Path) -> None:
    spec = spec_of(SEGFORMER)
    assert (spec.backbone, spec.weights, spec.method_config["config"]) == ("none", "random", SEGFORMER)
    assert spec.backbone_config["segmentor"]["decode_head"]["num_classes"] == 19
    assert spec.backbone_config["segmentor"]["backbone"]["out_indices"] == {"tuple": [0, 1, 2, 3]}
    assert departures(spec).keys() == {"method_config.config", "method_config.digest"}
    again = RunSpec.model_validate_json(spec.model_dump_json())
    assert spec_hash(again) == spec_hash(spec)
    shipped = plan.find_config(SEGFORMER)
    mine = tmp_path / f"{SEGFORMER}.py"
    mine.write_text(f"_base_ = {str(shipped)!r}\n")
    assert spec_of(mine) == spec  # the same model from another place
    assert str(tmp_path) not in canonical_json(spec_of(mine))
    mine.write_text(f"_base_ = {str(shipped)!r}\nmodel = dict(decode_head=dict(dropout_ratio=0.3))\n")
    other = spec_of(mine)
    assert other.method_config["digest"] != spec.method_config["digest"]
    assert other.backbone_config["segmentor"]["decode_head"]["dropout_ratio"] == 0.3
    assert spec_hash(other) != spec_hash(spec)


@needs_mmseg
def test_every_family_of_configs_is_read_without_downloads_and_sync() -> None:
    """One config of each folder; those that cannot be: depth estimation, and weights that fail on ignored pixels."""
    folders: dict[str, str] = {}
    for path in sorted(plan._shipped().rglob("*.py")):
        if "_base_" not in path.parts:
            folders.setdefault(path.parent.name, path.stem)
    assert len(folders) > 40
    refused = set()
    for folder, name in folders.items():
        try:
            text = json.dumps(plan.read_config(plan.find_config(name), 19))
        except UserError:
            refused.add(folder)
            continue
        assert not [word for word in ("://", "Pretrained", "SyncBN", '"num_classes": 150') if word in text], name
    assert refused == {"cgnet", "pidnet", "vpd"}


@needs_mmseg
def test_class_weights_follow_the_classes(tmp_path: Path) -> None:
    ade = plan.read_config(plan.find_config("mask2former_r50_8xb2-160k_ade20k-512x512"), 19)
    assert ade["segmentor"]["decode_head"]["loss_cls"]["class_weight"] == [1.0] * 19 + [0.1]
    unequal = tmp_path / "unequal.py"
    unequal.write_text(
        f"_base_ = {str(plan.find_config(SEGFORMER))!r}\n"
        "model = dict(decode_head=dict(loss_decode=dict(type='OhemCrossEntropy', class_weight=[0.5] + [1.0] * 149)))\n"
    )
    with pytest.raises(UserError, match="config unequal weights its 150 classes unequally"):
        spec_of(unequal)


# Mistakes


@needs_mmseg
@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "method mmseg needs a model: --set config=NAME_OR_FILE"),
        (["config=segformer_mit-b0_8xb2-160k_ade20k-512x51"], f"did you mean '{SEGFORMER}'"),
        (["config=no/such/file.py"], "there is no mmsegmentation config no/such/file.py"),
        ([f"config={SEGFORMER}", "head.hidden=32"], "--set head.hidden=32: method mmseg brings its own model"),
        ([f"config={SEGFORMER}", "compile=true"], "--set compile=true: method mmseg brings its own model"),
        ([f"config={SEGFORMER}", "digest=0123"], "--set digest: it is taken from the config"),
        ([f"config={SEGFORMER}", "weights=sha256:0"], "name the weights random"),
        ([f"config={SEGFORMER}", "checkpoint=none.pth"], "there is no checkpoint none.pth"),
    ],
)
def test_mistakes_are_one_line(sets: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve("mmseg", "none", sets=sets)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_mmseg
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "cannot be read: "),
        ("x = 1\n", "has no model"),
        ("model = dict(type='FasterRCNN', backbone=dict())\n", "has no decode head"),
        (
            "model = dict(decode_head=dict(num_classes=2, l=dict(type='CrossEntropyLoss', class_weight=[1, 2])))\n",
            "leave class_weight out",
        ),
        ("model = dict(type='EncoderDecoder', decode_head=dict(num_classes=2), f=print)\n", "more than JSON can hold"),
    ],
)
def test_configs_that_are_no_segmentation_model_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=f"config mine.*{message}") as caught:
        spec_of(tmp_path / "mine.py")
    assert "\n" not in str(caught.value)


@needs_mmseg
def test_what_cannot_be_built_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = {str(plan.find_config(SEGFORMER))!r}\nmodel = dict(backbone=dict(type='NoSuchNet'))\n")
    with pytest.raises(UserError, match=r"config mine cannot be built: .*NoSuchNet"):
        build_segmenter(spec_of(path))
    path.write_text(f"_base_ = {str(plan.find_config(SEGFORMER))!r}\ncustom_imports = dict(imports='no_such_lib.x')\n")
    with pytest.raises(PrerequisiteError, match="config mine needs no_such_lib, which is not installed"):
        build_segmenter(spec_of(path))


# Checkpoints


@needs_mmseg
def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    saved, path = built(SEGFORMER), tmp_path / "model.pth"
    torch.save({"meta": {"epoch": 3}, "state_dict": saved.model.state_dict()}, path)
    spec = spec_of(SEGFORMER, f"checkpoint={path}", seed=7)
    assert spec.weights == spec.method_config["checkpoint"] != "random"
    assert str(tmp_path) not in canonical_json(spec)
    assert "method_config.checkpoint" in departures(spec)
    loaded, random = build_segmenter(spec).state_dict(), build_segmenter(spec_of(SEGFORMER, seed=7)).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in saved.state_dict().items())
    assert not all(torch.equal(tensor, random[name]) for name, tensor in saved.state_dict().items())
    torch.save(saved.model.state_dict(), path)  # bare, as torch's own
    assert build_segmenter(spec_of(SEGFORMER, f"checkpoint={path}")).state_dict().keys() == loaded.keys()
    with pytest.raises(UserError, match="has changed since this run was specified"):
        build_segmenter(spec)
    elsewhere = spec.model_copy(update={"method_config": spec.method_config | {"checkpoint": "sha256:" + "0" * 64}})
    with pytest.raises(PrerequisiteError, match="not at hand: name its file with --set checkpoint=FILE"):
        build_segmenter(elsewhere)


@needs_mmseg
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "does not fit: missing decode_head.conv_seg.bias"),
        ("unexpected", "does not fit: unexpected auxiliary_head.conv.weight"),
        ("misshapen", r"does not fit: backbone\S+ has shape \(5,\), not"),
        ("classes", "is for 150 classes, the suite has 19"),
        ("code", "cannot be read without running its code"),
        ("noise", "cannot be read"),
        ("other", "holds no state_dict"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change: str, message: str, tmp_path: Path) -> None:
    state = dict(built(SEGFORMER).model.state_dict())
    path = tmp_path / "model.pth"
    if change == "missing":
        del state["decode_head.conv_seg.bias"]
    elif change == "unexpected":
        state["auxiliary_head.conv.weight"] = torch.zeros(1)
    elif change == "misshapen":
        state[next(name for name in state if name.endswith("norm1.weight"))] = torch.zeros(5)
    elif change == "classes":
        state |= {name: torch.zeros(150, *state[name].shape[1:]) for name in state if "conv_seg" in name}
    torch.save({"code": Path("x")} if change == "code" else {"state_dict": state}, path)
    if change == "noise":
        path.write_bytes(b"no checkpoint at all")
    elif change == "other":
        torch.save({"state_dict": {"epoch": 3}}, path)
    spec = spec_of(SEGFORMER, f"checkpoint={path}")
    with pytest.raises(UserError, match=message) as caught:
        build_segmenter(spec)
    assert "\n" not in str(caught.value)
