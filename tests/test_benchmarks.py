"""The benchmarks run, at a tiny size; what they compare counts the same. Times are for who runs them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from setuptools import find_packages

from methods.mmseg import library

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks.metrics, which is not installed."""
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.metrics")


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in library.PACKAGES),
    reason="mmsegmentation is not installed: pip install -e '.[mmseg]'",
)
def test_counting_is_the_same_and_its_ratio_printed(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metrics", "--size", "48", "70", "--repeats", "1", "--threads", "1"])
    benchmark.main()
    text = capsys.readouterr().out
    assert "48 x 70, 19 classes, CPU, 1 threads" in text
    for line in ("confusion, uint8 ids", "confusion, int64 ids", "calibration, predictions given", "anomalies"):
        assert f"{line}: " in text
    # The equality that is asserted before anything is timed notices a difference.
    monkeypatch.setattr(benchmark, "ours", lambda maps: benchmark.Counts(*maps, maps.label))
    with pytest.raises(AssertionError, match="counts otherwise"):
        benchmark.counting(48, 70, 1)


def test_benchmarks_are_not_packaged() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    found = set(find_packages(str(ROOT), include=patterns))
    assert {"bench", "bench.report"} <= found
    assert not {name for name in found if name.startswith("benchmarks")}
