"""From a job to its `CostReport`: figures are measured in processes whose death is a result, not a crash."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from bench.cost.figures import DOES_NOT_FIT, FAILED, NOT_ASKED, Figure
from bench.cost.records import ORDER, CostReport, Job
from bench.errors import UserError
from bench.observer import Observer, Silent
from bench.spec import NO_BACKBONE

WORKER = (sys.executable, "-m", "bench.cost.worker")
ROOT = Path(__file__).resolve().parent.parent.parent


class Started(NamedTuple):
    """A process that builds a job's model, and measures it once it is told to."""

    process: subprocess.Popen[str]
    errors: IO[str]
    figures: tuple[Figure, ...]
    """What it measures, in order."""

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        with self.process, self.errors:
            pass


def start(job: Job, worker: Sequence[str] | None = None) -> Started:
    """Let a process build the model of `job`. `worker` is its command, by default `bench.cost.worker`."""
    figures = tuple(figure for figure in ORDER if asked(job, figure))
    errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 # closed with the process
    process = subprocess.Popen(
        worker or WORKER,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
    )
    assert process.stdin is not None
    # A process that has died already is found out where its output is read.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(job.model_copy(update={"figures": figures}).model_dump_json() + "\n")
        process.stdin.flush()
    return Started(process, errors, figures)


def profile(
    job: Job, observer: Observer | None = None, worker: Sequence[str] | None = None, started: Started | None = None
) -> CostReport:
    """Measure all figures of `job`; what cannot be had is None in the report, with the reason.

    `worker` is the command that measures, by default `bench.cost.worker`; `started` is such a process of this very job.
    Raises as `measure`.
    """
    task = f"{job.spec.method} on {job.spec.backbone}"
    return report(job, measure(job, observer or Silent(), task, worker, started))


def measure(
    job: Job, observer: Observer, task: str, worker: Sequence[str] | None = None, started: Started | None = None
) -> dict[str, Any]:
    """Fields of `bench.cost.figures.Measured`; where a process ends early, the next goes on with what is left.

    `task` is what the observer hears. Raises UserError, in one line, for a method that the backbone cannot carry and a
    device that is not there.
    """
    found: dict[str, Any] = {"throughput": [], "missing": {}}
    left = [figure for figure in ORDER if asked(job, figure)]
    found["missing"].update((figure, _NOT_ASKED[figure == "training"]) for figure in ORDER if figure not in left)
    observer.start(task, len(left))
    while left:
        asking = job.model_copy(update={"figures": tuple(left), "train": False})
        ended = _listen(started or start(asking, worker), found, lambda: observer.advance(task))
        started = None
        if ended.during:
            found["missing"][ended.during] = ended.reason
            observer.advance(task)
        left = left[left.index(ended.during) + 1 :] if ended.during else []
    observer.finish(task)
    return found | {"throughput": found["throughput"] or None}


_NOT_ASKED = (f"{NOT_ASKED} (--figure)", f"{NOT_ASKED} (--train)")


def asked(job: Job, figure: Figure) -> bool:
    """Whether a figure is wanted: one of the job's, or any where it names none, the training step on request only."""
    if figure == "training" and job.train:
        return True
    return figure in job.figures or (not job.figures and figure != "training")


def report(job: Job, found: dict[str, Any]) -> CostReport:
    """The report of a job with what was found of it, by the report's names."""
    spec = job.spec
    return CostReport.model_validate(
        {
            "method": spec.method,
            "backbone": spec.backbone,
            "protocol": spec.protocol,
            "track": spec.track.name,
            "weights": spec.weights,
            "head": spec.head,
            "method_config": spec.method_config,
            "backbone_config": {} if spec.backbone == NO_BACKBONE else spec.backbone_config,
            "size": job.size,
            "batch": job.batch,
            "precision": spec.precision,
            "compile": spec.compile,
            **found,
        }
    )


class _Ended(NamedTuple):
    """How a process went: the figure during which it died, and why; None where it did all."""

    during: Figure | None
    reason: str = ""


def _listen(started: Started, found: dict[str, Any], tick: Callable[[], None]) -> _Ended:
    """Let the process measure; puts what it tells into `found`, and calls `tick` for each figure."""
    now, process = started.figures[0], started.process
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # which tells it to measure
        for text in process.stdout:
            line = json.loads(text)
            now = line.get("begin", now)
            _note(line, found)
            if "end" in line:
                tick()
        if process.wait() == 0:
            return _Ended(None)
        started.errors.seek(0)
        return _Ended(now, _why(process.returncode, started.errors.read()))
    finally:
        started.stop()


def _environment() -> dict[str, str]:
    """This process' own, with the suite to be found from any folder: paths in a job are those of where we are."""
    known = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *([known] if known else [])])}


def _note(line: dict[str, Any], found: dict[str, Any]) -> None:
    if "error" in line:
        raise UserError(line["error"])
    for name in ("load", "cores", "machine", "busy_elsewhere"):
        if name in line:
            found.setdefault(name, line[name])
    if "missing" in line:
        found["missing"][line["figure"]] = line["missing"]
    elif line.get("figure") == "throughput":
        found["throughput"].append(line["value"])
    elif "value" in line:
        found[line["figure"]] = line["value"]


def _why(status: int, errors: str) -> str:
    """Why a process ended early. A system short of memory kills with signal 9, which a shell would report as 137."""
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return f"{DOES_NOT_FIT}: the system killed the process (signal 9)"
    last = [line for line in errors.splitlines() if line.strip()][-1:] or ["it said nothing"]
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"{FAILED}: the process ended with {how}: {' '.join(last[0].split())[:200]}"
