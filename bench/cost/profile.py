"""From a job to its `CostReport`: figures are measured in processes whose death is a result, not a crash."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self

from bench.cost.figures import DOES_NOT_FIT, FAILED, NOT_ASKED, Figure
from bench.cost.records import ORDER, CostReport, Job
from bench.errors import UserError
from bench.observer import Observer, Silent
from bench.spec import NO_BACKBONE

WORKER = (sys.executable, "-m", "bench.cost.worker")
DONE = "done"
"""In the line of a process that has measured all it was asked, and waits for another job."""
ROOT = Path(__file__).resolve().parent.parent.parent


class Died(Exception):
    """A process that measured is dead; the message says why."""


class Worker:
    """A process that measures one job after the other. It is started when it is asked, and anew where it has ended.

    `command` is what runs, by default `bench.cost.worker`. A context, at whose end the process ends.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command or WORKER
        self._running: tuple[subprocess.Popen[str], IO[str]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, job: Job) -> Iterator[dict[str, Any]]:
        """What the process tells as it measures `job.figures`. Raises Died where it ends before it is done."""
        waited = self._running is not None
        process, errors = self._running = self._running or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        said, told = os.fstat(errors.fileno()).st_size, False
        # A process that has died already is found out where its output is read.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()
        for text in process.stdout:
            line = json.loads(text)
            if DONE in line:
                return
            told = True
            yield line
        status = process.wait()
        errors.seek(said)
        last_words = errors.read()
        self.stop()
        if waited and not told:  # it ended before it had this job
            yield from self.ask(job)
        elif status != 0:
            raise Died(_why(status, last_words))

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._running is None:
            return
        (process, errors), self._running = self._running, None
        process.kill()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # what it did not read any more
            process.stdin.close()
        with process, errors:
            pass

    def _start(self) -> tuple[subprocess.Popen[str], IO[str]]:
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 # `stop` closes it
        process = subprocess.Popen(
            self._command,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        )
        return process, errors


def profile(job: Job, observer: Observer | None = None, worker: Worker | None = None) -> CostReport:
    """Measure all figures of `job`; what cannot be had is None in the report, with the reason.

    `worker` measures, by default one of its own. Raises as `measure`.
    """
    task = f"{job.spec.method} on {job.spec.backbone}"
    return report(job, measure(job, observer or Silent(), task, worker))


def measure(job: Job, observer: Observer, task: str, worker: Worker | None = None) -> dict[str, Any]:
    """Fields of `bench.cost.figures.Measured`; where a process ends early, the next goes on with what is left.

    `task` is what the observer hears. Raises UserError, in one line, for a method that the backbone cannot carry and a
    device that is not there.
    """
    if worker is None:
        with Worker() as own:
            return measure(job, observer, task, own)
    found: dict[str, Any] = {"throughput": [], "missing": {}}
    left = [figure for figure in ORDER if asked(job, figure)]
    found["missing"].update((figure, _NOT_ASKED[figure == "training"]) for figure in ORDER if figure not in left)
    observer.start(task, len(left))
    while left:
        asking = job.model_copy(update={"figures": tuple(left), "train": False})
        try:
            for line in worker.ask(asking):
                _note(line, found)
                if "begin" in line:
                    left = left[left.index(line["begin"]) :]
                if "end" in line:
                    left = left[1:]
                    observer.advance(task)
            for figure in left:
                if figure not in found or found[figure] == []:
                    found["missing"].setdefault(figure, f"{FAILED}: the process ended without it")
            break
        except Died as death:
            if left:
                found["missing"][left[0]] = str(death)
                observer.advance(task)
            left = left[1:]
        except BaseException:
            worker.stop()  # it may have more to tell, which is no answer to the next job
            raise
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
