"""Does reading data ever starve the model? Training steps with the run's own stream beside steps on one batch at hand.

    python -m benchmarks.loading [--backbone eva02-mini] [--iterations 7] [--images 8] [--size 1024x2048]

Two trainings of the same model take turns, by the suite's own loop: one waits for its stream, which reads and augments
ahead of it (PNG files of `--size`, or the embedded world's frames), the other has its batch already; nothing is read
during its turn. Before, both do the same two steps, one from the stream, one from batches that are read one by one:
batches and losses have to be equal. Printed are the share of time that the first waits for data and how much longer its
steps take. Reading and computing share the cores, so the second figure is what data costs in all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from bench.checkpoint import Progress
from bench.data.for_run import open_for
from bench.data.reader import SegmentationDataset
from bench.data.stream import Batch, TrainStream, default_workers
from bench.errors import UserError
from bench.models.build import build_segmenter
from bench.run import make_fabric
from bench.spec import RunSpec
from bench.train import Loop, set_up
from benchmarks import mmseg_model, timing


class Spent(NamedTuple):
    """Seconds of each iteration, of one round or more."""

    waiting: list[float]
    """For the stream."""
    stepping: list[float]
    """On what it gave."""
    without: list[float]
    """Of a step on a batch at hand, with nothing read beside it."""

    @property
    def step(self) -> float:
        """Median seconds of a step with the stream."""
        return median(a + b for a, b in zip(self.waiting, self.stepping, strict=True))


class Both(NamedTuple):
    """Two trainings from the same start: what a stream gives, and batches at hand."""

    fed: Loop
    at_hand: Loop


def trainer(spec: RunSpec, device: str) -> Loop:
    """The suite's loop on a new model."""
    fabric = make_fabric(device, spec.precision)
    made = set_up(build_segmenter(spec), spec.recipe, fabric)
    made.model.train()
    return Loop(fabric, made.model, made.wrapped, spec.recipe, spec.seed, Progress(spec_hash=""), 0)


def check(both: Both, stream: TrainStream, workers: int) -> None:
    """Two steps of each. Raises AssertionError where their batches or losses are not equal."""
    with closing(stream.batches(0, 2, workers=workers)) as batches:
        for number, batch in enumerate(batches):
            own = stream.batch(number)
            assert np.array_equal(batch.images, own.images), "the stream's images are not those read one by one"
            assert np.array_equal(batch.labels, own.labels), "the stream's labels are not those read one by one"
            losses = both.fed.step(batch), both.at_hand.step(own)
            assert losses[0] == losses[1], f"losses differ: {losses}"


def measure(both: Both, stream: TrainStream, options: argparse.Namespace, workers: int) -> list[Spent]:
    """As many rounds as the options say, the first of the two alternating."""
    batch, first, rounds = stream.batch(0), 2, []
    for number in range(options.rounds):
        spent = Spent([], [], [])

        def fed(spent: Spent = spent, first: int = first) -> None:
            # One more, which does not count: reading begins.
            with closing(stream.batches(first, first + options.iterations + 1, workers=workers)) as batches:
                for index, (seconds, batch) in enumerate(_timed(batches)):
                    taken = _step(both.fed, batch)
                    if index:
                        spent.waiting.append(seconds)
                        spent.stepping.append(taken)

        def at_hand(spent: Spent = spent) -> None:
            spent.without.extend(_step(both.at_hand, batch) for _ in range(options.iterations))

        for turn in (fed, at_hand)[:: -1 if number % 2 else 1]:
            turn()
        first += options.iterations + 1
        rounds.append(spent)
    return rounds


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
    """Print how long steps wait for data. Raises AssertionError where the two trainings differ (`check`)."""
    timing.begin(options)
    if options.clock != "wall":
        raise UserError("who waits computes nothing: leave --clock out")
    workers = options.workers or default_workers()
    spec = mmseg_model.specify(options.backbone, "rein", options.set)
    with tempfile.TemporaryDirectory() as folder:
        if spec.protocol == "streets" and not options.files:
            source, kind = open_for(spec, None).source, "the embedded world"
            assert source is not None
        else:
            source = files(Path(folder), options.images, options.size)
            kind = f"PNG files of {timing.text(options.size)}"
        both, stream = Both(*(trainer(spec, options.device) for _ in range(2))), TrainStream(source, spec.recipe, 0)
        check(both, stream, workers)
        crop = timing.text(spec.recipe.crop)
        print(f"{options.backbone}, batches of {spec.recipe.batch_size} x {crop} from {kind}, {workers} workers")
        print("batches and losses of two steps are equal to those without a stream", flush=True)
        report(measure(both, stream, options, workers))
        source.cancel()


def report(rounds: list[Spent]) -> None:
    """Print the figures."""
    spent = Spent(*(list(chain.from_iterable(parts)) for parts in zip(*rounds, strict=True)))
    share = 100 * sum(spent.waiting) / (sum(spent.waiting) + sum(spent.stepping))
    print(f"waiting for data: {share:.1f}% of the time, median {1e3 * median(spent.waiting):.2f} ms a step")
    print(f"a step {1e3 * spent.step:.1f} ms, on a batch at hand {1e3 * median(spent.without):.1f} ms:", end=" ")
    print(f"ratio {median(one.step / median(one.without) for one in rounds):.2f}")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.parser("loading", __doc__, rounds=3)
    parser.add_argument("--backbone", default="eva02-mini", help="a -mini trains as in `streets`, others as in gta2cbm")
    parser.add_argument("--iterations", type=timing.count, default=7, help="of each of the two in a round")
    parser.add_argument("--files", action="store_true", help="read files, also for a small model of the suite")
    parser.add_argument("--images", type=timing.count, default=8, help="files that are written and read")
    parser.add_argument("--size", type=timing.size, default=(1024, 2048), help="HEIGHTxWIDTH of the files' pictures")
    parser.add_argument("--workers", type=timing.count, default=None, help="threads that read")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, as of `python -m bench run`")
    timing.run(compare, parser, arguments)


if __name__ == "__main__":
    main()
