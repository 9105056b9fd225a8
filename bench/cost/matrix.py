"""Several combinations, one after the other: what does not fit, or cannot be built, is a row like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple, cast, get_args

from bench.cost.figures import Figure
from bench.cost.profile import Worker, profile, report
from bench.cost.records import CostReport, Job
from bench.errors import UserError
from bench.observer import Observer
from bench.registry import METHODS
from bench.resolve import resolve
from bench.spec import Precision, RunSpec


class Choice(NamedTuple):
    """What the user chose: every combination of these is measured."""

    methods: Sequence[str]
    backbones: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    """Height, width in pixels; none for the crop that the protocol trains with."""
    precisions: Sequence[str]
    """None for the protocol's."""
    protocol: str = "streets"
    track: str = "native"
    sets: Sequence[str] = ()
    compile: bool = False

    def jobs(self, **load: Any) -> list[Job]:
        """A job for each combination, under this load (fields of `Job`). Raises as `resolve` does.

        What was named twice, be it by two names of one backbone, is measured once.
        """
        found: list[Job] = []
        for backbone, method, precision in product(self.backbones, self.methods, self.precisions or (None,)):
            spec = self._spec(method, backbone, precision)
            for size in self.sizes or (spec.recipe.crop,):
                if (job := Job(spec=spec, size=size, **load)) not in found:
                    found.append(job)
        return found

    def _spec(self, method: str, backbone: str, precision: str | None) -> RunSpec:
        METHODS.check(method)
        sets = [*self.sets, *(["compile=true"] if self.compile else [])]
        if METHODS.get(method).own_model is None:
            sets.append("weights=random")  # they change no cost, and need not be there
        named = (method, backbone, self.protocol, self.track, 0, cast("Precision | None", precision))
        return resolve(*named, sets=sets)


def measure_all(
    jobs: Sequence[Job], observer: Observer | None = None, each: Callable[[list[CostReport]], object] | None = None
) -> list[CostReport]:
    """Measure all jobs; `each` is called with the reports so far after every one."""
    reports: list[CostReport] = []
    with Worker() as worker:
        for job in jobs:
            try:
                reports.append(profile(job, observer, worker))
            except UserError as error:
                known: tuple[Figure, ...] = get_args(Figure)
                reports.append(report(job, {"missing": dict.fromkeys(known, f"cannot be built: {error}")}))
            if each is not None:
                each(reports)
    return reports
