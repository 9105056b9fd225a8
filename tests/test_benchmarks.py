"""The benchmarks run, at a tiny size; what they compare counts the same. Times are for who runs them."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import pytest
import torch
from setuptools import find_packages

from bench.data.corruptions import NAMES
from bench.result import load_all
from methods.mmseg import library

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks.metrics, which is not installed."""
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.metrics")


with_mmseg = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in library.PACKAGES),
    reason="mmsegmentation is not installed: pip install -e '.[mmseg]'",
)


@with_mmseg
def test_counting_is_the_same_and_its_ratio_printed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metrics", "--size", "48", "70", "--repeats", "1", "--threads", "1"])
    script.main()
    text = capsys.readouterr().out
    assert "48 x 70, 19 classes, CPU, 1 threads" in text
    for line in ("confusion, uint8 ids", "confusion, int64 ids", "calibration, predictions given", "anomalies"):
        assert f"{line}: " in text
    # The equality that is asserted before anything is timed notices a difference.
    monkeypatch.setattr(script, "ours", lambda maps: script.Counts(*maps, maps.label))
    with pytest.raises(AssertionError, match="counts otherwise"):
        script.counting(48, 70, 1)


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("imagecorruptions", "skimage")),
    reason="imagecorruptions is not installed: pip install -e '.[corruptions]'",
)
def test_corruptions_are_timed_and_weighed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module("benchmarks.corruptions")
    monkeypatch.setattr("sys.argv", ["corruptions", "--size", "40x64", "--rounds", "1"])
    threads = cv2.getNumThreads()
    try:
        module.main()
    finally:
        cv2.setNumThreads(threads)
    lines = [
        line for line in capsys.readouterr().out.splitlines() if not line.startswith("ValueError")
    ]  # the package's
    assert lines[0] == "one image of 40 x 64, severity 3, CPU, 1 threads"
    assert [line.split()[0] for line in lines[2:-2]] == list(NAMES)
    for line in lines[2:-2]:
        ours, theirs, ratio, memory = map(float, line.split()[1:])
        assert min(ours, theirs, ratio) >= 0
        assert memory > 0.24  # the result alone is a quarter of the image in float32
    rows = [module.Row(name, 2.0, 30.0, 1.0) for name in ("fog", "glass_blur", "zoom_blur")]
    total, without = module.table(rows).splitlines()[-2:]
    assert total.split()[-3:] == ["4.0", "60.0", "15.0"]  # zoom_blur is none of the 16
    assert without.split()[-3:] == ["2.0", "30.0", "15.0"]


@pytest.mark.usefixtures("one_thread")
def test_corruptions_of_batches_are_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.data.corruptions.tensors import ON_DEVICE

    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module("benchmarks.corruption_batches")
    monkeypatch.setattr("sys.argv", ["corruption_batches", "--size", "40x64", "--rounds", "1", "--batch", "2"])
    threads = cv2.getNumThreads()
    try:
        module.main()
    finally:
        cv2.setNumThreads(threads)
    first, _, *lines = capsys.readouterr().out.splitlines()
    assert first == "2 images of 40 x 64 on cpu, one thread"
    assert [tuple(line.split()[:2]) for line in lines] == [(name, str(s)) for name in ON_DEVICE for s in (1, 3, 5)]
    assert all(min(map(float, line.split()[2:])) >= 0 for line in lines)


def test_reports_are_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module("benchmarks.report")
    monkeypatch.setattr("sys.argv", ["report", "--files", "12", "--repeats", "1", "--per-image"])
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None, raising=False)
    module.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["12 result files on one core", "of the processor"]
    module.make(tmp_path, 12, True)
    found = load_all(tmp_path, per_image=True)
    assert (len(found.results), found.problems) == (12, [])
    assert {(result.spec.backbone, result.spec.seed) for result in found.results} >= {("vit-0", 0), ("vit-2", 1)}


def test_benchmarks_are_not_packaged() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    found = set(find_packages(str(ROOT), include=patterns))
    assert {"bench", "bench.report"} <= found
    assert not {name for name in found if name.startswith("benchmarks")}


def test_refinement_is_the_same_and_its_ratio_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module("benchmarks.refine")
    monkeypatch.setattr("sys.argv", ["refine", "--size", "128", "--runs", "1"])
    threads = torch.get_num_threads()
    try:
        module.main()
    finally:
        torch.set_num_threads(threads)
    assert "60 components of 128 x 128" in capsys.readouterr().out


