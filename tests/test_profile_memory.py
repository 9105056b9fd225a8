"""Resident memory that a prediction needs: known allocations, and what is said where the system tells less."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
from test_profile_cost import a_job

from bench.cost import measures, resident
from bench.cost.ready import set_bench


def grown(megabytes: int) -> tuple[float, str]:
    """What `_peak` finds of an allocation beside the model, and how it was counted."""
    bench = set_bench(a_job())

    def work() -> None:
        torch.ones(megabytes * 1_000_000, dtype=torch.uint8)  # every page is written, then all are given back

    resident.trim()
    found = measures._peak(bench._replace(baseline=resident.now()), work)
    own = sum(t.numel() * t.element_size() for t in (*bench.segmenter.parameters(), *bench.segmenter.buffers()))
    assert found.model_mb == pytest.approx(own / 1e6, rel=0.01)
    return found.peak_mb - found.model_mb, found.counted


def test_the_peak_is_that_of_an_allocation_of_known_size() -> None:
    # In a process of its own, as it is measured: threads of other tests hold and free memory in this one.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for megabytes in (64, 200):
            more, counted = pool.apply(grown, (megabytes,))
            assert more == pytest.approx(megabytes, abs=8)
            assert counted == "resident set, most since before the first prediction"


def test_without_a_reset_the_mark_says_what_it_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.ones(300_000_000, dtype=torch.uint8)
    monkeypatch.setattr(resident, "_CLEAR", tmp_path / "no" / "clear_refs")
    assert not resident.reset()
    mark, now = resident.high_water(False), resident.now()
    assert mark.counted.endswith("building the model included")
    assert now is not None
    assert mark.bytes >= now
    monkeypatch.setattr(resident, "_STATUS", tmp_path / "status")
    assert resident.now() is None
    assert resident.high_water(True).bytes >= 300_000_000
