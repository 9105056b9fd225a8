"""The model of a job on its device, ready to be measured."""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from bench.api import Segmenter
from bench.compiled import compile_backbone
from bench.cost import resident
from bench.cost.figures import DOES_NOT_FIT, Figure
from bench.cost.records import Job
from bench.models.build import build_segmenter
from bench.registry import METHODS
from bench.run import make_fabric

COUNTED: frozenset[Figure] = frozenset({"parameters", "gflops"})
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed", "bad_alloc")


class Bench(NamedTuple):
    """A segmenter on its device, and how it is to be loaded."""

    job: Job
    fabric: Fabric
    segmenter: Segmenter
    baseline: int | None
    """Bytes resident when it was built and nothing had been predicted; None on CUDA and where nothing tells."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        device: torch.device = self.fabric.device
        return device

    def images(self, batch: int) -> Tensor:
        """Seeded noise in [0, 1], (batch, 3, H, W), the same in every image."""
        noise = torch.rand((1, 3, *self.job.size), generator=torch.Generator().manual_seed(0))
        return noise.to(self.device).repeat(batch, 1, 1, 1)

    def predict(self, images: Tensor) -> Tensor:
        """Class scores of whole images."""
        with torch.inference_mode(), self.fabric.autocast():
            return self.segmenter.logits(images)


def set_bench(job: Job) -> Bench:
    """Build the job's segmenter on its device; without memory for its tensors where figures are only counted.

    Raises what `build_segmenter` and `make_fabric` raise.
    """
    fabric = make_fabric(job.device, job.spec.precision)
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    if job.figures and set(job.figures) <= COUNTED and is_ours(job):
        return Bench(job, fabric, built_on(torch.device("meta"), job), None)
    _touch_libraries(fabric.device)
    segmenter = _built(job, fabric.device).to(fabric.device)
    if job.spec.compile:
        compile_backbone(segmenter, fabric.device)
    resident.trim()
    return Bench(job, fabric, segmenter, resident.now() if fabric.device.type == "cpu" else None)


def is_ours(job: Job) -> bool:
    """Whether the suite makes all of the model's tensors, and can make them anywhere."""
    return job.spec.weights == "random" and METHODS.get(job.spec.method).own_model is None


def _built(job: Job, device: torch.device) -> Segmenter:
    """Made on the device where that can be, rather than on the CPU, which takes seconds for a large model."""
    if device.type != "cpu" and is_ours(job):
        try:
            return built_on(device, job)
        except (RuntimeError, TypeError) as error:
            if out_of_memory(error) is not None:
                raise
            logging.getLogger(__name__).info("the model is made on the CPU, not on %s: %s", device, error)
    return build_segmenter(job.spec, job.weights).eval()


def built_on(device: torch.device, job: Job) -> Segmenter:
    """The job's segmenter, in evaluation mode, with all tensors made on the device."""
    with device:
        return build_segmenter(job.spec, job.weights).eval()


def out_of_memory(error: BaseException) -> str | None:
    """The reason to record where `error` says that memory ran out; None for any other."""
    text = " ".join(str(error).split())
    lack = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if not lack and not (isinstance(error, RuntimeError) and any(sign in text.lower() for sign in _OUT_OF_MEMORY)):
        return None
    return f"{DOES_NOT_FIT}: {text[:200] or type(error).__name__}"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _touch_libraries(device: torch.device) -> None:
    """Let torch's libraries take what they take once, before the baseline: threads, kernels, buffers."""
    layer = nn.Conv2d(3, 8, 3).to(device)
    x = layer(torch.zeros(1, 3, 32, 32, device=device)).flatten(2).transpose(1, 2)[:, None]
    x = nn.Linear(8, 8, device=device)(x)
    F.scaled_dot_product_attention(x, x, x).matmul(x.transpose(-1, -2)).sum().backward()
    synchronize(device)
