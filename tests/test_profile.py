"""Cost figures against what can be counted by hand."""

from __future__ import annotations

import pytest
import torch
from engine import tiny_segmenter
from lightning_fabric import Fabric
from torch import Tensor

from bench.api import freeze
from bench.inference import Layout
from bench.models.build import build_segmenter
from bench.profile import measure, peak_memory
from bench.resolve import resolve


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_parameters_flops_and_speed(fabric: Fabric) -> None:
    segmenter = tiny_segmenter()
    freeze(segmenter.backbone)
    cost = measure(segmenter, (32, 48), Layout(None, None), fabric)
    head = 8 * 19 + 19 + 19
    assert cost.trainable_params == head
    assert cost.total_params == head + (3 * 16 * 8 + 8) + 16
    positions = 8 * 12
    assert cost.gflops == pytest.approx(2 * positions * (3 * 16 * 8 + 8 * 19) / 1e9)
    assert cost.latency_ms is not None
    assert cost.images_per_s is not None
    assert 0 < cost.latency_ms < 1000
    assert cost.images_per_s > 0


def test_flops_count_attention_and_every_window(fabric: Fabric) -> None:
    segmenter = tiny_segmenter()

    class Attending(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            tokens = images.flatten(2).transpose(1, 2)[:, None]
            mixed = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return mixed[:, 0].transpose(1, 2).unflatten(2, images.shape[-2:])

    segmenter.logits = Attending().forward
    whole = measure(segmenter, (8, 16), Layout(None, None), fabric).gflops
    assert whole == pytest.approx(2 * 2 * 128 * 128 * 3 / 1e9)
    windowed = measure(segmenter, (8, 16), Layout((8, 8), (8, 8)), fabric).gflops
    assert windowed == pytest.approx(2 * 2 * 2 * 64 * 64 * 3 / 1e9)


def test_peak_memory_is_that_of_live_tensors() -> None:
    segmenter = tiny_segmenter()
    own = sum(p.numel() * 4 for p in segmenter.parameters())
    million = 1_000_000

    def predict() -> Tensor:
        with torch.inference_mode():
            x = torch.zeros(million)
            for _ in range(5):
                x = x + 1  # old and new live together, the older ones are gone
            x.mul_(2)
            return x.view(10, -1)[:5]

    assert peak_memory(segmenter, predict, torch.device("cpu")) == own + 2 * 4 * million


@pytest.mark.parametrize("method", ["frozen", "full", "rein"])
def test_every_method_is_measured_and_left_as_it_was(
    method: str, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.profile._SECONDS", 0.01)
    segmenter = build_segmenter(resolve(method, "eva02", sets=["weights=random"]))
    names = segmenter.trainable_names()
    cost = measure(segmenter, (32, 64), Layout(None, None), fabric)
    assert cost.gflops > 0
    assert segmenter.trainable_names() == names
    assert cost.trainable_params == sum(p.numel() for p in segmenter.parameters() if p.requires_grad)
