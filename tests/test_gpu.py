"""The suite on a CUDA GPU, where there is one: scores, losses and gradients are the CPU's, and a run goes through."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from killed_run import small_spec

from bench.cost.figures import RunCost
from bench.cost.matrix import measure_all
from bench.cost.profile import profile
from bench.cost.records import CostReport, Job
from bench.models.build import build_segmenter
from bench.resolve import resolve
from bench.run import run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
SIZE = (64, 128)


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN's convolutions round to TF32 otherwise."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("method", ["rein", "frozen", "lora", "linear"])
def test_scores_losses_and_gradients_are_those_of_the_cpu(method: str) -> None:
    torch.manual_seed(0)
    cpu = build_segmenter(resolve(method, "eva02", sets=["weights=random"])).eval()
    with torch.no_grad():  # on a token's own level these lie in centres of cells at first, and have two gradients
        for name, parameter in cpu.named_parameters():
            if name.endswith("sampling_offsets.bias"):
                parameter += 0.1 + 0.3 * torch.rand_like(parameter)
    gpu = build_segmenter(resolve(method, "eva02", sets=["weights=random"])).eval()
    gpu.load_state_dict(cpu.state_dict())
    gpu.cuda()
    images, labels = torch.rand(2, 3, *SIZE), torch.randint(0, 19, (2, *SIZE))
    with torch.inference_mode():
        torch.testing.assert_close(gpu.logits(images.cuda()).cpu(), cpu.logits(images), atol=1e-3, rtol=1e-3)
    points = torch.rand(200, 2)
    totals = []
    for model, device in ((cpu, "cpu"), (gpu, "cuda")):
        features, queries = model._features(images.to(device))
        extra = {"points": points.to(device)} if "points" in model.head.loss.__code__.co_varnames else {}
        loss = torch.stack(list(model.head.loss(features, labels.to(device), queries, **extra).values())).sum()
        loss.backward()
        totals.append(loss.item())
    assert totals[1] == pytest.approx(totals[0], rel=1e-3)
    moved = [
        (theirs.grad.cpu() - ours.grad).norm() / ours.grad.norm().clamp(min=1e-3)
        for ours, theirs in zip(cpu.parameters(), gpu.parameters(), strict=True)
        if ours.grad is not None and theirs.grad is not None
    ]
    assert moved
    assert float(torch.stack(moved).max()) < 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_on_a_gpu(tmp_path: Path, precision: str) -> None:
    spec = small_spec()
    spec = spec.model_copy(update={"targets": spec.targets[:1], "precision": precision})
    found, same = (run(spec, results=tmp_path / device, device=device) for device in ("cuda", "cpu"))
    assert found.state == "complete"
    first, second = ([point.loss for point in result.curve] for result in (found, same))
    assert first == pytest.approx(second, rel=0.4), "points are drawn at random, by each device in its way"
    cost = found.cost
    assert isinstance(cost, RunCost)
    assert cost.memory is not None
    assert cost.memory.counted == "allocated by torch on the device"
    assert cost.training is not None
    assert cost.training.memory.peak_mb > cost.memory.model_mb
    assert not cost.failed


def test_memory_is_the_same_whatever_a_process_measured_before() -> None:
    """As in a fresh process, to what an allocator's blocks round."""

    def job(side: int) -> Job:
        spec = resolve("rein", "eva02", sets=["weights=random"])
        figures = ("memory", "training")
        return Job(spec=spec, size=(side, 2 * side), device="cuda", seconds=0.01, figures=figures)

    def peaks(report: CostReport) -> list[float]:
        assert report.memory is not None
        assert report.training is not None
        return [report.memory.peak_mb, report.training.memory.peak_mb]

    several = [peaks(report) for report in measure_all([job(128), job(64), job(128)])]
    alone = {side: peaks(profile(job(side))) for side in (64, 128)}
    for found, side in zip(several, (128, 64, 128), strict=True):
        assert found == pytest.approx(alone[side], abs=2.5)
