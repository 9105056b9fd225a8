"""mmsegmentation without compiled operators: mmcv-lite has none, and its modules refuse to be imported without them."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import NoReturn, cast

from torch import Tensor

from bench.api import PrerequisiteError

PACKAGES = ("mmengine", "mmcv", "mmdet", "mmseg", "ftfy", "regex")
"""What the extra `mmseg` brings, by import name: all that mmseg.models imports."""


def require_packages() -> None:
    """Raise PrerequisiteError unless the extra `mmseg` is installed; imports nothing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise PrerequisiteError(f"method mmseg needs {missing[0]}, which is not installed: pip install -e '.[mmseg]'")


class _NoOperators(ModuleType):
    """Stands for `mmcv._ext`: every operator is there, and says when called that it is not."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def absent(*_: object, **__: object) -> NoReturn:
            raise PrerequisiteError(f"mmcv's compiled operator {name} is called, but mmcv-lite has none: install mmcv")

        return absent


def load_library() -> None:
    """Import mmsegmentation, on the stand-in for mmcv's operators where they are not installed."""
    require_packages()
    if "mmcv._ext" not in sys.modules and importlib.util.find_spec("mmcv._ext") is None:
        sys.modules["mmcv._ext"] = _NoOperators("mmcv._ext")
        attention = importlib.import_module("mmcv.ops.multi_scale_deform_attn")
        # mmcv takes the operator wherever tensors are on a GPU; its pure PyTorch path runs there as well.
        vars(attention)["MultiScaleDeformableAttnFunction"] = _PureAttention
    warnings.filterwarnings("ignore", message="torch.meshgrid")  # mmdet's call, once a process
    importlib.import_module("mmseg.models")


class _PureAttention:
    """Called as mmcv's autograd function is, computed by mmcv's own PyTorch version of it."""

    @staticmethod
    def apply(value: Tensor, shapes: Tensor, _starts: Tensor, points: Tensor, weights: Tensor, _step: int) -> Tensor:
        attention = importlib.import_module("mmcv.ops.multi_scale_deform_attn")
        return cast(Tensor, attention.multi_scale_deformable_attn_pytorch(value, shapes, points, weights))


@contextmanager
def quiet() -> Iterator[None]:
    """Without mmengine's account of every parameter's initialisation, and advice to those who wrote the config."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
