"""benchmarks.reading: what it measures, and its table. Not how fast: that is for a quiet machine."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from mmseg_case import ROOT, load, needs_mmseg

from bench.spec import Recipe

TINY = Recipe(crop=(32, 64), short_edges=(32, 48), batch_size=4)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("reading")
    monkeypatch.syspath_prepend(str(ROOT))  # for the DataLoader's processes, where they are not forked
    return module


@needs_mmseg
def test_both_are_measured_on_every_kind_of_file_and_number_of_workers(reading: ModuleType) -> None:
    threads = cv2.getNumThreads()
    rates = reading.compare(images=6, height=64, width=128, rounds=2, recipe=TINY)
    assert [(rate.kind, rate.workers) for rate in rates] == [("png", 1), ("png", 2), ("jpg", 1), ("jpg", 2)]
    assert all(len(side) == 2 and min(side) > 0 for rate in rates for side in (rate.ours, rate.theirs))
    assert cv2.getNumThreads() == threads
    assert len(reading.report(rates).splitlines()) == 5


def test_the_ratio_is_the_median_of_the_rounds(reading: ModuleType) -> None:
    rates = reading.Rates("png", 2, ours=[10.0, 30.0, 8.0], theirs=[10.0, 10.0, 10.0])
    assert rates.ratio == 1.0
    assert reading.report([rates]).splitlines()[1].split() == ["png", "2", "10.0", "10.0", "1.00"]


@needs_mmseg
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_both_read_the_same_samples(
    reading: ModuleType, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without augmentation, a file's picture and label are the same on both sides, which `check` makes sure of."""
    files = reading.write_pictures(tmp_path, 2, 64, 128, kind)
    reading.mmseg_pipeline.load_transforms()
    reading.check(files)
    sample = reading.read(files[1])
    assert len(np.unique(sample.label)) > 5
    assert reading.ours(files, TINY, 1)() == reading.theirs(files, TINY, 1)() == 2
    for part in ("image", "label"):
        wrong = getattr(sample, part).copy()
        wrong.flat[7] ^= 1
        monkeypatch.setattr(reading, "read", lambda pair, part=part, wrong=wrong: sample._replace(**{part: wrong}))
        with pytest.raises(AssertionError, match="pictures differ" if part == "image" else "labels differ"):
            reading.check(files[1:])


@pytest.mark.parametrize("option", ["--size=64", "--size=0x4", "--images=0", "--rounds=x"])
def test_options_that_do_not_hold(reading: ModuleType, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        reading.main([option])
    assert option.partition("=")[0] in capsys.readouterr().err.splitlines()[-1]
