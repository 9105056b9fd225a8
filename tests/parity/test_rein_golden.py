"""Parity with the published implementation, for every Rein case of the golden folder (GOLDEN_DIR).

One case more, `eva02 reference`, is computed here from a plain EVA02 and goes through the same files and checks.
"""

from __future__ import annotations

import pytest
import torch
from eva02_case import write_case
from rein_cases import Case, build_case, load_case, rein_cases
from torch import Tensor

from bench.api import Segmenter
from bench.inference import predict_logits
from bench.models.heads.mask2former import Mask2FormerHead

ATOL = 1e-4
RTOL = 1e-3


REFERENCE = "eva02 reference"


@pytest.fixture(scope="module", params=[*rein_cases(), REFERENCE])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    if request.param != REFERENCE:
        return load_case(request.param)
    folder = tmp_path_factory.mktemp("golden")
    write_case(folder, "eva02")
    assert rein_cases(folder) == ["eva02"]
    return load_case("eva02", folder)


@pytest.fixture(scope="module")
def segmenter(case: Case) -> Segmenter:
    return build_case(case)


@pytest.fixture(scope="module")
def features(case: Case, segmenter: Segmenter) -> list[Tensor]:
    with torch.no_grad():
        return segmenter.backbone(case.tensors["input"], segmenter.adapter)


def head_of(segmenter: Segmenter) -> Mask2FormerHead:
    assert isinstance(segmenter.head, Mask2FormerHead)
    return segmenter.head


def close(actual: Tensor, case: Case, name: str) -> None:
    torch.testing.assert_close(actual, case.tensors[name], atol=ATOL, rtol=0, msg=lambda text: f"{name}: {text}")


def test_there_is_a_case() -> None:
    assert rein_cases()


def test_features(case: Case, features: list[Tensor]) -> None:
    for index, feature in enumerate(features):
        close(feature, case, f"feature_{index}")


def test_queries(case: Case, segmenter: Segmenter) -> None:
    close(segmenter.adapter.queries(), case, "queries")  # type: ignore[union-attr, operator]  # Rein's own method


@torch.no_grad()
def test_pixel_decoder(case: Case, segmenter: Segmenter, features: list[Tensor]) -> None:
    pixels = head_of(segmenter).pixel_decoder(features)
    close(pixels.mask_features, case, "mask_features")
    for level, (memory, shape) in enumerate(zip(pixels.memory, pixels.shapes, strict=True)):
        close(memory.transpose(1, 2).unflatten(2, shape), case, f"multi_scale_{level}")


@torch.no_grad()
def test_predictions_of_every_layer(case: Case, segmenter: Segmenter, features: list[Tensor]) -> None:
    predictions = head_of(segmenter)(features, case.tensors["queries"])
    assert len(predictions.classes) == case.config["decoder_layers"] + 1
    for layer, (classes, masks) in enumerate(zip(predictions.classes, predictions.masks(), strict=True)):
        close(classes, case, f"cls_logits_{layer}")
        close(masks, case, f"mask_logits_{layer}")


@torch.no_grad()
def test_class_scores(case: Case, segmenter: Segmenter) -> None:
    close(segmenter.logits(case.tensors["input"]), case, "seg_logits")


def test_sliding_window(case: Case, segmenter: Segmenter) -> None:
    crop, stride = case.config["slide_crop"], case.config["slide_stride"]
    scores = predict_logits(segmenter.logits, case.tensors["wide_input"], (crop, crop), (stride, stride))
    close(scores, case, "wide_seg_logits")


def test_losses_and_gradients(case: Case, segmenter: Segmenter) -> None:
    assert segmenter.adapter is not None
    segmenter.zero_grad()
    features = segmenter.backbone(case.tensors["input"], segmenter.adapter)
    queries = segmenter.adapter.queries()  # type: ignore[operator]  # the same
    losses = head_of(segmenter).loss(features, case.tensors["gt"], queries, points=case.tensors["points"])
    assert {f"decode.{name}" for name in losses} == set(case.config["losses"])
    for name, value in losses.items():
        assert value.item() == pytest.approx(case.config["losses"][f"decode.{name}"], rel=RTOL), name
    total = torch.stack(list(losses.values())).sum()
    assert total.item() == pytest.approx(case.config["total_loss"], rel=RTOL)
    total.backward()
    gradients = {name: p.grad for name, p in segmenter.adapter.named_parameters()}
    wanted = {
        name.removeprefix("grad.backbone.reins."): t for name, t in case.tensors.items() if name.startswith("grad.")
    }
    assert set(gradients) == set(wanted)
    for name, tensor in wanted.items():
        error, size = (gradients[name] - tensor).norm(), tensor.norm()
        assert error <= RTOL * size, f"gradient of {name}: error {error:.2e} of {size:.2e}"


def test_trainable_count(case: Case, segmenter: Segmenter) -> None:
    assert segmenter.adapter is not None
    count = sum(p.numel() for p in segmenter.adapter.parameters() if p.requires_grad)
    assert count == case.config["trainable_backbone"]
    assert not any(p.requires_grad for p in segmenter.backbone.parameters())
