"""Records of the verb `profile`: what is to be measured, and what was. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.result import Provenance
from bench.spec import Frozen, HeadConfig, Positive, RunSpec

Figure = Literal["parameters", "gflops", "latency", "clocks", "energy", "throughput", "memory", "training"]
"""What is measured, one after the other."""
APART: tuple[tuple[Figure, ...], ...] = (
    ("parameters", "gflops", "latency", "clocks", "energy", "throughput"),
    ("memory",),
    ("training",),
)
"""Figures that share a process; memory is that of a fresh one."""
DOES_NOT_FIT = "does not fit"
"""How the reason begins where memory ran out."""


class Unavailable(Exception):
    """A figure that this machine cannot tell; the message says why."""


class Job(Frozen):
    """One combination to be measured: a run's spec (its targets and seed change nothing), and at what load."""

    spec: RunSpec
    size: tuple[Positive, Positive]
    """Height, width in pixels of the images, which are predicted whole."""
    batch: Positive = 1
    """Images at once, in a prediction and in a training step."""
    device: str = "auto"
    train: bool = False
    seconds: Annotated[float, Field(gt=0)] = 2.0
    """Of timing, for each figure."""
    figures: tuple[Figure, ...] = ()
    """Only these; by default all, the training step only with `train`."""


class Parameters(Frozen):
    """Numbers of parameters. backbone + head + adapter = total."""

    trainable: int
    total: int
    backbone: int
    head: int
    adapter: int
    trainable_backbone: int
    trainable_head: int
    trainable_adapter: int


class Times(Frozen):
    """How long something took, in milliseconds, over `runs` after `warm_up` others; the device was waited for."""

    median_ms: float
    p25_ms: float
    p75_ms: float
    p95_ms: float
    runs: int
    warm_up: int


class Rate(Frozen):
    """Throughput at one batch size; without a rate the note says why."""

    batch: int
    images_per_s: float | None = None
    times: Times | None = None
    note: str = ""


class Memory(Frozen):
    """Peak memory in MB (1e6 bytes), the model's own included."""

    peak_mb: float
    model_mb: float
    """Bytes of parameters and buffers."""
    baseline_mb: float | None
    """Resident set of the process with the model built, over which the peak is counted; None on CUDA."""
    counted: str
    """What was read."""


class Training(Frozen):
    """One iteration of the suite's own loop on random images and labels: forward, backward, clipping, AdamW."""

    step: Times
    memory: Memory


class CostReport(Frozen):
    """What one combination costs. A figure that could not be had is None, and `missing` says why."""

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
    load: float | None = None
    """Processes that wanted to run in the minute before; None where the system does not tell."""
    parameters: Parameters | None = None
    gflops: float | None = None
    """1e9 floating-point operations for one image: a multiplication and an addition are two."""
    latency: Times | None = None
    """Of predicting `batch` images."""
    clocks: dict[str, float] | None = None
    """MHz, read right after the latency was measured."""
    energy: float | None = None
    """Joule for an image, of the whole board, in batches of `batch`."""
    throughput: list[Rate] | None = None
    """At 1, 2, 4, ... images at once, until it does not fit or gets no better."""
    memory: Memory | None = None
    """Of predicting `batch` images."""
    training: Training | None = None
    missing: dict[Figure, str] = Field(default_factory=dict)

    @property
    def best(self) -> Rate | None:
        """The batch size with the most images in a second."""
        rated = [rate for rate in self.throughput or () if rate.images_per_s is not None]
        return max(rated, key=lambda rate: rate.images_per_s or 0.0, default=None)

    @property
    def failed(self) -> bool:
        """Whether something went wrong that is neither a lack of memory nor something this machine cannot tell."""
        return any(reason.startswith("failed") for reason in self.missing.values())
