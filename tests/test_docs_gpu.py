"""What docs/performance.md says of a GPU is in docs/cost, where its measurements are."""

from __future__ import annotations

import re
from csv import DictReader
from itertools import product
from pathlib import Path
from statistics import median

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PERFORMANCE = (DOCS / "performance.md").read_text(encoding="utf-8")
Rows = dict[tuple[str, ...], dict[str, str]]
SURE = ("fp32", "1024")
LATENCY, STEP = "latency_median_ms", "train_step_median_ms"


def gpu_rows(name: str) -> Rows:
    with (DOCS / "cost" / name).open(encoding="utf-8", newline="") as file:
        return {
            (*(row[key] for key in ("backbone", "method", "precision")), row["height"]): row for row in DictReader(file)
        }


def test_the_table_of_a_gpu_is_what_was_measured() -> None:
    """docs/performance.md has every method on every backbone that can carry it, and docs/cost/h200.csv, rounded."""
    measured = gpu_rows("h200.csv")
    columns = {
        "latency_median_ms": (1, 0),
        "train_step_median_ms": (1, 0),
        "peak_memory_mb": (1e3, 1),
        "train_memory_mb": (1e3, 1),
    }
    found = re.findall(r"^\| (\S+) \| (\S+) \| (fp32|bf16) \|(.* / .*)\|$", PERFORMANCE, re.MULTILINE)
    backbones = ("dinov2-large", "eva02-large", "clip-large", "sam-huge", "convnext-clip-large")
    wanted = [*product(backbones, ("rein", "full", "frozen", "lora"), ("fp32", "bf16"))]
    assert [row[:3] for row in found] == [row for row in wanted if row[:2] != ("convnext-clip-large", "lora")]
    assert len(measured) == 2 * len(found) == 76
    for *names, cells in found:
        for cell, (column, (unit, digits)) in zip(cells.split("|"), columns.items(), strict=True):
            rows = [measured[*names, height] for height in ("512", "1024")]
            expected = " / ".join(f"{float(row[column]) / unit:,.{digits}f}" for row in rows)
            assert cell.strip() == expected, (names, column)


@pytest.fixture(scope="module")
def now() -> Rows:
    """The table: all of it but one row measured at once."""
    return gpu_rows("h200.csv")


@pytest.fixture(scope="module")
def twice(now: Rows) -> list[tuple[tuple[str, ...], dict[str, str], dict[str, str]]]:
    """Rows that were measured a first time, too."""
    before = gpu_rows("h200-before.csv")
    assert len(before) == 59
    return [(key, now[key], before[key]) for key in before if now[key]["commit"] != before[key]["commit"]]


def test_how_far_two_measurements_are_apart(twice) -> None:
    def apart(column: str, sure: bool) -> list[float]:
        """By how many percent the longer exceeds the shorter."""
        pairs = [(float(one[column]), float(other[column])) for key, one, other in twice if (key[2:] == SURE) == sure]
        return sorted(100 * (max(pair) / min(pair) - 1) for pair in pairs)

    assert len(twice) == 58
    latency, step = apart(LATENCY, sure=True), apart(STEP, sure=True)
    assert (
        f"{len(step)} rows of each, differ by {latency[-1]:.1f} % at most in latency (median {median(latency):.1f} %) "
        f"and by {step[-1]:.1f} % in the training step ({median(step):.1f} %)"
    ) in PERFORMANCE
    latency, step = apart(LATENCY, sure=False), apart(STEP, sure=False)
    assert (
        f"a row differs by up to {latency[-1]:.0f} % in latency (median {median(latency):.0f} %) "
        f"and {step[-1]:.0f} % in the step ({median(step):.0f} %)"
    ) in PERFORMANCE


def test_what_shows_that_a_gpu_waits(now: Rows) -> None:
    same: dict[bool, list[float]] = {True: [], False: []}
    for backbone, method, *rest in now:
        if method == "frozen":
            pair = [float(now[backbone, which, *rest][LATENCY]) for which in ("frozen", "full")]
            same[tuple(rest) == SURE].append(100 * (max(pair) / min(pair) - 1))
    text = f"in fp32 at 1024 they are within {max(same[True]):.1f} %, elsewhere up to {max(same[False]):.0f} % apart"
    assert text in PERFORMANCE

    def growth(column: str) -> list[float]:
        """Of a row in bf16, from 512 to 1024."""
        rows = [key[:3] for key in now if key[2:] == ("bf16", "512")]
        return [float(now[*row, "1024"][column]) / float(now[*row, "512"][column]) for row in rows]

    steps, latencies = growth(STEP), growth(LATENCY)
    shown = f"{sum(times <= 1.1 for times in steps)} of {len(steps)} training steps take at most a tenth longer there"
    assert shown in PERFORMANCE
    longest = f"latencies take {max(latencies):.1f} times as long at most (median {median(latencies):.1f} times)"
    assert longest in PERFORMANCE


def test_how_it_was_measured(now: Rows) -> None:
    (again,) = (key for key, row in now.items() if not row["busy_elsewhere"])
    assert again == ("dinov2-large", "lora", "bf16", "1024")
    measured = [row for key, row in now.items() if key != again]
    steps, latencies = ({int(row[f"{what}_runs"]) for row in measured} for what in ("train_step", "latency"))
    assert (min(steps), max(steps), min(latencies)) == (5, 10, 7)
    assert f"five to ten of a training step and seven to {max(latencies)} of a prediction" in PERFORMANCE
    assert f"others took at most {max(float(row['busy_elsewhere']) for row in measured) + 0.005:.2f};" in PERFORMANCE


def test_what_the_memory_of_the_second_measurement_holds(twice) -> None:
    def trainable(backbone: str, method: str) -> float:
        found = re.search(rf"^\| {backbone} \| {method} \|[^|]*\| ([\d.]+) \|", PERFORMANCE, re.MULTILINE)
        assert found is not None
        return float(found[1])

    predicting, training = [], []
    for key, one, other in twice:
        # In its process: clip-large's follows a model that could not be built, which ends one.
        first = key in {(backbone, "rein", "fp32", "512") for backbone in ("sam-huge", "clip-large")}
        tables = 17 if key[3] == "512" and not first else 0
        copies = 4 * (trainable(key[0], "rein") - trainable(key[0], "full")) if key[1] == "rein" else 0
        predicting.append(abs(float(one["peak_memory_mb"]) - float(other["peak_memory_mb"]) - tables - copies))
        training.append(abs(float(one["train_memory_mb"]) - float(other["train_memory_mb"]) - tables))
    assert f"is the first measurement's to {max(predicting):.1f} MB" in PERFORMANCE
    *most, largest = sorted(training)
    assert f"is the same to {most[-1]:.0f} MB in all rows but one ({largest:.0f} MB)" in PERFORMANCE


def test_energy_and_throughput() -> None:
    rows = gpu_rows("h200-energy.csv")
    assert len(rows) == 4
    joule, images = (
        {m: [float(rows["dinov2-large", m, "fp32", s][column]) for s in ("512", "1024")] for m in ("rein", "full")}
        for column in ("energy_j_per_image", "best_images_per_s")
    )
    rein, full = joule.values()
    energy = (
        f"takes {rein[0]:.0f} J an image at 512 and {rein[1]:.0f} J at 1024 (`full` {full[0]:.0f} and {full[1]:.0f})"
    )
    rein, full = images.values()
    rate = f"does {rein[0]:.0f} and {rein[1]:.1f} images a second at best (`full` {full[0]:.0f} and {full[1]:.1f})"
    assert energy in PERFORMANCE
    assert rate in PERFORMANCE
