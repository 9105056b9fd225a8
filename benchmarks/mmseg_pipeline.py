"""mmsegmentation's training pipeline, built from its own transforms as Rein's configuration asks for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench.spec import Recipe
from methods.mmseg import library

Pipeline = Callable[[dict[str, Any]], dict[str, Any]]


def load_transforms() -> None:
    """Import mmsegmentation's transforms. Raises PrerequisiteError where it is not installed."""
    library.load_library()
    importlib.import_module("mmseg.datasets.transforms")


def scope() -> AbstractContextManager[object]:
    """Within it, names of transforms are mmsegmentation's, also those that its transforms build themselves."""
    from mmengine.registry import DefaultScope

    return DefaultScope.overwrite_default_scope("mmseg")


def augmentation(recipe: Recipe) -> list[dict[str, Any]]:
    """The configuration of the random part: what `bench.data.transforms.train_transform` does but for padding.

    Source: Rein (arXiv 2312.04265), section 4.1 and its GTA5 configuration.
    """
    steps: list[dict[str, Any]] = [
        {
            "type": "RandomChoiceResize",
            "scales": list(recipe.short_edges),
            "resize_type": "ResizeShortestEdge",
            "max_size": recipe.long_edge_max,
        },
        {"type": "RandomCrop", "crop_size": recipe.crop, "cat_max_ratio": recipe.cat_max_ratio},
        {"type": "RandomFlip", "prob": recipe.flip},
    ]
    return [*steps, {"type": "PhotoMetricDistortion"}] if recipe.photometric else steps


def build(steps: list[dict[str, Any]]) -> Pipeline:
    """The transforms of a configuration in a row, after `load_transforms`."""
    from mmcv.transforms import Compose

    with scope():
        return Compose(steps)


def whole(recipe: Recipe) -> Pipeline:
    """From two paths to what its models are given: reading, augmentation, packing."""
    return build(
        [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, *augmentation(recipe), {"type": "PackSegInputs"}]
    )


def files(image: Path, label: Path) -> dict[str, Any]:
    """What the whole pipeline is given for one sample whose label file holds train ids."""
    paths = {"img_path": str(image), "seg_map_path": str(label)}
    return paths | {"seg_fields": [], "label_map": None, "reduce_zero_label": False}
