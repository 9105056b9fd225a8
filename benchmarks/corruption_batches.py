"""Corruptions in torch, a batch at once on its device, against the same batch image by image on the CPU.

`python -m benchmarks.corruption_batches` takes half a minute; `--device cuda` measures a GPU, where the way of the
images to the CPU and back counts for the second. The two take turns; figures are medians, with one thread each.
"""

from __future__ import annotations

import argparse
from statistics import median

import cv2
import numpy as np
import torch

from bench.data.corruptions import corrupt
from bench.data.corruptions.tensors import ON_DEVICE
from bench.run import device_there
from benchmarks import timing
from benchmarks.corruptions import milliseconds, scene


def measure(images: torch.Tensor, name: str, severity: int, rounds: int) -> tuple[float, float]:
    """Milliseconds of a batch (B, 3, H, W) in torch, and image by image."""

    def at_once() -> None:
        ON_DEVICE[name](images, severity)
        if images.is_cuda:
            torch.cuda.synchronize()

    def one_by_one() -> torch.Tensor:
        rows = images.permute(0, 2, 3, 1).cpu().numpy()
        found = np.stack([corrupt(row, name, severity, seed) for seed, row in enumerate(rows)])
        return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous().to(images.device)

    at_once(), one_by_one()  # compilation, tables, first calls
    times = [(milliseconds(at_once), milliseconds(one_by_one)) for _ in range(rounds)]
    first, second = zip(*times, strict=True)
    return median(first), median(second)


def report(given: argparse.Namespace) -> None:
    """Print the table. Raises UserError for a device that is not there."""
    device = torch.device(*device_there(given.device))
    height, width = given.size
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    images = torch.from_numpy(scene(height, width)).permute(2, 0, 1).expand(given.batch, -1, -1, -1).contiguous()
    images = images.to(device)
    print(f"{given.batch} images of {height} x {width} on {images.device.type}, one thread")
    print(f"{'corruption':<18}{'severity':>10}{'torch ms':>12}{'one by one ms':>16}{'times as fast':>16}")
    for name in ON_DEVICE:
        for severity in (1, 3, 5):
            mine, other = measure(images, name, severity, given.rounds)
            print(f"{name:<18}{severity:>10}{mine:>12.1f}{other:>16.1f}{other / mine:>16.2f}")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.plain_parser("corruption_batches", __doc__)
    parser.add_argument("--size", type=timing.size, default=(512, 1024), metavar="HEIGHTxWIDTH")
    parser.add_argument("--batch", type=timing.count, default=4)
    parser.add_argument("--rounds", type=timing.count, default=7)
    parser.add_argument("--device", default="cpu")
    timing.run(report, parser, arguments)


if __name__ == "__main__":
    main()
