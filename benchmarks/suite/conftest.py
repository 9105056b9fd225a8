"""`compared`: a function against its reference, the two taking turns in one run; their ratio decides, never seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, Protocol

import cv2
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

TIMER = time.process_time
"""Processor time: what else the machine does counts for neither side, however long each of them is."""
RATIOS: dict[str, tuple[float, float]] = {}
"""Test -> how many times as fast as the reference it was, and has to be at least."""


class Compared(Protocol):
    """Time `ours` and `reference` by turns; fail where the median of the rounds' ratios is below `least`."""

    def __call__(
        self, ours: Callable[[], object], reference: Callable[[], object], least: float, rounds: int = ...
    ) -> None: ...


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For both sides alike."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


@pytest.fixture
def compared(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Compared:
    """The fixture; with `--benchmark-disable` both are only called once."""

    def compare(ours: Callable[[], object], reference: Callable[[], object], least: float, rounds: int = 9) -> None:
        times: list[float] = []

        def turn() -> None:
            began = TIMER()
            reference()
            times.append(TIMER() - began)

        # What is called before each round is not timed with it: so the reference takes every other turn.
        benchmark.pedantic(ours, setup=turn, rounds=rounds, warmup_rounds=1)
        if benchmark.disabled:
            return
        # Round by round: what slows the machine for a while slows both. The first turn was before the warm-up.
        pairs = zip(times[1:], benchmark.stats.stats.data, strict=True)
        ratio = median(theirs / mine for theirs, mine in pairs)
        benchmark.extra_info["times as fast as the reference"] = ratio
        RATIOS[request.node.name] = (ratio, least)
        assert ratio >= least, f"{ratio:.2f} times as fast as the reference, not {least}"

    return compare


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line a comparison."""
    if RATIOS:
        terminalreporter.section("times as fast as the reference (and at least)")
    for name, (ratio, least) in RATIOS.items():
        terminalreporter.write_line(f"{name:<40}{ratio:>8.2f} ({least:g})")
