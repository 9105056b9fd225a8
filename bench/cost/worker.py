"""The process that measures: `python -m bench.cost.worker < jobs.jsonl`.

It writes a line of JSON as each figure begins and as each is there, so that whoever reads knows what was measured, and
at what, when the system ends it for lack of memory. On a GPU it goes on with the next job. On a CPU, or where the model
was compiled, it ends after one: what is resident, and what the compiler keeps, are those of a fresh process only once.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from pydantic import BaseModel

from bench import provenance
from bench.cost.busy import Meter, cores
from bench.cost.figures import Figure
from bench.cost.measures import MEASURES
from bench.cost.profile import DONE
from bench.cost.ready import Bench, out_of_memory, set_bench
from bench.cost.records import Job, Unavailable
from bench.errors import BenchError
from bench.models.heads.layers import forget_tables
from bench.registry import METHODS

Tell = Callable[[dict[str, Any]], None]


def work(job: Job, tell: Tell) -> bool:
    """Measure the job's figures and `tell` of each; returns whether this process is good for another job.

    Told are `load`, `cores` and `machine`, then of each figure `begin`, and `value` (of throughput several) or
    `missing`; at last `busy_elsewhere`. What fails otherwise is raised.
    """
    tell({"load": _load()})
    tell({"cores": len(cores())})
    with _reasons(tell, job.figures):
        tell({"begin": job.figures[0]})
        bench = set_bench(job)
        tell({"machine": _machine(bench).model_dump(mode="json")})
        meter = Meter()
        for figure in job.figures:
            tell({"begin": figure})
            with _reasons(tell, (figure,)):
                found = MEASURES[figure](bench)
                for value in found if isinstance(found, Iterator) else (found,):
                    tell({"figure": figure, "value": _plain(value)})
            tell({"end": figure})
        if not job.spec.compile:
            tell({"busy_elsewhere": meter.elsewhere()})
        return bench.device.type == "cuda" and not job.spec.compile
    return False  # it could not be built for lack of memory


def clear() -> None:
    """Free what a job leaves in this process, or the next one's memory would count it."""
    forget_tables()
    gc.collect()
    torch.cuda.empty_cache()


@contextlib.contextmanager
def _reasons(tell: Tell, figures: tuple[Figure, ...]) -> Iterator[None]:
    """Turn a lack of memory, or of a counter, into the reason why `figures` are missing."""
    try:
        yield
    except Unavailable as error:
        reason: str | None = str(error)
    except (RuntimeError, MemoryError) as error:
        reason = out_of_memory(error)
        if reason is None:
            raise
    else:
        return
    for figure in figures:
        tell({"figure": figure, "missing": reason})


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _machine(bench: Bench) -> Any:
    device, method = bench.device, bench.job.spec.method
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return provenance.collect(device.type, name, torch.get_num_threads(), METHODS.digest(method))


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def main() -> int:
    """Read a job from each line of stdin and measure it; what libraries print goes to stderr."""
    lines = sys.stdout

    def tell(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=lines, flush=True)

    with contextlib.redirect_stdout(sys.stderr):
        for text in sys.stdin:
            try:
                goes_on = work(Job.model_validate_json(text), tell)
            except BenchError as error:
                tell({"error": str(error)})
                break
            if not goes_on:
                break
            clear()
            tell({DONE: True})
    return 0


if __name__ == "__main__":
    sys.exit(main())
