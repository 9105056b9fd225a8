"""Models that are made to be measured: with data or without, on the device or on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_profile_cost import a_job

from bench.api import Segmenter
from bench.cost import measures, ready
from bench.cost.ready import set_bench
from bench.cost.records import Job
from bench.resolve import resolve


@pytest.mark.parametrize("method", ["rein", "full", "lora", "vpt", "adaptformer", "linear"])
@pytest.mark.parametrize("backbone", ["eva02-mini", "clip-mini"])
def test_counts_without_data_are_those_with_data(method: str, backbone: str) -> None:
    if backbone == "clip-mini" and method in ("lora", "vpt", "adaptformer"):
        pytest.skip("it has no blocks of a plain transformer")
    job = a_job(spec=resolve(method, backbone, sets=["weights=random"]), figures=("parameters", "gflops"))
    counted, real = set_bench(job), set_bench(job.model_copy(update={"figures": ()}))
    assert {p.device.type for p in counted.segmenter.parameters()} == {"meta"}
    assert {p.device.type for p in real.segmenter.parameters()} == {"cpu"}
    assert measures.parameters(counted) == measures.parameters(real)
    assert measures._gflops(real.segmenter, real.images(1), real.fabric) == measures.gflops(counted) > 0


def test_flops_are_counted_on_the_device_where_operators_need_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cannot(device: torch.device, job: Job) -> None:
        raise NotImplementedError("aten::_local_scalar_dense")

    bench = set_bench(a_job())
    found = measures.gflops(bench)
    monkeypatch.setattr(measures, "built_on", cannot)
    assert measures.gflops(bench) == found


def test_what_can_be_made_on_the_cpu_alone_is_made_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device stands for a GPU."""
    device, job, own = torch.device("meta"), a_job(), ready.build_segmenter

    def devices() -> set[str]:
        return {parameter.device.type for parameter in ready._built(job, device).parameters()}

    assert devices() == {"meta"}

    def by_numpy(*given: Any) -> Segmenter:
        torch.ones(1).numpy()
        return own(*given)

    monkeypatch.setattr(ready, "build_segmenter", by_numpy)
    assert devices() == {"cpu"}

    def full(*given: Any) -> Segmenter:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(ready, "build_segmenter", full)
    with pytest.raises(torch.OutOfMemoryError):
        devices()
