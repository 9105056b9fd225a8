"""What a model costs to run: parameters, FLOPs, latency, throughput, memory. Takes a few seconds."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bench.api import Segmenter
from bench.inference import Layout, Size, predict_logits
from bench.result import Cost

_WARM_UP = 2
_RUNS = 20
_SECONDS = 2.0  # of timing, for each of the two; where one run is slow three must do
_BATCH = 8


def measure(segmenter: Segmenter, size: Size, layout: Layout, fabric: Fabric) -> Cost:
    """Cost of predicting images of `size` (height, width) through the windows of `layout`.

    gflops: 1e9 floating-point operations (a multiplication and an addition are two) of the matrix
    products, attentions and convolutions for one image. latency_ms: median over runs of one image,
    after warm-up. images_per_s: in batches of 8. peak_memory_mb: see `peak_memory`.
    """
    segmenter.eval()
    device = fabric.device
    batch = torch.rand((_BATCH, 3, *size), generator=torch.Generator().manual_seed(0)).to(device)
    one = batch[:1]

    def predict(images: Tensor) -> Tensor:
        with fabric.autocast():
            return predict_logits(segmenter.logits, images, layout.crop, layout.stride)

    gflops = flops(segmenter, partial(predict, one)) / 1e9
    latency = _median_seconds(partial(predict, one), device)
    seconds = _median_seconds(partial(predict, batch), device)
    parameters = list(segmenter.parameters())
    return Cost(
        trainable_params=sum(p.numel() for p in parameters if p.requires_grad),
        total_params=sum(p.numel() for p in parameters),
        gflops=gflops,
        latency_ms=latency * 1e3,
        images_per_s=_BATCH / seconds,
        peak_memory_mb=peak_memory(segmenter, partial(predict, one), device) / 1e6,
    )


def peak_memory(segmenter: Segmenter, predict: Callable[[], object], device: torch.device) -> int:
    """Bytes that tensors hold at the worst moment of one prediction, the model's own included.

    On CUDA: what the allocator had handed out, at its peak. On the CPU the same is counted from the
    storages of all tensors that operators return, as they come and go; scratch memory inside a
    kernel, the interpreter and the libraries are in neither figure.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        predict()
        peak: int = torch.cuda.max_memory_allocated(device)
        return peak
    held = {tensor.untyped_storage() for tensor in (*segmenter.parameters(), *segmenter.buffers())}
    counter = _StorageCounter()
    with counter:
        predict()
    return sum(int(storage.nbytes()) for storage in held) + counter.peak


class _StorageCounter(TorchDispatchMode):
    """Follows the bytes of the storages that operators make while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's has no types
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        before = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in before:
                self._see(leaf.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def flops(segmenter: Segmenter, predict: Callable[[], object]) -> int:
    """Floating-point operations of one call of `predict`, which calls the segmenter (see `measure`)."""
    trainable = [p for p in segmenter.parameters() if p.requires_grad]
    # The counter follows modules by gradient hooks on their inputs, and fails where an input is itself a parameter
    # (learned queries). It knows attention only as the matrix products it is made of.
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            predict()
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
    return int(counter.get_total_flops())


def _median_seconds(predict: Callable[[], object], device: torch.device) -> float:
    for _ in range(_WARM_UP):
        predict()
    times: list[float] = []
    while len(times) < 3 or (len(times) < _RUNS and sum(times) < _SECONDS):
        synchronize(device)
        began = time.perf_counter()
        predict()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return median(times)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
