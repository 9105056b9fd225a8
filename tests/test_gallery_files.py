"""The committed pictures are predictions of the very runs whose results are committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.metrics import confusion, miou, pixel_accuracy
from bench.report.page.gallery import ERROR, TRUTH, read_gallery
from bench.result import RunResult, load_all, read_per_image, result_path

RESULTS = Path(__file__).resolve().parent.parent / "results"
GALLERY = read_gallery(RESULTS)


@pytest.fixture(scope="module")
def runs() -> dict[str, RunResult]:
    return {result_path(result.spec, Path()).stem: result for result in load_all(RESULTS).results}


def test_there_are_pictures_of_several_methods_and_domains() -> None:
    assert GALLERY.problems == []
    assert len(GALLERY.samples) >= 4
    assert {"rein", "frozen", "full"} <= {run["method"] for sample in GALLERY.samples for run in sample["runs"]}
    size = sum(path.stat().st_size for path in (RESULTS / "gallery").rglob("*.*"))
    assert size < 300_000


@pytest.mark.parametrize("sample", GALLERY.samples, ids=lambda sample: sample["id"])
def test_a_picture_counts_as_its_run_counted(sample, runs) -> None:
    """Pixel for pixel, but for what a kind of CPU rounds otherwise."""
    folder = RESULTS / sample["folder"]
    ids = np.asarray(Image.open(folder / TRUTH)).copy()
    for run in sample["runs"]:
        result = runs[run["run"]]
        assert (result.spec.method, result.spec.backbone, result.spec.seed) == (
            run["method"],
            run["backbone"],
            run["seed"],
        )
        counted = read_per_image(result_path(result.spec, RESULTS), result)[sample["target"]][sample["number"]]
        predicted = np.asarray(Image.open(folder / f"{run['run']}.png"))
        mine = confusion(predicted, ids, len(counted))
        assert mine.sum() == counted.sum()
        assert np.array_equal(mine.sum(axis=1), counted.sum(axis=1)), "the ground truth is the same"
        assert np.abs(mine - counted).sum() / 2 <= 0.002 * counted.sum()
        assert run["miou"] == pytest.approx(100 * miou(mine), abs=0.006)
        assert run["pixel_accuracy"] == pytest.approx(100 * pixel_accuracy(mine), abs=0.006)
        error = np.asarray(Image.open(folder / f"{run['run']}{ERROR}"))
        assert np.array_equal(error == 1, (predicted != ids) & (ids != 255))
        assert np.array_equal(error == 2, ids == 255)
