"""Figures are measured in processes of their own: what becomes of one that dies, and of what it has told before."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from test_profile_cost import FIGURES, a_job

from bench.cost.figures import DOES_NOT_FIT
from bench.cost.matrix import measure_all
from bench.cost.profile import profile
from bench.errors import UserError
from bench.observer import Silent


def script(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A worker of a few lines in place of the real one; it has the figures it is asked for in `asked`."""
    path = tmp_path / "worker.py"
    head = "import json, os, signal, sys\nasked = json.loads(sys.stdin.read())['figures']\n"
    tell = "def tell(**line):\n    print(json.dumps(line), flush=True)\n"
    path.write_text(head + tell + body, encoding="utf-8")
    return (sys.executable, str(path))


def test_a_process_that_the_system_kills_is_a_result(tmp_path: Path) -> None:
    body = (
        "for figure in asked:\n"
        "    tell(begin=figure)\n"
        "    if figure in ('latency', 'memory'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    if figure == 'gflops':\n"
        "        tell(figure=figure, value=1.5)\n"
    )
    found = profile(a_job(train=True), worker=script(tmp_path, body))
    killed = f"{DOES_NOT_FIT}: the system killed the process (signal 9)"
    assert (found.missing["latency"], found.missing["memory"]) == (killed, killed)
    assert found.gflops == 1.5, "what was there before is kept"
    assert "throughput" not in found.missing, "what comes after is measured in another process"
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
    mine = script(tmp_path, "tell(error='no attention here')")
    monkeypatch.setattr("bench.cost.profile.WORKER", mine)
    lengths: list[int] = []
    reports = measure_all([a_job(), a_job("full")], each=lambda so_far: lengths.append(len(so_far)))
    assert lengths == [1, 2]
    assert [set(report.missing) for report in reports] == [set(FIGURES)] * 2
    assert reports[1].missing["latency"] == "cannot be built: no attention here"


def test_for_a_gpu_models_are_built_while_one_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first waits at its turn until it hears of three others, each says when it is its turn."""
    built, order = tmp_path / "built", tmp_path / "order"
    os.mkfifo(built)
    body = (
        "import json, signal, sys\n"
        "signal.alarm(60)  # rather than to wait for ever\n"
        "job = json.loads(sys.stdin.readline())\n"
        f"first, order = job['batch'] == 1, {str(order)!r}\n"
        "if not first:\n"
        f"    open({str(built)!r}, 'w').write('x')\n"
        "sys.stdin.read()\n"
        "if first:\n"
        "    heard = ''\n"
        "    while len(heard) < 3:\n"
        f"        heard += open({str(built)!r}).read()\n"
        "with open(order, 'a') as file:\n"
        "    file.write(str(job['batch']))\n"
        "print(json.dumps({'figure': 'gflops', 'value': job['batch']}), flush=True)\n"
    )
    worker = tmp_path / "worker.py"
    worker.write_text(body, encoding="utf-8")
    monkeypatch.setattr("bench.cost.profile.WORKER", (sys.executable, str(worker)))
    jobs = [a_job(batch=number, device="cuda", figures=("gflops",)) for number in (1, 2, 3, 4)]
    assert [report.gflops for report in measure_all(jobs)] == [1, 2, 3, 4]
    assert order.read_text(encoding="utf-8") == "1234"
