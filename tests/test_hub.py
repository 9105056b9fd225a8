"""Where weights are looked for, what is said when there are none, and what of a backbone a run may choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers.patch_embed import resample_patch_embed

from bench import protocols
from bench import resolve as resolve_module
from bench.errors import DamagedFile, PrerequisiteError, UnknownName, UserError
from bench.models import hub
from bench.models.backbones import build_backbone
from bench.models.build import build_segmenter
from bench.models.card import BackboneCard, load_card
from bench.models.weights import load_backbone, resize_kernel
from bench.resolve import resolve
from bench.result import result_path

RANDOM = "weights=random"


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights and an empty cache of the hub."""
    monkeypatch.setenv(hub.WEIGHTS_FOLDER, str(tmp_path / "weights"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def cached(folder: Path, repository: str, state: dict[str, torch.Tensor]) -> Path:
    """What the hub's own client leaves in its cache."""
    entry = folder / "cache" / f"models--{repository.replace('/', '--')}"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text("abc")
    path = entry / "snapshots" / "abc" / hub.HUB_FILE
    path.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def test_weights_are_taken_from_where_they_are_named_first(nowhere: Path) -> None:
    card = load_card("resnet50")
    with pytest.raises(PrerequisiteError):
        hub.weights_path(card)
    in_cache = cached(nowhere, card.hub, {"x": torch.zeros(1)})
    assert hub.weights_path(card) == in_cache
    own = nowhere / "weights" / "resnet50.safetensors"
    own.parent.mkdir()
    own.write_bytes(in_cache.read_bytes())
    assert hub.weights_path(card) == own
    given = nowhere / "given.safetensors"
    save_file({"y": torch.zeros(1)}, given)
    assert hub.weights_path(card, given) == given
    assert hub.weights_id(card, given) != hub.weights_id(card) == f"sha256:{hub.file_sha256(in_cache)}"


def test_absent_weights_say_how_to_get_them_and_what_there_is_instead(nowhere: Path) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        resolve("rein", "dinov2-large")
    message = str(caught.value)
    assert "hf download timm/vit_large_patch14_dinov2.lvd142m model.safetensors" in message
    assert str(nowhere / "weights" / "dinov2-large.safetensors") in message
    assert all(part in message for part in ("--weights PATH", RANDOM, "--backbone eva02-mini"))
    with pytest.raises(PrerequisiteError, match="there is no such file"):
        resolve("rein", "dinov2-large", weights=nowhere / "none.pth")


def test_a_hub_that_cannot_be_reached_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "getproxies", dict)

    def refuse(address: Any, timeout: float) -> None:
        raise OSError("no route")

    monkeypatch.setattr(hub.socket, "create_connection", refuse)
    assert not hub.hub_is_reachable()
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "proxy"})
    assert hub.hub_is_reachable()


def test_a_run_records_and_demands_the_weights_it_was_given(nowhere: Path) -> None:
    card = load_card("timm:resnet18.tv_in1k")
    path = nowhere / "mine.safetensors"
    source = build_backbone(card)
    save_file({name: tensor.contiguous() for name, tensor in source.model.state_dict().items()}, path)
    spec = resolve("full", "timm:resnet18.tv_in1k", weights=path)
    assert spec.weights == f"sha256:{hub.file_sha256(path)}"
    assert str(nowhere) not in spec.model_dump_json()
    segmenter = build_segmenter(spec, path)
    assert torch.equal(segmenter.backbone.model.conv1.weight, source.model.conv1.weight)
    with pytest.raises(PrerequisiteError):
        build_segmenter(spec)
    assert ":" not in str(result_path(spec, Path("results")))


def test_models_without_a_card(nowhere: Path) -> None:
    spec = resolve("rein", "timm:convnext_tiny", sets=[RANDOM])
    assert spec.backbone_config["architecture"].startswith("convnext_tiny.")
    with pytest.raises(UnknownName, match=r"did you mean 'resnet50'\?"):
        resolve("rein", "timm:resnet5o", sets=[RANDOM])
    with pytest.raises(UnknownName, match="weights of timm's resnet50"):
        resolve("rein", "timm:resnet50.tv_in2k", sets=[RANDOM])
    with pytest.raises(UserError, match="cannot be a backbone"):
        resolve("rein", "timm:mixer_b16_224", sets=[RANDOM])
    with pytest.raises(PrerequisiteError, match="--weights"):
        resolve("rein", "hf:someone/nothing", sets=[RANDOM])


