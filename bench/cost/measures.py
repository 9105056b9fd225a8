"""The figures of one combination, measured in this process, one after the other: functions from `Bench` to record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from bench.api import CLASSES, Segmenter
from bench.checkpoint import Progress
from bench.cost import nvml, resident
from bench.cost.counts import count, flops
from bench.cost.figures import Figure, Memory, Parameters, Rate, Times, Training
from bench.cost.ready import Bench, built_on, is_ours, out_of_memory, synchronize
from bench.cost.records import Unavailable
from bench.data.stream import Batch
from bench.train import Loop, set_up

WARM_UP = 3
LEAST_RUNS, FEWEST_RUNS, MOST_RUNS = 10, 5, 200
LARGEST_BATCH = 256
GAIN = 1.02
"""A larger batch is better when it has this times the images a second; two in a row that have not end the search."""
ENERGY_SECONDS = 3.0
"""At least: the counter moves some ten times a second."""


def parameters(bench: Bench) -> Parameters:
    """Counts by part."""
    return count(bench.segmenter)


def gflops(bench: Bench) -> float:
    """Of one image. Counted on tensors without data, so that it takes no memory, where all operators can do without.

    Compilation changes kernels, not what they compute: the count is of the model as it was written.
    """
    if is_ours(bench.job):
        try:
            segmenter = built_on(torch.device("meta"), bench.job)
            image = torch.zeros((1, 3, *bench.job.size), device="meta")
            return _gflops(segmenter, image, bench.fabric)
        except (NotImplementedError, RuntimeError) as error:
            if out_of_memory(error) is not None:
                raise
            logging.getLogger(__name__).info("FLOPs are counted on %s: %s", bench.device, error)
    with torch.compiler.set_stance("force_eager"):
        return _gflops(bench.segmenter, bench.images(1), bench.fabric)


def _gflops(segmenter: Segmenter, image: Tensor, fabric: Fabric) -> float:
    def predict() -> Tensor:
        # As it is written: what a method multiplies out beforehand where it knows that it predicts is counted, too.
        # No parameter asks for a gradient meanwhile, so nothing is kept for one.
        with torch.enable_grad(), fabric.autocast():
            return segmenter.logits(image)

    return flops(segmenter, predict) / 1e9


def latency(bench: Bench) -> Times:
    """Of predicting `batch` images."""
    images = bench.images(bench.job.batch)
    return timed(lambda: bench.predict(images), bench.device, bench.job.seconds)


def clocks(bench: Bench) -> dict[str, float]:
    """MHz as they are now."""
    return nvml.clocks(bench.device)


def energy(bench: Bench) -> float:
    """Joule for an image, over `ENERGY_SECONDS` at least."""
    images = bench.images(bench.job.batch)
    for _ in range(WARM_UP):
        bench.predict(images)
    synchronize(bench.device)
    meter, began, runs = nvml.EnergyMeter(bench.device), time.perf_counter(), 0
    while time.perf_counter() - began < max(ENERGY_SECONDS, bench.job.seconds):
        bench.predict(images)
        synchronize(bench.device)
        runs += 1
    return meter.joule() / (runs * len(images))


def throughput(bench: Bench) -> Iterator[Rate]:
    """At 1, 2, 4, ... images at once, until it does not fit, gets no better, or the next would take all the time."""
    seconds = bench.job.seconds
    best, idle, batch = 0.0, 0, 1
    while batch <= LARGEST_BATCH and idle < 2:
        try:
            predict = partial(bench.predict, bench.images(batch))
            times = timed(predict, bench.device, seconds / 4, least=3, warm_up=WARM_UP if batch == 1 else 1)
        except (RuntimeError, MemoryError) as error:
            if (reason := out_of_memory(error)) is None:
                raise
            yield Rate(batch=batch, note=reason)
            return
        rate = batch / times.median_ms * 1e3
        yield Rate(batch=batch, images_per_s=rate, times=times)
        if 2 * times.median_ms > seconds * 1e3:
            return
        idle = 0 if rate > GAIN * best else idle + 1
        best, batch = max(best, rate), 2 * batch


def memory(bench: Bench) -> Memory:
    """Peak of predicting `batch` images; on a CPU in a fresh process, or it is that of what went before."""
    images = bench.images(bench.job.batch)
    return _peak(bench, lambda: bench.predict(images))


def training(bench: Bench) -> Training:
    """Iterations of the suite's own loop, on noise, at a learning rate that leaves the weights where they are."""
    recipe = bench.job.spec.recipe.model_copy(update={"iterations": 10**6, "warmup": 0, "lr": 1e-12})
    ready = set_up(bench.segmenter, recipe, bench.fabric)
    bench.segmenter.train()
    loop = Loop(bench.fabric, ready.model, ready.wrapped, recipe, 0, Progress(spec_hash=""), 0)
    rng = np.random.default_rng(0)
    shape = (bench.job.train_batch or bench.job.batch, *bench.job.size)
    images = rng.integers(0, 256, (shape[0], 3, *shape[1:]), dtype=np.uint8)
    batch = Batch(images, rng.integers(0, len(CLASSES), shape, dtype=np.uint8))

    def forget() -> None:
        ready.optimizer.state.clear()
        ready.optimizer.zero_grad(set_to_none=True)

    try:
        peak = _peak(bench, lambda: loop.step(batch), forget)  # the first two steps: AdamW makes its state in the first
        return Training(step=timed(lambda: loop.step(batch), bench.device, bench.job.seconds), memory=peak)
    finally:  # figures that follow are those of predicting
        forget()
        bench.segmenter.eval()
        resident.trim()


