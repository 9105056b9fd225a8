"""Figures are measured in processes of their own: what becomes of one that dies, and of what it has told before."""

from __future__ import annotations

import gc
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_profile_cost import FIGURES, a_job

from bench.cost import matrix, worker
from bench.cost.figures import DOES_NOT_FIT
from bench.cost.profile import Worker, profile
from bench.cost.records import CostReport, Job
from bench.errors import UserError
from bench.observer import Silent


def script(tmp_path: Path, body: str) -> Worker:
    """A worker of a few lines in place of the real one; it has the figures it is asked for in `asked`."""
    path = tmp_path / "worker.py"
    head = "import json, os, signal, sys\nasked = json.loads(sys.stdin.readline())['figures']\n"
    tell = "def tell(**line):\n    print(json.dumps(line), flush=True)\n"
    path.write_text(head + tell + body, encoding="utf-8")
    return Worker((sys.executable, str(path)))


def test_a_process_that_the_system_kills_is_a_result(tmp_path: Path) -> None:
    body = (
        "for figure in asked:\n"
        "    tell(begin=figure)\n"
        "    if figure in ('latency', 'memory'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    tell(figure=figure, **({'value': 1.5} if figure == 'gflops' else {'missing': 'none here'}))\n"
        "    tell(end=figure)\n"
    )
    found = profile(a_job(train=True), worker=script(tmp_path, body))
    killed = f"{DOES_NOT_FIT}: the system killed the process (signal 9)"
    assert (found.missing["latency"], found.missing["memory"]) == (killed, killed)
    assert found.gflops == 1.5, "what was there before is kept"
    assert found.missing["throughput"] == "none here", "what comes after is measured in another process"
    assert not found.failed


def test_a_process_that_fails_otherwise_says_how(tmp_path: Path) -> None:
    body = (
        "for figure in asked:\n"
        "    tell(begin=figure)\n"
        "    if figure == 'training':\n"
        "        raise ValueError('two  words')\n"
    )
    found = profile(a_job(train=True), worker=script(tmp_path, body))
    assert found.missing["training"] == "failed: the process ended with status 1: ValueError: two words"
    assert found.failed


def test_each_figure_that_ends_is_told(tmp_path: Path) -> None:
    class Counting(Silent):
        steps = 0

        def start(self, task: str, total: int, done: int = 0) -> None:
            self.total = total

        def advance(self, task: str, steps: int = 1, note: str = "") -> None:
            self.steps += steps

    body = (
        "for figure in asked:\n"
        "    tell(begin=figure)\n"
        "    if figure == 'latency':\n"
        "        sys.exit(1)\n"
        "    tell(end=figure)\n"
    )
    observer = Counting()
    profile(a_job(), observer, script(tmp_path, body))
    assert observer.steps == observer.total == len(FIGURES) - 1, "all but the training step"


def test_only_what_is_asked_for_is_measured(tmp_path: Path) -> None:
    body = "for figure in asked:\n    tell(figure=figure, value=2.5 if figure == 'gflops' else None)\n"
    found = profile(a_job(figures=("gflops", "memory")), worker=script(tmp_path, body))
    assert found.gflops == 2.5
    assert set(found.missing) == set(FIGURES) - {"gflops", "memory"}
    assert found.missing["latency"] == "not asked for (--figure)"
    assert found.missing["training"] == "not asked for (--train)"


def test_a_mistake_of_the_user_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no attention here$"):
        profile(a_job(), worker=script(tmp_path, "tell(error='no attention here')"))


def test_in_a_matrix_what_cannot_be_built_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "Worker", lambda: script(tmp_path, "tell(error='no attention here')"))
    lengths: list[int] = []
    reports = matrix.measure_all([a_job(), a_job("full")], each=lambda so_far: lengths.append(len(so_far)))
    assert lengths == [1, 2]
    assert [set(report.missing) for report in reports] == [set(FIGURES)] * 2
    assert reports[1].missing["latency"] == "cannot be built: no attention here"


DONE = "print(json.dumps({'done': True}), flush=True)"


