"""RunSpec -> RunResult: killed and resumed, skipped, refused, made again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killed_run import small_spec

from bench import run as running
from bench.checkpoint import read_progress
from bench.cost.figures import RunCost
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.observer import Silent
from bench.per_image import read_per_image
from bench.result import RunResult, read_result, result_path, unfinished
from bench.run import make_fabric, run
from bench.trained import weights_path

SCRIPT = Path(__file__).with_name("killed_run.py")


def start(*arguments: object) -> subprocess.Popen[str]:
    root = str(SCRIPT.parents[1])
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=root)


def finish(process: subprocess.Popen[str], code: int) -> None:
    _, error = process.communicate(timeout=240)
    assert process.returncode == code, error[-2000:]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of an uninterrupted run."""
    results = tmp_path_factory.mktemp("reference")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    run(small_spec(), results=results, device="cpu")
    torch.set_num_threads(before)
    return results


def numbers(result: RunResult) -> dict[str, Any]:
    """What must not depend on interruptions."""
    targets = {name: (one.confusion.tolist(), one.images, one.file_list_hash) for name, one in result.targets.items()}
    return {"targets": targets, "curve": result.curve, "spec": result.spec_hash, "state": result.state}


def test_killed_in_training_and_in_evaluation_gives_the_same_numbers(reference: Path, tmp_path: Path) -> None:
    spec = small_spec()
    path = result_path(spec, tmp_path)
    finish(start(tmp_path, "train", 3), -signal.SIGKILL)
    assert not path.exists()
    assert weights_path(spec, tmp_path).exists()  # of step 2 at least
    finish(start(tmp_path, "weather-rain", 1), -signal.SIGKILL)
    partial = read_result(path)
    assert (partial.state, list(partial.targets)) == ("partial", ["source"])
    finish(start(tmp_path), 0)
    resumed, whole = read_result(path), read_result(result_path(spec, reference))
    assert numbers(resumed) == numbers(whole)
    assert resumed.targets["source"] == partial.targets["source"]  # not done twice
    assert resumed.seconds.total > partial.seconds.total > partial.seconds.train > 0
    expected = read_per_image(result_path(spec, reference), whole)
    for name, counts in read_per_image(path, resumed).items():
        np.testing.assert_array_equal(counts, expected[name])
    weights = weights_path(spec, tmp_path), weights_path(spec, reference)
    assert states(weights[0]) == states(weights[1])


def states(path: Path) -> dict[str, bytes]:
    from safetensors.torch import load_file

    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


def test_result_is_complete_and_consistent(reference: Path) -> None:
    spec = small_spec()
    result = read_result(result_path(spec, reference))
    assert result.state == "complete"
    assert {name: target.images for name, target in result.targets.items()} == {
        "source": 3,
        "weather-rain": 2,
        "shot_noise": 2,
    }
    labelled = result.targets["source"].confusion.sum()
    assert 0.9 * 3 * 128 * 256 < labelled <= 3 * 128 * 256
    assert len(result.curve) == 5
    cost = result.cost
    assert isinstance(cost, RunCost)
    assert 0 < cost.parameters.trainable < cost.parameters.total
    assert set(cost.missing) <= {"energy", "clocks"}, "what this machine cannot tell"
    assert (cost.size, cost.train_batch) == ((64, 128), 1)
    assert cost.memory is not None
    assert cost.training is not None
    assert cost.memory.model_mb < cost.memory.peak_mb < cost.training.memory.peak_mb
    assert cost.memory.counted == "resident set, most since before the first prediction", "in a process of its own"
    seconds = result.seconds
    assert seconds.train + seconds.evaluate + seconds.profile <= seconds.total