def test_patches_of_14_run_as_they_are_or_converted_and_the_spec_says_which() -> None:
    native = resolve("rein", "dinov2-small", sets=[RANDOM])
    assert (native.backbone_config["patch_size"], native.backbone_config["img_size"]) == (14, [518, 518])
    sixteen = [RANDOM, "backbone.patch_size=16", "backbone.img_size=512,512"]
    converted = resolve("rein", "dinov2-small", sets=sixteen)
    assert (converted.backbone_config["patch_size"], converted.backbone_config["resize"]) == (16, "bicubic")
    assert resolve("rein", "dinov2-small", sets=[*sixteen, "backbone.resize=pinv"]).backbone_config["resize"] == "pinv"
    assert resolve_module.departures(converted)["backbone_config.patch_size"] == 16
    with pytest.raises(UserError, match=r"img_size \(518, 518\) is no multiple of patch_size 16"):
        resolve("rein", "dinov2-small", sets=[RANDOM, "backbone.patch_size=16"])
    with pytest.raises(UserError, match="resize"):
        resolve("rein", "dinov2-small", sets=[RANDOM, "backbone.resize=nearest"])
    with pytest.raises(UserError, match="patches of 16 pixels"):
        build_backbone(load_card("sam-base").with_config({"patch_size": 8}))


def test_maps_of_stages_can_be_normed_as_published() -> None:
    plain = load_card("timm:convnext_atto")
    normed = plain.with_config({"map_norm": True})
    assert (plain.config()["map_norm"], normed.config()["map_norm"]) == (False, True)
    torch.manual_seed(0)
    first = build_backbone(plain).eval()
    torch.manual_seed(0)
    second = build_backbone(normed).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for before, after in zip(first(image), second(image), strict=True):
            layer = torch.nn.LayerNorm(before.shape[1], eps=1e-6)
            torch.testing.assert_close(layer(before.movedim(1, -1)).movedim(-1, 1), after)
    with pytest.raises(UserError, match="hierarchical"):
        resolve("rein", "dinov2-small", sets=[RANDOM, "backbone.map_norm=true"])


