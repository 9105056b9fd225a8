"""The cost part of a run: the figures of `profile`, timed for less long."""

from __future__ import annotations

import logging
from pathlib import Path

from bench.cost.busy import warning
from bench.cost.figures import FAILED, Figure, Parameters, RunCost
from bench.cost.profile import measure
from bench.cost.records import Job
from bench.errors import UserError
from bench.observer import Observer
from bench.spec import NO_BACKBONE, RunSpec

TASK = "profile"
SECONDS = 1.0
"""Of timing, for each figure."""
FIGURES: tuple[Figure, ...] = ("memory", "training", "gflops", "latency", "clocks", "energy", "throughput")


def cost_of_run(
    spec: RunSpec,
    parameters: Parameters,
    observer: Observer,
    *,
    device: str,
    threads: int | None = None,
    weights: Path | None = None,
) -> RunCost:
    """What the model of `spec` costs, in a process of its own: no lack of memory there ends the run.

    `device` is the run's, with its number; `weights` as of `build_segmenter`. What cannot be had is missing from the
    record, with the reason; what failed is a warning, too, and so is other work on the machine.
    """
    own_model, size = spec.backbone == NO_BACKBONE, spec.recipe.crop
    job = Job(
        spec=spec if own_model else spec.model_copy(update={"weights": "random"}),  # they change no cost
        size=size,
        train_batch=spec.recipe.batch_size,
        device=device,
        seconds=SECONDS,
        figures=tuple(figure for figure in FIGURES if figure != "training" or spec.checkpoint is None),
        weights=weights and weights.resolve(),
        threads=threads,
    )
    try:
        found = measure(job, observer, TASK)
    except UserError as error:  # a model that was just trained and scored could not be built again
        found = {"missing": dict.fromkeys(job.figures, f"{FAILED}: {error}")}
    missing = {figure: reason for figure, reason in found["missing"].items() if figure in FIGURES}
    if spec.checkpoint is not None:
        missing["training"] = "imported, not trained here"
    told = {name: value for name, value in found.items() if name in RunCost.model_fields}
    known = {"parameters": parameters, "size": size, "train_batch": spec.recipe.batch_size, "seconds": SECONDS}
    cost = RunCost.model_validate(told | known | {"missing": missing})
    if cost.failed:
        logging.getLogger(__name__).warning("not every cost could be measured: %s", cost.missing)
    # Where the system does not tell, the load of the minute before says nothing: it is our own training's.
    if cost.busy_elsewhere is not None and (busy := warning([cost])) is not None:
        logging.getLogger(__name__).warning("while the cost was measured %s", busy)
    return cost
