"""The verb `profile`: figures that hold together, and what does not fit as a result."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from bench import cli, cli_profile
from bench.cost import measures, nvml
from bench.cost import worker as worker_module
from bench.cost.figures import DOES_NOT_FIT, Figure, Times
from bench.cost.matrix import Choice
from bench.cost.measures import timed
from bench.cost.ready import Bench, out_of_memory, set_bench
from bench.cost.records import CostReport, Job, Unavailable
from bench.cost.worker import work
from bench.resolve import resolve

FIGURES: tuple[Figure, ...] = get_args(Figure)
SIZE = (64, 128)


def a_job(method: str = "rein", **fields: Any) -> Job:
    spec = resolve(method, "eva02", sets=["weights=random"])
    return Job(**{"spec": spec, "size": SIZE, "device": "cpu", "seconds": 0.01, **fields})


@pytest.fixture(scope="module")
def bench() -> Bench:
    return set_bench(a_job())


@pytest.mark.parametrize("method", ["rein", "frozen", "full", "lora"])
def test_parameters_add_up(method: str) -> None:
    bench = set_bench(a_job(method))
    found = measures.parameters(bench)
    everything = list(bench.segmenter.parameters())
    assert found.total == sum(p.numel() for p in everything) == found.backbone + found.head + found.adapter
    assert found.trainable == sum(p.numel() for p in everything if p.requires_grad)
    assert found.trainable == found.trainable_backbone + found.trainable_head + found.trainable_adapter
    assert (found.trainable_backbone > 0) == (method in ("full", "lora"))
    assert (found.adapter > 0) == (method == "rein")


def test_times_are_ordered_and_counted(bench: Bench) -> None:
    found = measures.latency(bench)
    assert 0 < found.p25_ms <= found.median_ms <= found.p75_ms <= found.p95_ms
    assert measures.FEWEST_RUNS <= found.runs <= measures.LEAST_RUNS
    assert found.warm_up == measures.WARM_UP


def test_timing_stops_at_the_time_or_the_runs_asked_for() -> None:
    calls = []
    found = timed(lambda: calls.append(1), torch.device("cpu"), seconds=60.0, least=3, most=7)
    assert (found.runs, len(calls)) == (7, 7 + measures.WARM_UP)
    assert timed(lambda: None, torch.device("cpu"), seconds=1e-9, least=3).runs == 3


def test_flops_are_those_of_a_run_and_not_changed_by_compiling(bench: Bench) -> None:
    found = measures.gflops(bench)
    compiled = set_bench(a_job(spec=resolve("rein", "eva02", sets=["weights=random", "compile=true"])))
    assert measures.gflops(compiled) == found
    larger = set_bench(a_job(size=(128, 128)))
    assert measures.gflops(larger) > 1.9 * found


def test_throughput_stops_where_memory_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    own = bench.segmenter.logits

    def logits(images: Tensor) -> Tensor:
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return own(images)

    monkeypatch.setattr(bench.segmenter, "logits", logits)
    monkeypatch.setattr(measures, "GAIN", 0.0)  # every batch size is better
    patient = bench._replace(job=bench.job.model_copy(update={"seconds": 60.0}))
    monkeypatch.setattr(measures, "MOST_RUNS", 4)
    rates = list(measures.throughput(patient))
    assert [rate.batch for rate in rates] == [1, 2, 4]
    assert all(rate.images_per_s == pytest.approx(rate.batch * 1e3 / rate.times.median_ms) for rate in rates[:2])
    assert rates[2].images_per_s is None
    assert rates[2].note.startswith(f"{DOES_NOT_FIT}: CUDA out of memory")


def test_throughput_stops_where_it_gets_no_better(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def taking(milliseconds: float) -> Times:
        return Times.model_validate(dict.fromkeys(Times.model_fields, 1) | {"median_ms": milliseconds})

    # images a second: 100, 150, 150 (no better), 300, 301 (hardly), 299, and nothing is tried after two of these
    given = iter([10.0, 13.3, 26.7, 26.7, 53.2, 107.0])
    patient = bench._replace(job=bench.job.model_copy(update={"seconds": 60.0}))
    monkeypatch.setattr(measures, "timed", lambda *_, **__: taking(next(given)))
    assert [rate.batch for rate in measures.throughput(patient)] == [1, 2, 4, 8, 16, 32]
    given = iter([10.0, 10.1, 10.2])
    impatient = bench._replace(job=bench.job.model_copy(update={"seconds": 0.02}))
    assert [rate.batch for rate in measures.throughput(impatient)] == [1, 2], "the next would take all the time"


def test_a_training_step_is_measured_and_moves_nothing() -> None:
    bench = set_bench(a_job(batch=2))
    before = bench.segmenter.trainable_state()
    trained = [parameter for parameter in bench.segmenter.parameters() if parameter.requires_grad]
    gradients: list[int] = []
    for number, parameter in enumerate(trained):
        parameter.register_post_accumulate_grad_hook(lambda _, number=number: gradients.append(number))
    found = measures.training(bench)
    after = bench.segmenter.trainable_state()
    assert found.step.median_ms > 0
    assert found.memory.peak_mb > found.memory.model_mb
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert set(gradients) == set(range(len(trained))), "it went backward"
    assert all(parameter.grad is None for parameter in trained), "what is measured next is not burdened"
    assert not bench.segmenter.training


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_a_lack_of_memory(error: Exception, lack: bool) -> None:
    reason = out_of_memory(error)
    assert (reason is not None) == lack
    assert reason is None or reason.startswith(DOES_NOT_FIT)


def test_what_the_processor_cannot_allocate_is_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value) is not None


def told(job: Job) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    work(job, lines.append)
    return lines


def test_a_figure_that_does_not_fit_is_told_and_the_next_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(bench: Bench) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setitem(measures.MEASURES, "latency", full)
    lines = told(a_job(figures=("latency", "energy", "parameters")))
    missing = {line["figure"]: line["missing"] for line in lines if "missing" in line}
    assert missing["latency"] == f"{DOES_NOT_FIT}: CUDA out of memory."
    assert "NVML" in missing["energy"]
    assert [line["figure"] for line in lines if "value" in line] == ["parameters"]


def test_a_model_that_does_not_fit_leaves_every_figure_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(job: Job) -> Bench:
        raise MemoryError

    monkeypatch.setattr(worker_module, "set_bench", build)
    lines = told(a_job(figures=("latency", "memory")))
    assert {line["figure"] for line in lines if "missing" in line} == {"latency", "memory"}


def test_another_mistake_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(bench: Bench) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setitem(measures.MEASURES, "latency", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        told(a_job(figures=("latency",)))


def test_the_options_name_every_figure() -> None:
    assert cli_profile.FIGURES == FIGURES


def test_every_combination_is_a_job() -> None:
    wanted = Choice(
        ["rein", "full"], ["eva02", "dinov2-large"], [(64, 128), (128, 256)], ["fp32", "bf16"], compile=True
    )
    jobs = wanted.jobs(batch=3)
    kinds = {(job.spec.method, job.spec.backbone, job.size, job.spec.precision) for job in jobs}
    assert len(jobs) == len(kinds) == 16
    assert all(job.spec.weights == "random" and job.spec.compile and job.batch == 3 for job in jobs)
    again = Choice(["rein", "full", "rein"], ["eva02", "eva02-mini"], [(64, 128)] * 2, ["fp32", "fp32"])
    assert [(job.spec.method, job.spec.backbone) for job in again.jobs()] == [
        ("rein", "eva02-mini"),
        ("full", "eva02-mini"),
    ], "what is named twice is measured once"
    (crop,) = Choice(["rein"], ["dinov2"], [], [], "gta2cbm", "rein-512").jobs()
    assert crop.size == (512, 512)


def test_clocks_are_read_where_the_system_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("cpu MHz\t\t: 2000.0\nmodel name\t: x\ncpu MHz\t\t: 3000.5\n")
    assert nvml._cores(cpuinfo) == 2500.25
    with pytest.raises(Unavailable, match="clocks of its cores"):
        nvml._cores(tmp_path / "none")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(Unavailable, match="nvidia-ml-py is not installed"):
        nvml.EnergyMeter(torch.device("cuda", 0))


def test_the_document_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "64x128", "--device", "cpu", "--train", "--seconds", "0.01", "--json", "--quiet"]
    assert cli.main(["profile", "--method", "rein", "--backbone", "eva02", *options]) == 0
    report = CostReport.model_validate_json(capsys.readouterr().out)
    assert report.weights == "random"
    assert (report.size, report.batch, report.precision, report.compile) == (SIZE, 1, "fp32", False)
    assert set(report.missing) <= {"energy", "clocks"}
    for figure in FIGURES:
        assert (getattr(report, figure) is None) == (figure in report.missing), figure
    assert report.machine is not None
    assert report.machine.packages["torch"]
    assert report.machine.threads >= 1
    assert report.memory is not None
    assert report.training is not None
    assert report.memory.model_mb < report.memory.peak_mb < report.training.memory.peak_mb < 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "512"], "--size 512: write HEIGHTxWIDTH in pixels"),
        (["--size", "0x64"], "--size 0x64: write HEIGHTxWIDTH"),
        (["--size", "64x99999"], "up to 16384 each"),
        (["--batch", "0"], "'--batch'"),
        (["--precision", "fp16"], "unknown --precision 'fp16'"),
        (["--device", "gpu"], "unknown --device 'gpu'"),
        (["--device", "cuda:99"], "device 'cuda:99' is not there"),
        (["--figure", "flops"], "did you mean 'gflops'"),
        (["--seconds", "0"], "'--seconds'"),
        (["--set", "recipe.itterations=1"], "did you mean 'recipe.iterations'"),
        (["--method", "reim"], "did you mean 'rein'"),
        (["--protocol", "street"], "did you mean 'streets'"),
        (["--json", "--markdown"], "--json and --markdown are two forms of the same: choose one"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profile", "--method", "rein", "--backbone", "eva02", *options]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


@pytest.mark.parametrize(("seconds", "runs"), [(1, 5), (4, 8), (20, 20), (1000, 200)])
def test_what_is_slow_is_timed_less_often(seconds: float, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def work() -> None:
        clock[0] += 1

    monkeypatch.setattr("bench.cost.measures.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    found = measures.timed(work, torch.device("cpu"), seconds)
    assert (found.runs, found.median_ms) == (runs, 1e3)