def test_a_ratio_below_its_floor_fails_whatever_the_seconds(tmp_path: Path) -> None:
    """Of three functions that take milliseconds each, only the one that is slower than its reference is at fault."""
    pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed: pip install -e '.[test]'")
    (tmp_path / "test_made_up.py").write_text(
        """
import time
import pytest

pytestmark = pytest.mark.benchmark(timer=time.process_time)

def spend(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass

@pytest.mark.parametrize(("mine", "other", "least"), [(0.002, 0.008, 2), (0.008, 0.016, 1.5), (0.004, 0.002, 1)])
def test_one(mine, other, least, compared):
    compared(lambda: spend(mine), lambda: spend(other), least, rounds=3)
"""
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "benchmarks.suite.conftest"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed" in done.stdout
    assert "times as fast as the reference, not 1" in done.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rein", "fp32: backbone"),
        ("loading", "waiting for data: "),
        pytest.param("head", "whole model, fp32", marks=with_mmseg),
        pytest.param("inference", "windows, fp32", marks=with_mmseg),
        pytest.param("training", "training step, fp32", marks=with_mmseg),
        pytest.param("floor", "training step, ours, bf16", marks=with_mmseg),
    ],
)
def test_scripts_of_speed_compare_outputs_and_print_what_they_measured(
    name: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module(f"benchmarks.{name}")
    given = ["--backbone", "eva02-mini", "--rounds", "1", "--threads", "1"]
    given += ["--iterations", "1"] if name == "loading" else ["--size", "64x128"]
    given += ["--crop", "64x64"] if name == "inference" else []
    if name == "floor":
        monkeypatch.setattr(module, "SIDE", 64)
    module.main(given)
    assert told in capsys.readouterr().out


SCRIPTS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main(" in path.read_text("utf-8"))
RUN = ("head", "inference", "training", "floor", "rein", "loading")
"""Those that build a model on a device."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_names_the_command(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(f"benchmarks.{name}").main()
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m benchmarks.{name} [-h]")


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        *((name, ["--backbone", "dinov2-smal"], "unknown backbone 'dinov2-smal'; did you mean") for name in RUN),
        *((name, ["--device", "cuda:99"], "device 'cuda:99' is not there") for name in [*RUN, "corruption_batches"]),
        ("rein", ["--device", "gpu"], "unknown device 'gpu'"),
        ("loading", ["--clock", "cpu"], "leave --clock out"),
        ("pseudo_labels", ["nosuchrun"], "nosuchrun"),
        ("precision", ["nosuchrun"], "nosuchrun"),
        ("precision", ["6942e68c829a", "--device", "gpu"], "unknown device 'gpu'"),
        ("refine", ["--size", "4"], "--size 4: "),
    ],
)
def test_mistakes_are_one_line(
    name: str, given: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(f"benchmarks.{name}").main(given)
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(f"python -m benchmarks.{name}: ")
    assert told in text
    assert text.count("\n") == 1


@with_mmseg
@pytest.mark.parametrize("what", ["a loss", "a gradient", "nothing"])
def test_training_notices_that_losses_or_gradients_differ(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.models.heads import mask2former_loss

    monkeypatch.syspath_prepend(ROOT)
    training, mmseg_model = (importlib.import_module(f"benchmarks.{name}") for name in ("training", "mmseg_model"))
    torch.manual_seed(0)
    both = mmseg_model.build(mmseg_model.specify("eva02-mini"), torch.device("cpu"))
    both.ours.train(), both.theirs.train()
    images, wanted = torch.rand(1, 3, 64, 128), training.labels(1, (64, 128))
    if what == "nothing":
        assert max(training.check(both, images, wanted)) < 1e-4
        return
    if what == "a loss":
        monkeypatch.setattr(mask2former_loss, "EPS", 1.01)
    else:  # the same losses: half of a gradient is lost
        both.ours.head.cls_embed.weight.register_hook(lambda gradient: gradient / 2)
    with pytest.raises(AssertionError, match="losses or gradients differ"):
        training.check(both, images, wanted)


def test_loading_notices_that_the_trainings_differ_and_keeps_to_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    module, mmseg_model = (importlib.import_module(f"benchmarks.{name}") for name in ("loading", "mmseg_model"))
    from bench.data.for_run import open_for
    from bench.data.stream import TrainStream

    spec = mmseg_model.specify("eva02-mini", "linear", ["recipe.batch_size=1"])
    source = open_for(spec, None).source
    assert source is not None
    stream = TrainStream(source, spec.recipe, 0)
    both = module.Both(module.trainer(spec, "cpu"), module.trainer(spec, "cpu"))
    module.check(both, stream, 1)
    turns: list[str] = []
    for name in ("fed", "at_hand"):
        loop = getattr(both, name)
        step = loop.step
        monkeypatch.setattr(loop, "step", lambda batch, name=name, step=step: turns.append(name) or step(batch))
    rounds = module.measure(both, stream, argparse.Namespace(rounds=3, iterations=1), 1)
    assert turns == ["fed", "fed", "at_hand", "at_hand", "fed", "fed", "fed", "fed", "at_hand"]
    assert [(len(one.waiting), len(one.stepping), len(one.without)) for one in rounds] == [(1, 1, 1)] * 3
    with pytest.raises(AssertionError, match="losses differ"):  # the one has done more steps
        module.check(both, stream, 1)
    other = TrainStream(source, spec.recipe, 1)
    monkeypatch.setattr(stream, "batches", other.batches)
    with pytest.raises(AssertionError, match="images are not those"):
        module.check(both, stream, 1)
    source.cancel()
