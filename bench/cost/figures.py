"""Records of what was measured of a model's cost, by `profile` as by every run. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from bench.spec import Frozen, Positive

Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]

Figure = Literal["parameters", "gflops", "latency", "clocks", "energy", "throughput", "memory", "training"]
"""What is measured."""
DOES_NOT_FIT = "does not fit"
"""How the reason begins where memory ran out."""
NOT_ASKED = "not asked for"
"""How it begins where nobody wanted the figure."""
FAILED = "failed"
"""How it begins where something went wrong that is neither a lack of memory nor something a machine cannot tell."""


class Parameters(Frozen):
    """Numbers of parameters. backbone + head + adapter = total, and so of those that train."""

    trainable: Count
    total: Count
    backbone: Count
    head: Count
    adapter: Count
    trainable_backbone: Count
    trainable_head: Count
    trainable_adapter: Count

    @model_validator(mode="after")
    def _add_up(self) -> Parameters:
        if self.backbone + self.head + self.adapter != self.total:
            raise ValueError("the parameters of backbone, head and adapter do not add up to the total")
        if self.trainable_backbone + self.trainable_head + self.trainable_adapter != self.trainable:
            raise ValueError("the trainable parameters of backbone, head and adapter do not add up")
        for part in ("backbone", "head", "adapter"):
            if getattr(self, f"trainable_{part}") > getattr(self, part):
                raise ValueError(f"more parameters of the {part} train than it has")
        return self


class Times(Frozen):
    """How long something took, in milliseconds, over `runs` after `warm_up` others; the device was waited for."""

    median_ms: Amount
    p25_ms: Amount
    p75_ms: Amount
    p95_ms: Amount
    runs: Count
    warm_up: Count


class Rate(Frozen):
    """Throughput at one batch size; without a rate the note says why."""

    batch: Positive
    images_per_s: Amount | None = None
    times: Times | None = None
    note: str = ""


class Memory(Frozen):
    """Peak memory in MB (1e6 bytes), the model's own included."""

    peak_mb: Amount
    model_mb: Amount
    """Bytes of parameters and buffers."""
    baseline_mb: Amount | None
    """Resident set of the process with the model built, over which the peak is counted; None on CUDA."""
    counted: str
    """What was read."""


class Training(Frozen):
    """One iteration of the suite's own loop on random images and labels: forward, backward, clipping, AdamW."""

    step: Times
    memory: Memory


class Measured(Frozen):
    """What a model costs. A figure that could not be had is None, and `missing` says why."""

    load: Amount | None = None
    """Processes that wanted to run in the minute before; None where the system does not tell."""
    busy_elsewhere: Amount | None = None
    """How many of the cores other processes kept busy while this was measured, on average; None where the system does
    not tell, and with `compile`, whose compilers are such processes."""
    cores: Positive | None = None
    """That the process may use."""
    parameters: Parameters | None = None
    gflops: Amount | None = None
    """1e9 floating-point operations for one image: a multiplication and an addition are two."""
    latency: Times | None = None
    """Of predicting one batch."""
    clocks: dict[str, Amount] | None = None
    """MHz, read right after the latency was measured."""
    energy: Amount | None = None
    """Joule for an image, of the whole board."""
    throughput: list[Rate] | None = None
    """At 1, 2, 4, ... images at once, until it does not fit or gets no better."""
    memory: Memory | None = None
    """Of predicting one batch."""
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
        return any(reason.startswith(FAILED) for reason in self.missing.values())


class RunCost(Measured):
    """What a run's model costs, at images of the training crop's size: `profile`'s figures in less time."""

    parameters: Parameters
    size: tuple[Positive, Positive]
    """Height, width in pixels of the images, which are predicted whole and one at a time (but for the throughput)."""
    train_batch: Positive
    """Images in the training step: the recipe's."""
    seconds: Amount
    """Of timing, for each figure."""

    def row(self) -> dict[str, float | None]:
        """The figures that tables have columns for, by their names (`COLUMNS`)."""
        counts, best, training = self.parameters, self.best, self.training
        return {
            **{f"{name}_params": getattr(counts, name) for name in ("trainable", "total", "backbone", "head")},
            "adapter_params": counts.adapter,
            "gflops": self.gflops,
            "latency_ms": self.latency and self.latency.median_ms,
            "latency_p95_ms": self.latency and self.latency.p95_ms,
            "best_images_per_s": best and best.images_per_s,
            "best_batch": best and best.batch,
            "peak_mb": self.memory and self.memory.peak_mb,
            "train_step_ms": training and training.step.median_ms,
            "train_peak_mb": training and training.memory.peak_mb,
            "energy_j_per_image": self.energy,
        }


class EarlierCost(Frozen):
    """What a run's model costs in result files of schema 2, which counted memory and throughput in another way."""

    trainable_params: Count
    total_params: Count
    gflops: Amount | None = None
    latency_ms: Amount | None = None
    images_per_s: Amount | None = None
    """In batches of 8."""
    peak_memory_mb: Amount | None = None
    """Of tensors alone on a CPU; what torch's allocator handed out on CUDA."""

    @model_validator(mode="after")
    def _some_train(self) -> EarlierCost:
        if self.trainable_params > self.total_params:
            raise ValueError("more parameters train than there are")
        return self

    def row(self) -> dict[str, float | None]:
        """The figures that tables have columns for."""
        return self.model_dump()


def _schema(cost: object) -> str:
    """Only what is wrong with the schema that a record is of is told, not what keeps it from being the other."""
    has = "parameters" in cost if isinstance(cost, dict) else isinstance(cost, RunCost)
    return "schema 3" if has else "schema 2"


Cost = Annotated[Annotated[RunCost, Tag("schema 3")] | Annotated[EarlierCost, Tag("schema 2")], Discriminator(_schema)]

COLUMNS = {
    "trainable_params": "trainable parameters",
    "total_params": "total parameters",
    "backbone_params": "parameters of the backbone",
    "head_params": "parameters of the head",
    "adapter_params": "parameters of the adapter",
    "gflops": "GFLOPs",
    "latency_ms": "latency, ms",
    "latency_p95_ms": "latency, 95th percentile, ms",
    "best_images_per_s": "images/s at the best batch size",
    "best_batch": "best batch size",
    "peak_mb": "peak memory, MB",
    "train_step_ms": "training step, ms",
    "train_peak_mb": "peak memory of training, MB",
    "energy_j_per_image": "energy, J an image",
    "images_per_s": "images/s in batches of 8",
    "peak_memory_mb": "peak memory of tensors, MB",
}
"""Names of the figures in tables, and their titles."""
OF_A_DEVICE = frozenset(name for name in COLUMNS if name != "gflops" and not name.endswith("_params"))
"""What depends on the machine: never averaged over several."""
