"""What a run cost, in tables and documents: figures of two schemas, and what does not fit."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from bench.cost.figures import DOES_NOT_FIT, Cost, EarlierCost, Memory, Rate, RunCost
from bench.report.series import series
from bench.report.single import render
from bench.report.tables import comma_separated
from bench.result import RunResult


def with_cost(result: RunResult, cost: Cost) -> RunResult:
    return RunResult.model_validate(dict(result) | {"cost": cost})


def shown(result: RunResult) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(result))
    return console.export_text()


def test_costs_of_two_schemas_stand_in_columns_of_their_own(make_result) -> None:
    """Memory and throughput were counted otherwise in schema 2: no column holds both."""
    new = make_result()
    assert isinstance(new.cost, RunCost)
    rate = Rate(batch=4, images_per_s=80.0, times=new.cost.latency)
    measured = {
        "memory": Memory(peak_mb=26.0, model_mb=9.5, baseline_mb=800.0, counted="resident"),
        "throughput": [rate],
    }
    new = with_cost(new, new.cost.model_copy(update=measured))
    old = with_cost(
        make_result(method="older"),
        EarlierCost(trainable_params=7, total_params=9, latency_ms=5.0, images_per_s=70.0, peak_memory_mb=12.0),
    )
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(comma_separated(series([new, old]))))}
    mine, earlier = rows["toy"], rows["older"]
    assert (mine["latency_ms_mean"], earlier["latency_ms_mean"]) == ("2.0000", "5.0000")
    assert (mine["peak_mb_mean"], mine["peak_memory_mb_mean"]) == ("26.0000", "")
    assert (earlier["peak_mb_mean"], earlier["peak_memory_mb_mean"]) == ("", "12.0000")
    assert (mine["best_images_per_s_mean"], earlier["images_per_s_mean"]) == ("80.0000", "70.0000")
    assert "train_step_ms_mean" not in mine, "what no row has is no column"
    assert "images/s in batches of 8" in shown(old)
    assert "2.00 (1.50 to 9.00)" in shown(new)


def test_a_cost_that_does_not_fit_says_so(make_result) -> None:
    result = make_result()
    lacking = result.cost.model_copy(update={"missing": {"training": f"{DOES_NOT_FIT}: CUDA out of memory"}})
    lines = shown(with_cost(result, lacking)).splitlines()
    (step,) = (line for line in lines if "training step" in line)
    assert DOES_NOT_FIT in step
    assert not any("energy" in line for line in lines), "no counter, no line"
