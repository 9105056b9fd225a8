"""The same weights in fp32 and bf16."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from killed_run import small_spec

from bench.api import Segmenter
from bench.metrics import miou
from bench.run import run

ROOT = Path(__file__).resolve().parent.parent


def test_in_fp32_a_runs_weights_score_what_the_run_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    result = run(small_spec(), results=tmp_path, device="cpu")
    script, halves = importlib.import_module("benchmarks.precision"), []
    own = script.load_trained

    def watched(*given: object) -> Segmenter:
        segmenter = own(*given)
        segmenter.backbone.register_forward_hook(lambda *_: halves.append(torch.is_autocast_enabled("cpu")))
        return segmenter

    monkeypatch.setattr(script, "load_trained", watched)
    script.main([result.spec_hash[:12], "--results", str(tmp_path), "--threads", "1"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    scored = {name: f"{100 * miou(target.confusion):.2f}" for name, target in result.targets.items()}
    assert {name: fp32 for name, _, fp32, _ in rows} == scored
    assert [int(images) for _, images, *_ in rows] == [target.images for target in result.targets.values()]
    assert all(0 < float(bf16) < 100 for *_, bf16 in rows)
    assert 2 * sum(halves) == len(halves) > 0, "as many passes in half precision as in full"
