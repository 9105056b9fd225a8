"""What the tests beside mmsegmentation's pipeline share: scenes, and the pipeline of `benchmarks/`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bench.data.labels import IGNORE
from bench.data.reader import Sample
from bench.spec import Recipe
from methods.mmseg import library

Array = npt.NDArray[np.generic]
REIN = Recipe()
ROOT = Path(__file__).resolve().parents[2]

needs_mmseg = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in library.PACKAGES),
    reason="mmsegmentation is not installed: pip install -e '.[mmseg]'",
)


def load(module: str = "mmseg_pipeline") -> ModuleType:
    """A module of benchmarks/, which is in the checkout but not among what is installed."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"benchmarks.{module}")
    finally:
        sys.path.remove(str(ROOT))


def sample(height: int, width: int, seed: int = 0) -> Sample:
    """A smooth coloured scene with grain, and a label of blocks in 19 classes with void."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 40 + 1, width // 40 + 1, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    blocks = rng.integers(0, 20, (height // 60 + 1, width // 60 + 1)).astype(np.uint8)
    label = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
    return Sample(image, np.where(label == 19, IGNORE, label).astype(np.uint8), "x")


def given(image: Array, label: Array) -> dict[str, Any]:
    """What mmsegmentation's transforms take: BGR."""
    return {"img": np.ascontiguousarray(image[..., ::-1]), "gt_seg_map": label.copy(), "seg_fields": ["gt_seg_map"]}
