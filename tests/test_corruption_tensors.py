"""Corruptions of batches of tensors: what `corrupt` makes of each image, on the device of the batch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.corruptions import NAMES, corrupt, corrupt_batch
from bench.data.corruptions.tensors import ON_DEVICE
from bench.errors import BenchError

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def batch(height: int, width: int) -> np.ndarray:
    """White noise, and waves over strips of pure colours, black, white and grey; (2, height, width, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows, columns, channels = np.mgrid[:height, :width, :3]
    waves = (128 + 127 * np.sin(rows / 9 + channels) * np.cos(columns / 7)).astype(np.uint8)
    for i, colour in enumerate([(0, 0, 0), (255, 255, 255), (99, 99, 99), (200, 0, 0), (0, 7, 200), (3, 250, 250)]):
        waves[4 * i : 4 * i + 4] = colour
    return np.stack((noise, waves))


def tensor(images: np.ndarray, device: str = "cpu") -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ON_DEVICE)
def test_equal_to_one_level(name: str, device: str) -> None:
    """What runs on a GPU, here on the CPU, too."""
    for size in ((32, 32), (33, 47), (97, 130)):
        images = batch(*size)
        given = tensor(images, device)
        before = given.clone()
        for severity in range(1, 6):
            found = ON_DEVICE[name](given, severity)
            assert (found.device.type, found.dtype, found.shape) == (device, torch.uint8, given.shape)
            assert torch.equal(given, before)
            if device != "cpu":
                assert torch.equal(found, corrupt_batch(given, name, severity, [0, "b"]))
            for row, image in zip(found.permute(0, 2, 3, 1).cpu().numpy(), images, strict=True):
                apart = abs(row.astype(int) - corrupt(image, name, severity, 0))
                assert (apart <= 1).mean() >= 0.999, (size, severity)
                wrong = abs(row.astype(int) - corrupt(image, name, severity % 5 + 1, 0))
                assert (wrong <= 1).mean() < 0.999, (size, severity)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*NAMES, "ice"])
def test_the_others_and_all_on_a_cpu_are_the_same_bytes(name: str, device: str) -> None:
    if device != "cpu" and name in ON_DEVICE:
        pytest.skip("computed on the GPU: equal to one level, see above")
    if name == "frost":
        pytest.importorskip("imagecorruptions", reason="frost's photographs are not installed")
    images = batch(34, 40)
    found = corrupt_batch(tensor(images, device), name, 2, [3, "b"]).permute(0, 2, 3, 1).cpu().numpy()
    for row, image, seed in zip(found, images, (3, "b"), strict=True):
        np.testing.assert_array_equal(row, corrupt(image, name, 2, seed))


def test_severity_0_and_small_images() -> None:
    given = tensor(batch(8, 9))
    for name in NAMES:
        same = corrupt_batch(given, name, 0, [0, 1])
        assert torch.equal(same, given)
        assert same.data_ptr() != given.data_ptr()
        assert corrupt_batch(given, name, 5, [0, 1]).shape == given.shape


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "gausian_noise"},
        {"severity": 6},
        {"seeds": [0]},
        {"seeds": [0, -1]},
        {"images": torch.zeros(2, 3, 40, 40)},
        {"images": torch.zeros(2, 4, 40, 40, dtype=torch.uint8)},
        {"images": torch.zeros(3, 40, 40, dtype=torch.uint8)},
        {"images": torch.zeros(0, 3, 40, 40, dtype=torch.uint8), "seeds": []},
    ],
)
def test_mistakes_get_one_line(arguments: dict[str, Any]) -> None:
    given = {"images": tensor(batch(40, 40)), "name": "fog", "severity": 3, "seeds": [0, 1]}
    with pytest.raises(BenchError) as caught:
        corrupt_batch(**given | arguments)
    assert "\n" not in str(caught.value)


def test_the_room_is_imported_without_torch() -> None:
    code = "import sys, bench.data.corruptions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