def matrix_of_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, third: str, end: str, job: Callable[..., Job] = a_job
) -> list[CostReport]:
    """Four jobs by workers that do `third` for the third, and `end` after each; `load` is the process' number."""
    path = tmp_path / "worker.py"
    path.write_text(
        "import json, os, sys\n"
        "for text in sys.stdin:\n"
        "    job = json.loads(text)\n"
        "    print(json.dumps({'begin': 'gflops'}), flush=True)\n"
        f"    if job['batch'] == 3:\n        {third}\n"
        "    print(json.dumps({'load': os.getpid()}))\n"
        "    print(json.dumps({'figure': 'gflops', 'value': job['batch']}))\n"
        "    print(json.dumps({'end': 'gflops'}), flush=True)\n"
        f"    {end}\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(matrix, "Worker", lambda: Worker((sys.executable, str(path))))
    return matrix.measure_all([job(batch=number, figures=("gflops",)) for number in (1, 2, 3, 4)])


def test_a_process_that_waits_for_more_measures_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = matrix_of_four(tmp_path, monkeypatch, "pass", DONE)
    assert [report.gflops for report in found] == [1, 2, 3, 4]
    assert len({report.load for report in found}) == 1


@pytest.mark.parametrize(
    "end", ["break", "sys.exit(3)", DONE + "; break", DONE + "; sys.exit(3)", DONE + "; os._exit(3)"]
)
@pytest.mark.parametrize("targets", [1, 24])
def test_one_that_ends_or_dies_while_it_waits_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, targets: int
) -> None:
    """The job is no part of why, whether or not it fits into the buffer of the pipe it is written to."""

    def job(**fields: Any) -> Job:
        made = a_job(**fields)
        return made.model_copy(update={"spec": made.spec.model_copy(update={"targets": made.spec.targets[:targets]})})

    found = matrix_of_four(tmp_path, monkeypatch, "pass", end, job)
    assert [report.gflops for report in found] == [1, 2, 3, 4]
    assert len({report.load for report in found}) == 4
    assert not any(report.failed for report in found)


def test_a_process_that_ends_without_an_answer_leaves_a_reason(tmp_path: Path) -> None:
    found = profile(a_job(figures=("gflops", "throughput")), worker=script(tmp_path, "tell(load=1.0)"))
    assert found.missing["gflops"] == found.missing["throughput"] == "failed: the process ended without it"
    assert found.failed


def test_what_was_said_of_one_job_is_no_reason_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    third = "os.abort() if job['batch'] == 3 else None"
    warned = "print('warning of this job', file=sys.stderr, flush=True); " + DONE
    (third_report,) = [report for report in matrix_of_four(tmp_path, monkeypatch, third, warned) if report.failed]
    assert third_report.batch == 3
    assert third_report.missing["gflops"] == "failed: the process ended with signal 6: it said nothing"


@pytest.mark.parametrize(
    "third",
    [
        "os.kill(os.getpid(), 9)",
        "print(json.dumps({'error': 'not this'})); print(json.dumps({'load': 7}), flush=True); " + DONE + "; continue",
    ],
)
def test_one_that_dies_or_has_no_answer_takes_no_other_job_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, third: str
) -> None:
    found = matrix_of_four(tmp_path, monkeypatch, third, DONE)
    assert [report.gflops for report in found] == [1, 2, None, 4]
    assert found[0].load == found[1].load != found[3].load


def test_a_worker_that_is_good_for_another_job_clears_up_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "".join(a_job(batch=number).model_dump_json() + "\n" for number in (1, 2, 3))
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
    monkeypatch.setattr(sys, "stdout", told := io.StringIO())
    monkeypatch.setattr(worker, "work", lambda job, tell: tell({"load": job.batch}) or job.batch < 3)
    cleared: list[int] = []
    monkeypatch.setattr(worker, "clear", lambda: cleared.append(len(told.getvalue().splitlines())))
    assert worker.main() == 0
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert lines == [{"load": 1}, {"done": True}, {"load": 2}, {"done": True}, {"load": 3}]
    assert cleared == [1, 3], "before it says so"


def test_on_a_cpu_every_job_has_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "".join(a_job(figures=("parameters",), batch=number).model_dump_json() + "\n" for number in (1, 2))
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
    monkeypatch.setattr(sys, "stdout", told := io.StringIO())
    assert worker.main() == 0
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert sum("value" in line for line in lines) == 1
    assert not any("done" in line for line in lines)


def tensors_alive() -> int:
    return sum(thing.untyped_storage().nbytes() for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor))


@pytest.mark.parametrize("method", ["rein", "full"])
def test_a_job_leaves_no_tensor_behind(method: str) -> None:
    """Where a process measures several, the memory of each would count what those before have left."""
    asked = {"figures": ("memory", "training", "latency", "throughput"), "seconds": 1e-3}
    worker.work(a_job(method, **asked), lambda line: None)
    worker.clear()
    before = tensors_alive()
    worker.work(a_job(method, size=(128, 128), **asked), lambda line: None)
    worker.clear()
    assert tensors_alive() == before
