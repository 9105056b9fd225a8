"""bf16 and torch.compile, from the specification to the scores, on a CPU."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine import tiny_segmenter
from killed_run import small_spec
from safetensors.torch import load_file

from bench import run as running
from bench.compiled import compile_backbone
from bench.cost import ready
from bench.cost.figures import RunCost
from bench.errors import PrerequisiteError
from bench.models.build import build_segmenter
from bench.resolve import resolve
from bench.result import RunResult
from bench.run import run
from bench.spec import spec_hash
from bench.trained import weights_path

COMPILER = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")


def finished(results: Path, **fields: Any) -> RunResult:
    """A run of five steps, scored on three images of the source."""
    spec = small_spec()
    return run(spec.model_copy(update={"targets": spec.targets[:1], **fields}), results=results, device="cpu")


def losses(result: RunResult) -> list[float]:
    return [point.loss for point in result.curve]


def pixels(result: RunResult) -> np.ndarray[Any, Any]:
    return result.targets["source"].confusion


@pytest.mark.usefixtures("one_thread")
def test_bf16_trains_and_scores_nearly_as_fp32(tmp_path: Path) -> None:
    plain, half = finished(tmp_path), finished(tmp_path, precision="bf16")
    assert half.state == "complete"
    assert losses(half) != losses(plain), "it was computed in another precision"
    np.testing.assert_allclose(losses(half), losses(plain), rtol=0.05)
    nll = [result.targets["source"].reliability.nll_sum for result in (half, plain)]
    assert nll[0] != nll[1], "it was scored in another precision"
    assert nll[0] == pytest.approx(nll[1], rel=0.05)
    np.testing.assert_array_equal(pixels(half).sum(1), pixels(plain).sum(1))  # the same pixels were labelled
    kept = load_file(weights_path(half.spec, tmp_path))
    assert {tensor.dtype for tensor in kept.values() if tensor.is_floating_point()} == {torch.float32}
    assert half.settings["precision"] == "bf16"
    assert isinstance(half.cost, RunCost)
    assert half.cost.gflops == plain.cost.row()["gflops"]


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason="torch compiles for a CPU with a C++ compiler")
@pytest.mark.usefixtures("one_thread")
def test_a_compiled_run_scores_as_a_plain_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "build_segmenter", lambda *_: tiny_segmenter())
    monkeypatch.setattr(ready, "build_segmenter", lambda *_: tiny_segmenter())
    torch.compiler.reset()
    plain = finished(tmp_path)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    compiled = finished(tmp_path, compile=True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > graphs
    np.testing.assert_allclose(losses(compiled), losses(plain), rtol=1e-3)
    moved = np.abs(pixels(compiled) - pixels(plain)).sum() / pixels(plain).sum()
    assert moved < 0.01
    assert isinstance(compiled.cost, RunCost)
    assert set(compiled.cost.missing) <= {"energy", "clocks"}


def test_without_a_compiler_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(PrerequisiteError, match="torch calls no-such-compiler, which is not here"):
        compile_backbone(tiny_segmenter(), torch.device("cpu"))


def test_what_can_change_a_score_is_in_the_identity_and_the_default_is_what_it_was() -> None:
    plain = resolve("rein", "eva02")
    assert spec_hash(plain)[:12] == "6942e68c829a"
    assert spec_hash(resolve("rein", "eva02", precision="fp32")) == spec_hash(plain)
    assert spec_hash(resolve("rein", "eva02", sets=["compile=false"])) == spec_hash(plain)
    others = [resolve("rein", "eva02", precision="bf16"), resolve("rein", "eva02", sets=["compile=true"])]
    assert len({spec_hash(spec) for spec in [plain, *others]}) == 3


@pytest.mark.usefixtures("one_thread")
def test_a_compiled_backbone_trains_after_it_has_predicted() -> None:
    """As when the cost of a run is measured: rotary tables of the prediction are no good for gradients."""
    segmenter = build_segmenter(resolve("rein", "eva02", sets=["weights=random"])).eval()
    segmenter.backbone.compile(backend="aot_eager", dynamic=False)
    images = torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        segmenter.backbone(images, segmenter.adapter)
    maps = segmenter.train().backbone(images, segmenter.adapter)
    torch.stack([found.sum() for found in maps]).sum().backward()
    assert segmenter.adapter is not None
    assert all(
        parameter.grad is not None for name, parameter in segmenter.adapter.named_parameters() if "tokens" in name
    )
