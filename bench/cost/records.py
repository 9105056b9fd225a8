"""Records of the verb `profile`: what is to be measured, and what was. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bench.cost.figures import Figure, Measured
from bench.result import Provenance
from bench.spec import Frozen, HeadConfig, Positive, RunSpec

ORDER: tuple[Figure, ...] = (
    *("memory", "training"),
    *("parameters", "gflops", "latency", "clocks", "energy", "throughput"),
)
"""In which figures are measured, in one process as long as it lives: memory on a CPU is that of a fresh one."""


class Unavailable(Exception):
    """A figure that this machine cannot tell; the message says why."""


class Job(Frozen):
    """One combination to be measured: a run's spec (its targets and seed change nothing), and at what load."""

    spec: RunSpec
    size: tuple[Positive, Positive]
    """Height, width in pixels of the images, which are predicted whole."""
    batch: Positive = 1
    """Images at once, in a prediction and, unless `train_batch` is given, in a training step."""
    train_batch: Positive | None = None
    device: str = "auto"
    train: bool = False
    seconds: Annotated[float, Field(gt=0)] = 2.0
    """Of timing, for each figure."""
    figures: tuple[Figure, ...] = ()
    """Only these; by default all, the training step only with `train`."""
    weights: Path | None = None
    """File or folder of the backbone, where it is not the card's."""
    threads: Positive | None = None
    """Of torch on a CPU; by default as many as torch takes."""


class CostReport(Measured):
    """What one combination costs, and what was measured at what load on what machine."""

    schema_version: Literal[1] = 1
    origin: Literal["measured"] = "measured"
    method: str
    backbone: str
    protocol: str
    """Where head, method and backbone have their settings from."""
    track: str
    weights: str
    """"random" where none were loaded: cost does not depend on them."""
    head: HeadConfig
    method_config: dict[str, object]
    backbone_config: dict[str, object]
    size: tuple[int, int]
    batch: int
    precision: str
    compile: bool
    machine: Provenance | None = None
