"""imagecorruptions (1.1.2, Apache-2.0) as it is published, made to run on current libraries. For tests and benchmarks.

What the shim changes, and nothing else: setuptools no longer has pkg_resources; scikit-image's `gaussian` takes
`channel_axis`, not `multichannel`; NumPy has no `float_`; scikit-image's `random_noise` draws from a generator of its
own, which is seeded here from NumPy's global one, from which the package draws all else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest


@cache
def package() -> ModuleType:
    """The module `imagecorruptions`; the test is skipped if it or scikit-image is not installed."""
    skimage = pytest.importorskip("skimage", reason="extra `corruptions`")
    filters = pytest.importorskip("skimage.filters")
    pytest.importorskip("skimage.color")
    pytest.importorskip("skimage.util")
    with _old_modules():
        try:
            found = importlib.import_module("imagecorruptions")
        except ModuleNotFoundError as missing:
            if missing.name != "imagecorruptions":
                raise
            pytest.skip("imagecorruptions is not installed (extra `corruptions`)")

    def gaussian(image: np.ndarray, sigma: float, multichannel: bool = False, **options: Any) -> np.ndarray:
        return filters.gaussian(image, sigma=sigma, channel_axis=-1 if multichannel else None, **options)

    def random_noise(image: np.ndarray, **options: Any) -> np.ndarray:
        drawn = np.random.randint(2**31)  # noqa: NPY002 (the package draws from NumPy's global generator)
        return skimage.util.random_noise(image, rng=drawn, **options)

    functions: Any = found.corruptions
    functions.gaussian = gaussian
    functions.sk = SimpleNamespace(color=skimage.color, util=SimpleNamespace(random_noise=random_noise))
    functions.np = _OldNumpy()
    return found


def seeded(name: str, image: np.ndarray, severity: int, seed: int) -> np.ndarray:
    """`image` corrupted by the package, a function of the arguments; NumPy's global generator is left as it was.

    Skips the test if the package is not installed.
    """
    found: Any = package()
    state = np.random.get_state()  # noqa: NPY002 (the global generator is what the package draws from)
    np.random.seed(seed)  # noqa: NPY002 (as above)
    try:
        return np.asarray(found.corrupt(image, severity=severity, corruption_name=name))
    finally:
        np.random.set_state(state)  # noqa: NPY002 (as above)


class _OldNumpy(ModuleType):
    """NumPy with the alias that version 2 took away."""

    float_ = np.float64

    def __init__(self) -> None:
        super().__init__("numpy")

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@contextmanager
def _old_modules() -> Iterator[None]:
    """Stand-ins for the modules that the package imports and that are gone or going."""
    from scipy import ndimage

    resources, interpolation = ModuleType("pkg_resources"), ModuleType("scipy.ndimage.interpolation")
    resources.resource_filename = _resource  # type: ignore[attr-defined]
    interpolation.map_coordinates = ndimage.map_coordinates  # type: ignore[attr-defined]
    stand_ins = {module.__name__: module for module in (resources, interpolation)}
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _resource(module: str, name: str) -> str:
    return str(Path(str(sys.modules[module].__file__)).parent / name)
