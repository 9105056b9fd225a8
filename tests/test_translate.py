"""Ids of label files to train ids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bench.data.decoders import translate


def ids(below: int = 34, dtype: type = np.uint8) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, below, (48, 80)).astype(dtype)


def table(size: int = 256) -> npt.NDArray[np.int16]:
    """Every third id void, the others their remainder of 19, from 34 on not in the map."""
    lut = np.full(size, -1, np.int16)
    lut[:34] = [255 if i % 3 == 0 else i % 19 for i in range(34)]
    return lut


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [34, 256, 65536])
def test_ids_are_translated(dtype: type, size: int) -> None:
    labels = translate(ids(34, dtype), table(size))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, table()[ids(34)])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [34, 200, 65536])
def test_ids_that_the_map_does_not_have_are_named(dtype: type, size: int) -> None:
    some = ids(34, dtype)
    some[3, 4:9] = 40
    some[9, 9] = 211
    with pytest.raises(ValueError, match=r"^label ids that the map does not have: 40, 211$"):
        translate(some, table(size))
    some[0, :7] = range(100, 107)
    with pytest.raises(ValueError, match=r"have: 40, 100, 101, 102, 103 and 4 more$"):
        translate(some, table(size))


def test_high_ids_and_strange_tables() -> None:
    lut = np.full(65536, 255, np.int16)
    lut[65535] = 7
    assert translate(np.array([[65535, 1]], np.uint16), lut).tolist() == [[7, 255]]
    for wrong in (-2, 254, 256):
        with pytest.raises(ValueError, match="a table of train ids holds"):
            translate(ids(), np.array([wrong], np.int16))
    with pytest.raises(ValueError, match="uint8 or uint16, not int64"):
        translate(np.array([[-1]]), lut)  # type: ignore[arg-type]
