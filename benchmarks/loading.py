"""Does reading data ever starve the model? Training steps with the run's own stream beside steps on one batch at hand.

    python -m benchmarks.loading [--backbone eva02-mini] [--iterations 20] [--images 8] [--size 1024x2048]

Two trainings of the same model take turns, by the suite's own loop: one waits for its stream, which reads and augments
ahead of it (PNG files of `--size`, or the embedded world's frames), the other has its batch already. Printed are the
share of time that the first waits for data and how much longer its steps take. Reading and computing share the cores,
so the second figure is what data costs in all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.checkpoint import Progress
from bench.data.for_run import open_for
from bench.data.reader import SegmentationDataset
from bench.data.stream import Batch, TrainStream, default_workers
from bench.models.build import build_segmenter
from bench.run import make_fabric
from bench.spec import RunSpec
from bench.train import Loop, set_up
from benchmarks import mmseg_model, timing


class Spent(NamedTuple):
    """Seconds of each iteration."""

    waiting: list[float]
    """For the stream."""
    stepping: list[float]
    """On what it gave."""
    without: list[float]
    """Of a step on a batch at hand, with nothing read beside it."""


def trainer(spec: RunSpec, device: str) -> Loop:
    """The suite's loop on a new model."""
    fabric = make_fabric(device, spec.precision)
    made = set_up(build_segmenter(spec), spec.recipe, fabric)
    made.model.train()
    return Loop(fabric, made.model, made.wrapped, spec.recipe, spec.seed, Progress(spec_hash=""), 0)


def measure(loop: Loop, stream: TrainStream, iterations: int, workers: int) -> Spent:
    """`iterations` steps with the stream after two that do not count, then as many without it."""
    spent = Spent([], [], [])
    kept: Batch | None = None
    with closing(stream.batches(0, iterations + 2, workers=workers)) as batches:
        for number, (seconds, batch) in enumerate(_timed(batches)):
            taken = _step(loop, batch)
            kept = batch
            if number >= 2:
                spent.waiting.append(seconds)
                spent.stepping.append(taken)
    assert kept is not None
    spent.without.extend(_step(loop, kept) for _ in range(iterations))
    return spent


def _timed(batches: Iterator[Batch]) -> Iterator[tuple[float, Batch]]:
    while True:
        began = time.perf_counter()
        try:
            batch = next(batches)
        except StopIteration:
            return
        yield time.perf_counter() - began, batch


def _step(loop: Loop, batch: Batch) -> float:
    began = time.perf_counter()
    loop.step(batch)  # it reads the loss: a GPU is waited for
    return time.perf_counter() - began


def files(folder: Path, images: int, size: timing.Size) -> SegmentationDataset:
    """Street scenes in PNG files."""
    from benchmarks.reading import dataset, write_pictures

    return dataset(write_pictures(folder, images, *size, "png"))


def compare(options: argparse.Namespace) -> None:
    """Print how long steps wait for data."""
    timing.begin(options)
    workers = options.workers or default_workers()
    spec = mmseg_model.specify(options.backbone, "rein", options.set)
    with tempfile.TemporaryDirectory() as folder:
        if spec.protocol == "streets" and not options.files:
            source, kind = open_for(spec, None).source, "the embedded world"
            assert source is not None
        else:
            source, kind = (
                files(Path(folder), options.images, options.size),
                f"PNG files of {timing.text(options.size)}",
            )
        loop = trainer(spec, options.device)
        spent = measure(loop, TrainStream(source, spec.recipe, 0), options.iterations, workers)
        source.cancel()
    share = 100 * sum(spent.waiting) / (sum(spent.waiting) + sum(spent.stepping))
    both = [a + b for a, b in zip(spent.waiting, spent.stepping, strict=True)]
    crop = timing.text(spec.recipe.crop)
    print(f"{options.backbone}, batches of {spec.recipe.batch_size} x {crop} from {kind}, {workers} workers")
    print(f"waiting for data: {share:.1f}% of the time, median {1e3 * median(spent.waiting):.2f} ms a step")
    print(f"a step {1e3 * median(both):.1f} ms, on a batch at hand {1e3 * median(spent.without):.1f} ms:", end=" ")
    print(f"ratio {median(both) / median(spent.without):.2f}")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.parser("loading", __doc__)
    parser.add_argument("--backbone", default="eva02-mini", help="a -mini trains as in `streets`, others as in gta2cbm")
    parser.add_argument("--iterations", type=timing.count, default=20, help="of each of the two")
    parser.add_argument("--files", action="store_true", help="read files, also for a small model of the suite")
    parser.add_argument("--images", type=timing.count, default=8, help="files that are written and read")
    parser.add_argument("--size", type=timing.size, default=(1024, 2048), help="HEIGHTxWIDTH of the files' pictures")
    parser.add_argument("--workers", type=timing.count, default=None, help="threads that read")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
