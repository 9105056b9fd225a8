"""What is said to be fast, at small sizes."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import ndimage

from bench.data.corruptions import corrupt
from bench.spec import Recipe
from benchmarks import corruptions, metrics, reading, refine
from benchmarks.suite.conftest import TIMER
from methods.clouds.refine import components
from methods.mmseg import library

if TYPE_CHECKING:
    from benchmarks.suite.conftest import Compared


def needs(extra: str, *packages: str) -> pytest.MarkDecorator:
    """Skip where the reference's packages are missing."""
    lacking = any(importlib.util.find_spec(package) is None for package in packages)
    return pytest.mark.skipif(lacking, reason=f"the reference is not installed: pip install -e '.[{extra}]'")


pytestmark = pytest.mark.benchmark(timer=TIMER)
LEAST = {
    "confusion uint8": 10,
    "confusion int64": 3.5,
    "gaussian_noise": 3,
    "glass_blur": 100,
    "motion_blur": 2.5,
    "zoom_blur": 8,
    "snow": 3,
    "fog": 1.8,
    "refinement": 4,
    "reading png": 0.6,
    "reading jpg": 0.6,
}
"""How many times as fast as the reference each must be; about half of what was measured (docs/ci.md)."""

with_mmseg = needs("mmseg", *library.PACKAGES)


@with_mmseg
@pytest.mark.parametrize("kind", ["uint8", "int64"])
def test_confusion(kind: str, compared: Compared) -> None:
    """mmsegmentation's counts."""
    library.load_library()
    maps = metrics.Maps(*(ids.astype(kind) for ids in metrics.street(512, 1024)))
    theirs = partial(metrics.theirs, *map(torch.from_numpy, maps))
    assert all(map(np.array_equal, metrics.ours(maps), theirs()))
    compared(partial(metrics.ours, maps), theirs, LEAST[f"confusion {kind}"])


@needs("corruptions", "imagecorruptions", "skimage")
@pytest.mark.parametrize("name", ["gaussian_noise", "glass_blur", "motion_blur", "zoom_blur", "snow", "fog"])
def test_corruption(name: str, compared: Compared) -> None:
    """The imagecorruptions package."""
    image = corruptions.scene(128, 256)
    theirs = partial(corruptions.reference(), name, image, 3, 0)
    compared(partial(corrupt, image, name, 3, 0), theirs, LEAST[name], rounds=5)


def test_refinement(compared: Compared) -> None:
    """Dense masks, one connected-component pass for each class."""
    rng = np.random.default_rng(0)
    labels, threshold = refine.label_map(256, rng), 5000 * 256**2 // 768**2
    found = components(labels, threshold)
    masks = torch.from_numpy(np.stack([ndimage.binary_dilation(mask, iterations=2) for mask in found.masks()]))
    given = (labels, threshold, masks, rng)
    assert torch.equal(refine.ours(*given), refine.dense(*given))
    compared(partial(refine.ours, *given), partial(refine.dense, *given), LEAST["refinement"])


@with_mmseg
@pytest.mark.parametrize("kind", reading.KINDS)
def test_reading(kind: str, tmp_path: Path, compared: Compared) -> None:
    """mmsegmentation's pipeline: decoding and augmentation of training samples."""
    reading.mmseg_pipeline.load_transforms()
    files = reading.write_pictures(tmp_path, 4, 256, 512, kind)
    recipe = Recipe(short_edges=(256,), crop=(128, 128))
    compared(reading.ours(files, recipe, 1), reading.theirs(files, recipe, 1), LEAST[f"reading {kind}"])
