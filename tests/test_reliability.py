"""Reliability counts: what they are of, that they add up exactly, and what is refused. Scores: tests/parity."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from bench import metrics, reliability
from bench.api import Head, NoBackbone, Segmenter
from bench.metrics import IGNORE
from bench.models.heads import ConfiguredHead
from bench.reliability import Anomalies, Calibration, anomalies, calibration, predictions, probabilities
from bench.spec import HeadConfig

CLASSES = 5


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Logits (4, CLASSES, 11, 13), some of them far apart, and labels uint8, a tenth ignored."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, CLASSES, 11, 13, generator=generator) * torch.logspace(-1, 2, 13)
    labels = torch.randint(0, CLASSES, (4, 11, 13), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = IGNORE
    return scores, labels.to(torch.uint8)


# Probabilities


def test_logits_get_a_softmax_and_evidence_its_share() -> None:
    scores = torch.tensor([2.0, 1.0, 0.0, 1.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(probabilities(scores, "logits"), scores.softmax(1))
    torch.testing.assert_close(probabilities(scores, "evidence").flatten(), torch.tensor([0.5, 0.25, 0.0, 0.25]))
    torch.testing.assert_close(probabilities(scores / 1e30, "evidence"), probabilities(scores, "evidence"))
    assert probabilities(torch.zeros(1, 4, 2, 2), "evidence").eq(0.25).all()
    assert probabilities(scores.bfloat16(), "evidence").dtype == torch.float32
    with pytest.raises(ValueError, match="logits or evidence, not 'votes'"):
        probabilities(scores, "votes")  # type: ignore[arg-type]  # it is refused


@pytest.mark.parametrize(("name", "kind"), [("linear", "logits"), ("segformer", "logits"), ("mask2former", "evidence")])
def test_heads_say_what_their_scores_are(name: str, kind: str) -> None:
    torch.manual_seed(0)
    sizes = {"hidden": 32, "heads": 4, "num_queries": 6, "encoder_layers": 1, "decoder_layers": 1}
    head = ConfiguredHead(HeadConfig(name=name, **sizes), CLASSES)((8, 8, 8, 8)).eval()
    maps = [torch.randn(1, 8, 32 // stride, 64 // stride) for stride in (1, 2, 4, 8)]
    scores = head.logits(maps, (32, 64))
    assert head.score_kind == Segmenter(NoBackbone({}), head).score_kind == kind
    assert (scores.min() >= 0) == (kind == "evidence")
    chances = probabilities(scores, head.score_kind)
    torch.testing.assert_close(chances.sum(1), torch.ones(1, 32, 64))
    assert torch.equal(predictions(chances), predictions(scores))


def test_heads_give_logits_unless_they_say_otherwise() -> None:
    assert Head().score_kind == "logits"


def test_predictions_are_torchs_argmax(batch: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    for scores in (batch[0], batch[0].round(), torch.zeros_like(batch[0])):  # with ties: the first
        assert torch.equal(predictions(scores).long(), scores.argmax(1))
    channels_last = batch[0].contiguous(memory_format=torch.channels_last)
    monkeypatch.setattr(reliability, "_BLOCK", 50)
    assert torch.equal(predictions(channels_last).long(), batch[0].argmax(1))
    assert predictions(torch.eye(255)[None, :, :, None]).flatten().tolist() == list(range(255))


# Calibration


def test_correct_pixels_are_the_confusion_matrixs(batch: tuple[Tensor, Tensor]) -> None:
    scores, labels = batch
    chances, predicted = probabilities(scores, "logits"), predictions(scores)
    tied = probabilities(scores / 1000, "logits").half()
    assert not torch.equal(predicted, predictions(tied))
    conf = metrics.confusion(predicted.numpy(), labels.numpy(), CLASSES)
    for given in (chances, tied):
        found = calibration(given, labels, predicted)
        assert (sum(found.correct), sum(found.pixels)) == (np.trace(conf), conf.sum())
    assert calibration(chances, labels) == calibration(chances, labels, predictions(chances))


def test_bins_are_closed_on_the_right() -> None:
    for confidence, place in ((1.0, 14), (0.5, 7), (14 / 15 + 1e-6, 14), (14 / 15 - 1e-6, 13), (1.0000001, 14)):
        chances = torch.tensor([confidence, 1 - confidence]).view(1, 2, 1, 1)
        found = calibration(chances, torch.zeros(1, 1, 1, dtype=torch.uint8))
        assert found.pixels.index(1) == place
        assert found.bins()[place] == (1, pytest.approx(confidence), 1)


def test_a_true_class_without_a_chance_costs_no_more_than_the_floor() -> None:
    chances, labels = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.uint8)
    assert calibration(chances, labels).nll_sum() == pytest.approx(-np.log(reliability.FLOOR), abs=1e-8)
    assert calibration(chances, labels - 1).nll_sum() == 0


def test_sums_keep_small_losses_and_confidences() -> None:
    """A million pixels at confidence 1 - 2^-20: in float32 a running sum of them would have lost its digits."""
    chances = torch.tensor([1 - 2**-20, 2**-20]).view(1, 2, 1, 1).expand(1, 2, 1000, 1000)
    found = calibration(chances, torch.zeros(1, 1000, 1000, dtype=torch.uint8))
    assert found.bins()[14] == (10**6, 10**6 * (1 - 2**-20), 10**6)
    assert found.nll_sum() == pytest.approx(-(10**6) * np.log1p(-(2**-20)), rel=1e-3)


def test_counts_do_not_depend_on_how_pixels_are_split(
    batch: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    chances, labels = probabilities(batch[0], "logits"), batch[1]
    mask = torch.where(labels == IGNORE, IGNORE, labels % 2)
    whole = calibration(chances, labels), anomalies(chances, mask)
    for block in (2**17, 10):
        monkeypatch.setattr(reliability, "_BLOCK", block)
        sums = Calibration(), Anomalies()
        for rows, columns in ((slice(0, 3), slice(0, 13)), (slice(3, 11), slice(0, 6)), (slice(3, 11), slice(6, 13))):
            for image in range(4):
                part = (slice(image, image + 1), rows, columns)
                some = chances[part[0], :, rows, columns]
                sums = sums[0] + calibration(some, labels[part]), sums[1] + anomalies(some, mask[part])
        assert sums == whole
    with torch.inference_mode():
        assert calibration(chances.clone(), labels) == whole[0]
        assert anomalies(chances.clone(), mask) == whole[1]
    json.dumps([whole[0].bins(), whole[0].nll_sum(), whole[1].normal], allow_nan=False)


def test_what_is_no_label_or_no_probability_is_refused(batch: tuple[Tensor, Tensor]) -> None:
    scores, labels = batch
    chances = probabilities(scores, "logits")
    strange = labels.clone()
    strange[0, 0, :2] = torch.tensor([5, 254])
    with pytest.raises(ValueError, match=r"2 labels are outside 0\.\.4"):
        calibration(chances, strange)
    for bad in (scores, torch.full_like(chances, torch.nan), -chances):
        with pytest.raises(ValueError, match="no probabilities"):
            calibration(bad, labels)
        with pytest.raises(ValueError, match="no probabilities"):
            anomalies(bad, labels.clamp(max=1))
    with pytest.raises(ValueError, match=r"labels \(3, 11, 13\) do not fit probabilities \(4, 5, 11, 13\)"):
        calibration(chances, labels[:3])
    with pytest.raises(ValueError, match=r"predictions \(3, 11, 13\) do not fit"):
        calibration(chances, labels, labels[:3])
    with pytest.raises(ValueError, match=r"labels are uint8, not torch\.int64"):
        calibration(chances, labels.long())


# Anomalies


def test_scores_next_to_certain_differ() -> None:
    """1 - p is 0 or 6e-8 in float32; the sums of the other probabilities are 1e-8, 2e-8 and 3e-8."""
    others = torch.tensor([1e-8, 2e-8, 3e-8])
    chances = torch.stack([1 - others, others / 2, others / 2])[None, :, None]
    assert (chances[:, 0] >= 1 - 1e-7).all()
    found = anomalies(chances, torch.tensor([[[0, 0, 1]]], dtype=torch.uint8))
    assert metrics.auroc(found.normal, found.anomaly) == 1
    assert max(found.normal) == 1


def test_the_outermost_bins_hold_the_rest() -> None:
    certain = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    assert anomalies(certain, torch.zeros(1, 1, 1, dtype=torch.uint8)).normal[0] == 1
    even = torch.full((1, 2, 1, 1), 0.5)  # log-odds of 0 begin the upper half
    assert anomalies(even, torch.ones(1, 1, 1, dtype=torch.uint8)).anomaly[reliability.ANOMALY_BINS // 2] == 1
    flat = torch.full((1, 19, 1, 1), 1 / 19)
    place = anomalies(flat, torch.ones(1, 1, 1, dtype=torch.uint8)).anomaly.index(1)
    step = 2 * reliability.LOG_ODDS / reliability.ANOMALY_BINS
    assert place == int((np.log(18) + reliability.LOG_ODDS) / step)


def test_a_mask_says_normal_anomalous_or_nothing(batch: tuple[Tensor, Tensor]) -> None:
    chances = probabilities(batch[0], "logits")
    mask = torch.full((4, 11, 13), IGNORE, dtype=torch.uint8)
    assert anomalies(chances, mask) == Anomalies()
    mask[0, 0, 0], mask[1, 0, :2] = 0, 1
    found = anomalies(chances, mask)
    assert (sum(found.normal), sum(found.anomaly)) == (1, 2)
    mask[2, 2, 2] = 2
    with pytest.raises(ValueError, match="1 pixels of an anomaly mask are neither 0, 1 nor 255"):
        anomalies(chances, mask)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_counts_the_same(batch: tuple[Tensor, Tensor]) -> None:
    chances, labels = probabilities(batch[0], "logits"), batch[1]
    mask = labels % 2
    assert calibration(chances.cuda(), labels.cuda(), predictions(chances)) == calibration(chances, labels)
    assert anomalies(chances.cuda(), mask.cuda()) == anomalies(chances, mask)
    assert torch.equal(predictions(chances.cuda()).cpu(), predictions(chances))
