"""Other work on the machine is seen, told and warned of; our own is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_profile_cost import a_job

from bench import cli
from bench.cost import busy, of_run
from bench.cost.figures import RunCost
from bench.cost.profile import report
from bench.cost.records import CostReport
from bench.cost.worker import work
from bench.observer import Silent
from bench.result import RunResult

TIMES = {"median_ms": 4.0, "p25_ms": 3.5, "p75_ms": 5.0, "p95_ms": 9.0, "runs": 20, "warm_up": 3}
STAT = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 {user} 10 200 5000 70 3 2 40 0 0
cpu1 {others} 0 0 9 0 0 0 0 0 0
cpu2 5 0 0 9 0 0 0 0 0 0
intr 1
"""


def compute(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def a_report(load: float | None = None, elsewhere: float | None = None, cores: int | None = 2) -> CostReport:
    return report(a_job(), {"latency": TIMES, "load": load, "busy_elsewhere": elsewhere, "cores": cores})


def test_what_others_computed_is_what_is_not_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 s on the wall; cores 0 and 2 were busy for 3 s (user 2.5 more, and stolen time 0.5), 1 s of it ours."""
    stat, clock, own = tmp_path / "stat", [100.0], [7.0]
    monkeypatch.setattr(busy, "_STAT", stat)
    monkeypatch.setattr(busy, "_own", lambda: own[0])
    monkeypatch.setattr(busy.os, "sysconf", lambda name: 100)
    monkeypatch.setattr(busy.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(busy, "cores", lambda: frozenset({0, 2}))
    stat.write_text(STAT.format(user=1000, others=0))
    meter = busy.Meter()
    stat.write_text(STAT.format(user=1250, others=190).replace(" 40 0 0", " 90 0 0").replace("5000 70", "5100 90"))
    clock[0], own[0] = 102.0, 8.0
    assert meter.elsewhere() == pytest.approx(1.0)
    own[0] = 20.0
    assert meter.elsewhere() == 0, "never less than nothing"
    stat.write_text("nothing of the kind")
    assert meter.elsewhere() is None


@pytest.mark.skipif(not busy._STAT.exists(), reason="the system does not tell")
def test_our_own_work_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = busy.Meter()
    compute(0.4)
    found, spent = meter.elsewhere(), time.monotonic() - meter._began[0]
    monkeypatch.setattr(busy, "_own", lambda: meter._began[2])
    everything = meter.elsewhere()
    assert found is not None
    assert everything is not None
    assert everything - found > 0.2 / spent


@pytest.mark.skipif(not busy._STAT.exists(), reason="the system does not tell")
def test_a_process_beside_us_is_seen() -> None:
    meter = busy.Meter()
    script = "import time\nwhile time.process_time() < 60: pass"
    with subprocess.Popen([sys.executable, "-c", script]) as other:
        compute(0.4)
        during, spent = meter.elsewhere(), time.monotonic() - meter._began[0]
        other.kill()
    assert during is not None
    # Whatever else runs here; a process that had a core, or a part of it, took that much of the time.
    assert during > 0.1 * min(1.0, 0.4 / spent)


def test_the_worker_tells() -> None:
    def told(**fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        work(a_job(figures=("parameters",), **fields), found.update)
        return found

    found = told()
    assert found["cores"] == len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count()))
    assert (found["busy_elsewhere"] is None) == (not busy._STAT.exists())


def test_more_than_a_tenth_of_the_cores_is_a_warning() -> None:
    assert busy.warning([a_report(load=9.0, elsewhere=0.19)]) is None, "that load was before"
    line = "other work took 0.5 of 2 cores: times are too long; measure again on an idle machine"
    assert busy.warning([a_report(elsewhere=0.5)]) == line
    assert busy.warning([a_report(load=0.5)]) == line, "where nothing tells of others, the load stands for them"
    assert busy.warning([a_report(load=0.1), a_report(load=2.0)]) is None, "which then was our own"
    several = busy.warning([a_report(elsewhere=0.5), a_report(elsewhere=1.5), a_report(elsewhere=0.1)])
    assert several is not None
    assert "took up to 1.5 of 2 cores in 2 of 3 measurements" in several
    assert busy.warning([a_report(elsewhere=0.5, cores=16)]) is None
    counted = report(a_job(), {"gflops": 1.0, "busy_elsewhere": 1.9, "cores": 2})
    assert busy.warning([counted]) is None, "what is counted does not mind"


@pytest.mark.parametrize(("elsewhere", "load", "warned"), [(0.5, 0.0, True), (0.1, 9.0, False), (None, 9.0, False)])
def test_a_run_keeps_how_busy_the_machine_was_and_warns(
    elsewhere: float | None,
    load: float,
    warned: bool,
    make_result: Callable[..., RunResult],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = dict(a_report()) | {"busy_elsewhere": elsewhere, "cores": 2, "load": load}
    monkeypatch.setattr(of_run, "measure", lambda *_: told)
    made = make_result()
    assert isinstance(made.cost, RunCost)
    cost = of_run.cost_of_run(made.spec, made.cost.parameters, Silent(), device="cpu")
    assert (cost.busy_elsewhere, cost.cores) == (elsewhere, 2)
    assert cost.latency is not None
    assert ("other work took 0.5 of 2 cores" in caplog.text) == warned


def test_the_warning_is_on_stderr_whatever_the_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.cost.profile.profile", lambda job, observer: a_report(elsewhere=1.9))
    for options in ([], ["--json"], ["--markdown"]):
        assert (
            cli.main(["profile", "--method", "rein", "--backbone", "eva02", "--device", "cpu", "--quiet", *options])
            == 0
        )
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert line.startswith("warning: other work took 1.9 of 2 cores")
        assert "warning" not in captured.out