@pytest.mark.parametrize(
    ("backbone", "text", "message"),
    [
        ("dinov2-small", "patch_size=0", "greater than 0"),
        ("dinov2-small", "img_size=0,0", "greater than 0"),
        ("dinov2-small", "std=0,0,0", "greater than 0"),
        ("dinov2-small", "out_indices=3,2,1,0", "must rise"),
        ("dinov2-small", "out_indices=1,1,2,5", "must rise"),
        ("resnet50", "patch_size=16", "no patch_size to choose"),
        ("resnet50", "out_indices=1,2,3,4", "no out_indices to choose"),
        ("swin-base", "resize=pinv", "no resize to choose"),
    ],
)
def test_settings_that_do_not_hold_or_change_nothing_are_refused(backbone: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve("frozen", backbone, sets=[RANDOM, f"backbone.{text}"])


def test_blocks_beyond_the_last_are_refused_when_the_model_is_built() -> None:
    for name in ("dinov2-small", "sam-base"):
        with pytest.raises(UserError, match="12 blocks"):
            build_backbone(load_card(name).with_config({"out_indices": (1, 2, 3, 99)}))


def test_weights_of_another_grid_are_other_weights(tmp_path: Path) -> None:
    """clip-large at 224 pixels into clip-large-336: same shapes but for the positions, which would be resized."""
    small = load_card("dinov2-small").with_config({"img_size": (224, 224)})
    path = tmp_path / "w.safetensors"
    save_file(build_backbone(small).vit.state_dict(), path)
    card = load_card("dinov2-small").with_config({"img_size": (280, 280)})
    with pytest.raises(DamagedFile, match="are other weights: its positions are a 16 x 16 grid"):
        load_backbone(build_backbone(card), card, path)
    same = load_card("dinov2-small").with_config({"img_size": (224, 224)})
    load_backbone(build_backbone(same), same, path)


def test_weights_named_by_hand_are_named_in_every_table(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({k: t.contiguous() for k, t in build_backbone(load_card("resnet50")).model.state_dict().items()}, path)
    spec = resolve("frozen", "resnet50", weights=path)
    assert resolve_module.departures(spec, path)["weights"] == f"{spec.weights[:19]}, named by hand"
    with pytest.raises(UserError, match="leave one out"):
        resolve("frozen", "resnet50", weights=path, sets=[RANDOM])


def test_a_track_may_ask_for_patches_of_16(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = protocols.load_protocol("streets")
    asked = {"patch_size": 16, "img_size": [512, 512], "mean": [0.5, 0.5, 0.5]}
    track = whole.tracks[0].model_copy(update={"name": "rein-512", "backbone": asked})
    rules = whole.model_copy(update={"tracks": (*whole.tracks, track)})
    monkeypatch.setattr(resolve_module, "load_protocol", lambda name: rules)
    plain = resolve("frozen", "dinov2-small", track="rein-512", sets=[RANDOM])
    assert plain.backbone_config["patch_size"] == 16
    assert plain.backbone_config["mean"] == [0.5, 0.5, 0.5]
    assert not resolve_module.departures(plain), "what the track asks for is no departure"
    stages = resolve("frozen", "convnext-large", track="rein-512", sets=[RANDOM])
    assert stages.backbone_config["patch_size"] is None
    assert stages.backbone_config["mean"] == [0.5, 0.5, 0.5]
    mine = resolve("frozen", "dinov2-small", track="rein-512", sets=[RANDOM, "backbone.mean=0,0,0"])
    assert mine.backbone_config["mean"] == [0, 0, 0]


def test_kernels_are_resized_by_hand_or_as_timm_does(tmp_path: Path) -> None:
    kernel = torch.randn(8, 3, 14, 14)
    bicubic, pinv = resize_kernel(kernel, 16), resize_kernel(kernel, 16, "pinv")
    assert torch.equal(bicubic, F.interpolate(kernel, size=(16, 16), mode="bicubic", align_corners=False))
    assert torch.equal(pinv, resample_patch_embed(kernel, [16, 16]))
    assert not torch.allclose(bicubic, pinv, atol=0.1)
    fields: dict[str, Any] = {"name": "tiny", "summary": "", "family": "tiny", "architecture": "VisionTransformer"}
    sizes: dict[str, Any] = {"kwargs": {"embed_dim": 24, "depth": 4, "num_heads": 2}, "out_indices": (0, 1, 2, 3)}
    card = BackboneCard(**fields, **sizes, patch_size=14, img_size=(56, 56))
    published = build_backbone(card.with_config({"patch_size": 14, "img_size": (56, 56)}))
    path = tmp_path / "w.safetensors"
    save_file(published.vit.state_dict(), path)
    for how in ("bicubic", "pinv"):
        sixteen = card.with_config({"patch_size": 16, "img_size": (64, 64), "resize": how})
        backbone = build_backbone(sixteen)
        load_backbone(backbone, sixteen, path)
        expected = resize_kernel(published.vit.patch_embed.proj.weight, 16, how)
        torch.testing.assert_close(backbone.vit.patch_embed.proj.weight, expected)


def test_bicubic_is_what_is_computed_by_hand() -> None:
    """One output value of a 14 -> 16 kernel from its sixteen neighbours and Keys' cubic with a = -0.75."""
    kernel = torch.randn(1, 1, 14, 14, dtype=torch.float64)
    row, column = 5, 9

    def weights(place: int) -> tuple[int, list[float]]:
        at = (place + 0.5) * 14 / 16 - 0.5
        first, rest, a = int(at // 1), at - at // 1, -0.75
        near = [(a + 2) * d**3 - (a + 3) * d**2 + 1 for d in (rest, 1 - rest)]
        far = [a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a for d in (1 + rest, 2 - rest)]
        return first - 1, [far[0], near[0], near[1], far[1]]

    (top, vertical), (left, horizontal) = weights(row), weights(column)
    window = kernel[0, 0, top : top + 4, left : left + 4]
    by_hand = torch.tensor(vertical, dtype=torch.float64) @ window @ torch.tensor(horizontal, dtype=torch.float64)
    torch.testing.assert_close(resize_kernel(kernel, 16)[0, 0, row, column], by_hand)


def test_what_was_seen_in_pre_training_is_yes_no_or_unknown() -> None:
    assert load_card("dinov2-large").was_seen("cityscapes") == "yes"
    assert load_card("dinov2-large").was_seen("bdd100k") == "unknown"
    assert load_card("mae-large").was_seen("cityscapes") == "no"
    assert load_card("eva02-mini").was_seen("streets") == "no"
