"""What Rein costs at inference, on top of the frozen backbone: all that depends on its tokens alone is computed once.

    python -m benchmarks.rein [--backbone dinov2-small] [--size 512x512] [--threads 2]

The backbone alone, with Rein as it predicts (each call makes sure that no parameter has changed since; the same without
making sure), and with Rein as the paper writes it (as in training: tokens, their projection and the head's queries anew
for each image). The goal is at most 12% of the backbone's time at ViT-S.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from statistics import median
from typing import cast

import torch
from torch import Tensor, nn

from bench.api import Segmenter
from bench.models.build import build_segmenter
from bench.spec import RunSpec
from benchmarks import mmseg_model, timing
from benchmarks.head import autocast, difference
from methods.rein import kept


class Ways:
    """The backbone's last map in three ways."""

    def __init__(self, segmenter: Segmenter, images: Tensor) -> None:
        self.segmenter, self.images = segmenter, images

    def alone(self) -> Tensor:
        """Without Rein."""
        return self._last(None)

    def folded(self) -> Tensor:
        """With Rein, and the head's queries."""
        adapter = self.segmenter.adapter
        assert adapter is not None
        cast(mmseg_model.Call, adapter.queries)()
        return self._last(adapter)

    def _last(self, adapter: nn.Module | None) -> Tensor:
        maps: list[Tensor] = self.segmenter.backbone(self.images, adapter)
        return maps[-1]

    def unchecked(self) -> Tensor:
        """With Rein, taking for granted that no parameter has changed."""
        with replaced(kept, "_equal", lambda *_: True):
            return self.folded()

    def plain(self) -> Tensor:
        """The same as the paper writes it."""
        with replaced(type(self.segmenter.adapter), "_folds", lambda _: False):
            return self.folded()


@contextlib.contextmanager
def replaced(owner: object, name: str, other: object) -> Iterator[None]:
    """Another attribute for a while; `unittest.mock` takes a tenth of a millisecond for that, which would be timed."""
    before = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, before)


def compare(options: argparse.Namespace) -> None:
    """Print overheads in percent of the backbone's time. Raises AssertionError where the two forms differ."""
    device = timing.begin(options)
    spec = mmseg_model.specify(options.backbone, "rein", options.set)
    ways = Ways(build_segmenter(spec).eval().to(device), torch.rand(1, 3, *options.size, device=device))
    with torch.inference_mode():
        report(ways, spec, options, device)


def report(ways: Ways, spec: RunSpec, options: argparse.Namespace, device: torch.device) -> None:
    """As `compare` says."""
    found = difference(ways.folded(), ways.plain())
    assert found < 1e-4, f"maps differ by {found}"
    print(f"{options.backbone}, {timing.text(options.size)}, {spec.head.num_queries} tokens, difference {found:.1e}")
    for precision, half in (("fp32", False), ("bf16", True)):
        all_ways = (ways.alone, ways.folded, ways.plain, ways.unchecked)
        works = [autocast(way, device) if half else way for way in all_ways]
        times: list[list[float]] = [[] for _ in works]
        for number in range(options.rounds + 1):
            for work, taken in zip(works, times, strict=True):
                spent = timing.milliseconds(work, options.clock, device)
                if number:
                    taken.append(spent)
        over = [100 * median(b / a - 1 for a, b in zip(times[0], taken, strict=True)) for taken in times[1:]]
        first, second, third, _ = (median(taken) for taken in times)
        print(f"{precision}: backbone {first:.1f} ms, with Rein {second:.1f} ms: overhead {over[0]:.1f}%;", end=" ")
        print(f"as in training {third:.1f} ms: {over[1]:.1f}%;", end=" ")
        print(f"without making sure that nothing has changed: {over[2]:.1f}%", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.parser("rein", __doc__, rounds=7)
    parser.add_argument("--backbone", default="dinov2-small")
    parser.add_argument("--size", type=timing.size, default=(512, 512), help="HEIGHTxWIDTH in pixels")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
