"""mmsegmentation's models, really built from its own configs: trained, scored, saved, and what is refused."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from bench.api import NoBackbone, PrerequisiteError, UserError
from bench.models.build import build_segmenter
from bench.report.frame import to_frame
from bench.resolve import resolve
from bench.result import result_path
from bench.run import run
from bench.spec import RunSpec
from methods.mmseg import CARD, MmsegConfig, MmsegSegmenter, library, plan

needs_mmseg = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in library.PACKAGES),
    reason="mmsegmentation is not installed: pip install -e '.[mmseg]'",
)
SEGFORMER = "segformer_mit-b0_8xb2-160k_ade20k-512x512"
DEEPLAB = "deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024"
MASK2FORMER = "mask2former_r50_8xb2-90k_cityscapes-512x1024"
MODELS = (SEGFORMER, DEEPLAB, MASK2FORMER)
MILLIONS = {SEGFORMER: 3.72, DEEPLAB: 43.59, MASK2FORMER: 44.01}
"""Parameters, auxiliary heads included."""


def spec_of(config: str | Path, *sets: str, seed: int = 0) -> RunSpec:
    return resolve("mmseg", "none", seed=seed, sets=[f"config={config}", *sets])


@lru_cache(maxsize=1)
def built(config: str) -> MmsegSegmenter:
    """A model that tests share, one after the other: they leave its weights alone."""
    segmenter = build_segmenter(spec_of(config))
    assert isinstance(segmenter, MmsegSegmenter)
    return segmenter


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    labels = torch.randint(0, 19, (2, 4, 8)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[:, :4] = 255
    return torch.rand(2, 3, 32, 64), labels


# Without the library


def test_a_backbone_is_for_methods_that_need_one() -> None:
    with pytest.raises(UserError, match="method rein needs a backbone: --backbone none is for methods that bring"):
        resolve("rein", "none")
    with pytest.raises(UserError, match="method mmseg brings its own model: give it --backbone none"):
        resolve("mmseg", "eva02-mini", sets=["weights=random"])


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "PACKAGES", ("no_such_library",))
    with pytest.raises(PrerequisiteError, match=r"needs no_such_library.*pip install -e '\.\[mmseg\]'"):
        spec_of(SEGFORMER)
    with pytest.raises(PrerequisiteError, match="no_such_library"):
        CARD.build(NoBackbone({}), None, MmsegConfig(config="x"))  # type: ignore[arg-type]  # it is refused first


# Training and scoring


@needs_mmseg
@pytest.mark.parametrize("config", MODELS)
def test_a_model_trains_and_is_scored_on_streets(config: str, tmp_path: Path, one_thread: None) -> None:
    few = ("recipe.iterations=2", "recipe.batch_size=2", "recipe.crop=32,64")
    spec = spec_of(config, *few)
    wanted = {"source": 1, "weather-rain": 1}
    targets = [t.model_copy(update={"images": wanted[t.name]}) for t in spec.targets if t.name in wanted]
    spec = spec.model_copy(update={"targets": tuple(targets)})
    result = run(spec, results=tmp_path, device="cpu")
    assert result.state == "complete"
    assert {name: target.images for name, target in result.targets.items()} == wanted
    assert all(sum(map(sum, target.confusion)) > 0.9 * 128 * 256 * target.images for target in result.targets.values())
    assert result.cost is not None
    assert result.cost.parameters.trainable == result.cost.parameters.total
    assert result.cost.parameters.total / 1e6 == pytest.approx(MILLIONS[config], abs=0.01)
    assert result.cost.gflops is not None
    assert result.cost.gflops > 0.05
    changed = {"recipe.batch_size", "recipe.crop", "recipe.iterations"}
    assert result.settings.keys() == {"method_config.config", "method_config.digest"} | changed
    (row,) = to_frame([result]).to_dict("records")
    assert (row["backbone"], row["weights"]) == ("none", "random")
    assert f"config={config[:21]}" in str(row["variant"])
    assert result_path(spec, tmp_path).parent == tmp_path / "streets" / "none" / "mmseg"
    assert run(spec, results=tmp_path, device="cpu") == result  # found again


@needs_mmseg
@pytest.mark.parametrize("config", MODELS)
def test_a_model_learns_with_every_parameter(config: str) -> None:
    segmenter = build_segmenter(spec_of(config))
    before = {name: tensor.clone() for name, tensor in segmenter.state_dict().items()}
    optimiser = torch.optim.AdamW(segmenter.parameters(), lr=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        losses = segmenter.loss(*batch())
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
    assert all("loss" in name and value.isfinite() and value.dtype == torch.float32 for name, value in losses.items())
    still = {name for name, tensor in segmenter.named_parameters() if torch.equal(tensor, before[name])}
    assert not still
    assert set(segmenter.trainable_names()) == set(dict(segmenter.named_parameters()))
    fresh = build_segmenter(spec_of(config, seed=1))
    fresh.load_trainable_state(segmenter.trainable_state())
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(fresh.eval().logits(image), segmenter.eval().logits(image))  # running statistics too


@needs_mmseg
@pytest.mark.parametrize("config", MODELS)
def test_a_model_predicts_any_size_and_in_half_precision(config: str) -> None:
    segmenter = built(config).eval()
    images, labels = batch()
    with torch.inference_mode():
        exact = segmenter.logits(images)
        odd = segmenter.logits(torch.rand(3, 3, 37, 50))
        with torch.autocast("cpu", torch.bfloat16):
            half = segmenter.logits(images)
    assert (odd.shape, exact.shape) == ((3, 19, 37, 50), (2, 19, 32, 64))
    assert odd.isfinite().all()
    assert half.dtype == exact.dtype == torch.float32
    torch.testing.assert_close(half, exact, atol=0.1, rtol=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        losses = segmenter.train().loss(images, labels)
    assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    nothing = segmenter.loss(images, torch.full_like(labels, 255))
    assert all(value.isfinite() for value in nothing.values())


@needs_mmseg
@pytest.mark.parametrize("config", MODELS)
def test_scores_are_evidence_where_masks_vote(config: str) -> None:
    segmenter = built(config).eval()
    with torch.inference_mode():
        scores = segmenter.logits(batch()[0])
    assert segmenter.score_kind == ("evidence" if config == MASK2FORMER else "logits")
    assert (scores.min() >= 0) == (config == MASK2FORMER)


@needs_mmseg
@pytest.mark.parametrize("config", MODELS)
def test_images_and_losses_are_what_mmsegmentation_makes_of_them(config: str) -> None:
    from mmengine.config import Config
    from mmseg.registry import MODELS as REGISTRY

    segmenter = built(config).train()
    given = Config.fromfile(str(plan.find_config(config))).model.data_preprocessor
    bgr = torch.randint(0, 256, (2, 3, 37, 50), dtype=torch.uint8)
    theirs = REGISTRY.build(given)({"inputs": list(bgr), "data_samples": samples(bgr[:, 0])})["inputs"]
    theirs = torch.stack(theirs) if isinstance(theirs, list) else theirs
    rgb = bgr.flip(1).float() / 255
    torch.testing.assert_close(segmenter._prepare(rgb), theirs.float(), atol=1e-5, rtol=1e-5)
    images, labels = batch()
    torch.manual_seed(2)
    found = segmenter.model.loss(segmenter._prepare(images), samples(labels))
    torch.manual_seed(2)
    ours = segmenter.loss(images, labels)
    total, parts = segmenter.model.parse_losses(found)
    torch.testing.assert_close(torch.stack(list(ours.values())).sum(), total)
    assert set(ours) == {name for name in parts if "loss" in name} - {"loss"}


def samples(labels: Tensor) -> list[object]:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    size = tuple(labels.shape[-2:])
    made = [SegDataSample(metainfo={"img_shape": size, "pad_shape": size}) for _ in labels]
    for sample, label in zip(made, labels, strict=True):
        sample.gt_sem_seg = PixelData(data=label[None])
    return made


@needs_mmseg
def test_norms_and_embeddings_do_not_decay() -> None:
    segmenter = built(MASK2FORMER)
    for name in ("backbone.bn1.weight", "decode_head.query_embed.weight", "decode_head.level_embed.weight"):
        assert segmenter.no_decay(f"model.{name}"), name
    for name in ("backbone.conv1.weight", "decode_head.cls_embed.weight", "decode_head.cls_embed.bias"):
        assert not segmenter.no_decay(f"model.{name}"), name


@needs_mmseg
def test_labels_and_batches_a_model_cannot_use_are_one_line(tmp_path: Path) -> None:
    segmenter = built(DEEPLAB).train()
    images, labels = batch()
    with pytest.raises(UserError, match=r"recipe\.batch_size must be 2 or more"):
        segmenter.loss(images[:1], labels[:1])
    pidnet_config = tmp_path / "pidnet.py"
    losses = [{"type": name} for name in ("CrossEntropyLoss", "OhemCrossEntropy", "BoundaryLoss", "OhemCrossEntropy")]
    shipped = str(plan.find_config("pidnet-s_2xb6-120k_1024x1024-cityscapes"))
    pidnet_config.write_text(f"_base_ = {shipped!r}\nmodel = dict(decode_head=dict(loss_decode={losses!r}))\n")
    pidnet = build_segmenter(spec_of(pidnet_config))
    with pytest.raises(UserError, match=r"needs labels that the suite has not: .*gt_edge_map"):
        pidnet.loss(images, labels)
    ddrnet = build_segmenter(spec_of("ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024"))
    with pytest.raises(UserError, match=r"this model cannot take 60 x 100 pixels: set recipe\.crop"):
        ddrnet.loss(images.new_zeros(2, 3, 60, 100), labels.new_zeros(2, 60, 100))


@needs_mmseg
@pytest.mark.parametrize(
    "config",
    [
        "fastfcn_r50-d32_jpu_psp_4xb2-80k_cityscapes-512x1024",  # insists on tuples
        "knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512",  # builds parts in the current scope, classes in its parts
        "pointrend_r50_4xb2-80k_cityscapes-512x1024",  # heads in stages, settings of its own for testing
    ],
)
def test_unusual_models_train_and_predict(config: str) -> None:
    segmenter = build_segmenter(spec_of(config))
    torch.stack(list(segmenter.loss(*batch()).values())).sum().backward()
    with torch.inference_mode():
        assert segmenter.eval().logits(torch.rand(1, 3, 40, 56)).shape == (1, 19, 40, 56)


# mmcv without compiled operators


@needs_mmseg
def test_operators_that_are_absent_say_so() -> None:
    library.load_library()
    extension = sys.modules["mmcv._ext"]
    if not isinstance(extension, library._NoOperators):
        pytest.skip("mmcv's operators are installed: the stand-in is for where they are not")
    with pytest.raises(PrerequisiteError, match="mmcv's compiled operator psamask_forward is called"):
        extension.psamask_forward(1, key=2)
    from mmcv.ops import multi_scale_deform_attn as attention

    value, weights = torch.rand(1, 10, 2, 4), torch.rand(1, 3, 2, 2, 4)
    shapes, points = torch.tensor([[2, 3], [2, 2]]), torch.rand(1, 3, 2, 2, 4, 2)
    # What mmcv calls for tensors on a GPU.
    on_gpu = attention.MultiScaleDeformableAttnFunction.apply(value, shapes, torch.tensor([0, 6]), points, weights, 64)
    assert torch.equal(on_gpu, attention.multi_scale_deformable_attn_pytorch(value, shapes, points, weights))
    assert on_gpu.shape == (1, 3, 8)


@needs_mmseg
def test_operators_that_are_installed_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", real)
    library.load_library()
    assert sys.modules["mmcv._ext"] is real