MEASURES: dict[Figure, Callable[[Bench], Any]] = {
    "parameters": parameters,
    "gflops": gflops,
    "latency": latency,
    "clocks": clocks,
    "energy": energy,
    "throughput": throughput,
    "memory": memory,
    "training": training,
}


def timed(
    work: Callable[[], object],
    device: torch.device,
    seconds: float,
    least: int = LEAST_RUNS,
    most: int = MOST_RUNS,
    warm_up: int = WARM_UP,
) -> Times:
    """Time `work` after warm-up, for `seconds` but not below `least` runs (`FEWEST_RUNS` where these would take more
    than twice that time) nor above `most`."""
    for _ in range(warm_up):
        work()
    times: list[float] = []

    def enough() -> bool:
        runs, spent = len(times), sum(times)
        return runs >= most or (runs >= least and spent >= seconds) or (runs >= FEWEST_RUNS and spent >= 2 * seconds)

    while not enough():
        synchronize(device)
        began = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - began)
    low, middle, high, late = (float(x) for x in np.percentile(np.array(times) * 1e3, (25, 50, 75, 95)))
    return Times(median_ms=middle, p25_ms=low, p75_ms=high, p95_ms=late, runs=len(times), warm_up=warm_up)


def _peak(bench: Bench, work: Callable[[], object], forget: Callable[[], None] = lambda: None) -> Memory:
    """Of the first two runs of `work`, for which `forget` prepares again. Compiling comes before, and is not in it."""
    own = [*bench.segmenter.parameters(), *bench.segmenter.buffers()]
    model = sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in own}.values())
    baseline = bench.baseline
    if bench.job.spec.compile:
        _twice(work, bench.device)
        forget()
        resident.trim()
        baseline = resident.now()
    if bench.device.type == "cuda":
        synchronize(bench.device)
        torch.cuda.reset_peak_memory_stats(bench.device)
        _twice(work, bench.device)
        peak = torch.cuda.max_memory_allocated(bench.device)
        counted = "allocated by torch on the device"
        return Memory(peak_mb=peak / 1e6, model_mb=model / 1e6, baseline_mb=None, counted=counted)
    if baseline is None:
        raise Unavailable("the system does not tell what is resident")
    allowed = resident.reset()
    _twice(work, bench.device)
    mark = resident.high_water(allowed)
    peak = model + max(0, mark.bytes - baseline)
    return Memory(peak_mb=peak / 1e6, model_mb=model / 1e6, baseline_mb=baseline / 1e6, counted=mark.counted)


def _twice(work: Callable[[], object], device: torch.device) -> None:
    """The second run finds what the first left behind: caches, an optimiser's state."""
    for _ in range(2):
        work()
        synchronize(device)