def test_a_complete_result_is_skipped_refused_or_made_again(
    reference: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = small_spec()
    path = result_path(spec, reference)
    before = path.read_bytes()

    def no_training(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(running, "train", no_training)
    assert run(spec, results=reference, device="cpu") == read_result(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"nothing was trained or scored: {path} was there already; `run` with --on-existing rerun trains again"
    ]
    caplog.clear()
    with monkeypatch.context() as patch:
        patch.setattr(running.METHODS, "digest", lambda name: "0" * 16)
        run(spec, results=reference, device="cpu")
    assert "the code of method rein has changed" in caplog.records[0].getMessage()
    with pytest.raises(UserError, match="there is a result already"):
        run(spec, results=reference, device="cpu", on_existing="error")
    assert path.read_bytes() == before
    kept = weights_path(spec, reference).read_bytes()
    with pytest.raises(AssertionError, match="training began"):
        run(spec, results=reference, device="cpu", on_existing="rerun")
    assert not weights_path(spec, reference).exists()
    weights_path(spec, reference).write_bytes(kept)


class InterruptAt(Silent):
    """Raises SIGINT in this process once `task` has done `steps`."""

    def __init__(self, task: str, steps: int) -> None:
        self.task, self.steps = task, steps

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        self.steps -= steps * (task == self.task)
        if self.steps == 0:
            self.steps = -1
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_rerun_goes_on(reference: Path, tmp_path: Path) -> None:
    spec = small_spec()
    results = tmp_path / "results"
    shutil.copytree(reference, results)
    before = read_result(result_path(spec, results))
    for task, steps in (("train", 3), ("weather-rain", 2)):
        with pytest.raises(KeyboardInterrupt):
            run(spec, results=results, device="cpu", on_existing="rerun", observer=InterruptAt(task, steps))
    partial = read_result(result_path(spec, results))
    assert (partial.state, list(partial.targets)) == ("partial", ["source"])
    assert read_progress(weights_path(spec, results)).step == 5
    done = run(spec, results=results, device="cpu", on_existing="rerun")
    assert done.targets["source"] == partial.targets["source"]
    assert done.seconds.train == partial.seconds.train
    assert {name: one.images for name, one in done.targets.items()} == {
        name: one.images for name, one in before.targets.items()
    }


def test_a_damaged_result_is_never_overwritten(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec()
    path = result_path(spec, tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("{ half a fi")
    with pytest.raises(DamagedFile, match="--on-existing rerun"):
        run(spec, results=tmp_path, device="cpu")
    assert path.read_text() == "{ half a fi"
    weights = weights_path(spec, tmp_path)
    weights.parent.mkdir(parents=True)
    weights.write_bytes(weights_path(spec, reference).read_bytes())
    done = run(spec, results=tmp_path, device="cpu", on_existing="rerun")
    assert done.state == "complete"
    assert path.with_name(path.name + ".damaged").read_text() == "{ half a fi"


def test_results_of_other_weights_are_not_kept(reference: Path, tmp_path: Path) -> None:
    """A partial result whose weights are gone is evaluated anew after training anew."""
    spec = small_spec()
    whole = json.loads(result_path(spec, reference).read_text())
    whole |= {"state": "partial", "cost": None}
    whole["targets"]["source"]["seconds"] = 12345.0
    path = result_path(spec, tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(whole))
    done = run(spec, results=tmp_path, device="cpu")
    assert done.targets["source"].seconds < 12345


def test_mistakes_are_told_before_anything_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise AssertionError("a model was built")

    monkeypatch.setattr(running, "build_segmenter", slow)
    spec = small_spec()
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="cannot write results"):
        run(spec, results=tmp_path / "file" / "results")
    source, *rest = spec.targets
    many = spec.model_copy(update={"targets": (source.model_copy(update={"images": 101}), *rest)})
    with pytest.raises(UserError, match="target source wants 101 images"):
        run(many, results=tmp_path)
    stale = spec.model_copy(update={"data": spec.data | {spec.sources[0].dataset: "0" * 16}})
    with pytest.raises(UserError, match="has changed"):
        run(stale, results=tmp_path)
    for device in ("gpu", "cuda:x", "cpu:0", f"cuda:{torch.cuda.device_count()}"):
        with pytest.raises(UserError, match="device"):
            run(spec, results=tmp_path, device=device)
    assert unfinished(tmp_path) == []  # none of these began


def test_bf16_and_compile_choices_reach_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []

    class Stop(Exception):
        pass

    def stop(segmenter: Any, *_: object, fabric: Any, **__: object) -> None:
        with fabric.autocast():
            seen.append(str((torch.ones(2, 2) @ torch.ones(2, 2)).dtype))
        seen.append(str(segmenter.backbone._compiled_call_impl is not None))
        raise Stop

    monkeypatch.setattr(running, "train", stop)
    for update in ({"precision": "bf16", "compile": True}, {}):
        with pytest.raises(Stop):
            run(small_spec().model_copy(update=update), results=tmp_path, device="cpu", observer=Silent())
    assert seen == ["torch.bfloat16", "True", "torch.float32", "False"]
    assert make_fabric("auto", "fp32").device.type == ("cuda" if torch.cuda.is_available() else "cpu")
