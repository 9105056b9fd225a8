"""Corruptions: the suite's against the imagecorruptions package, time and memory.

`python -m benchmarks.corruptions` takes a few minutes on one core and needs the extra `corruptions`. All is timed in
one process with the same number of OpenCV's threads, the two taking turns; figures are medians. What takes the package
more than 5 seconds it does once. Memory is the peak of what NumPy holds besides the image (OpenCV's results included,
its scratch space not), in multiples of the image in float32.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from bench.data.corruptions import COMMON, NAMES, corrupt
from bench.errors import PrerequisiteError
from benchmarks import timing

Image = npt.NDArray[np.uint8]
SLOW = 5.0
"""Seconds from which on a call of the package is not repeated."""


class Row(NamedTuple):
    """One corruption: milliseconds of both, and ours' peak memory in multiples of the float32 image."""

    name: str
    ours: float
    theirs: float
    memory: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


def scene(height: int, width: int) -> Image:
    """Smooth colours with some texture."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(0, 256, (16, 32, 3)).astype(np.float32), (width, height))
    return np.clip(coarse + rng.normal(0, 6, coarse.shape), 0, 255).astype(np.uint8)


def reference() -> Callable[[str, Image, int, int], Image]:
    """The package's corruptions as the tests have them: name, image, severity, seed.

    Raises PrerequisiteError where there is none.
    """
    if find_spec("imagecorruptions") is None or find_spec("skimage") is None:
        raise PrerequisiteError("imagecorruptions is not installed: pip install -e '.[corruptions,test]'")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "parity"))
    from oracle import seeded

    return seeded


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def memory(work: Callable[[], object], image: Image) -> float:
    """Peak of what `work` holds, in multiples of the image in float32."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / (4 * image.size)
    finally:
        tracemalloc.stop()


def measure(image: Image, severity: int, rounds: int, names: Sequence[str] = NAMES) -> list[Row]:
    """Every corruption in turn, ours and the package's after each other."""
    theirs = reference()
    rows = []
    for name in names:
        own = partial(corrupt, image, name, severity, 0)
        other = partial(theirs, name, image, severity, 0)
        own(), theirs(name, image[:32, :32], severity, 0)  # compilation, tables, first calls
        times: tuple[list[float], list[float]] = [], []
        for _ in range(rounds):
            times[0].append(milliseconds(own))
            if not times[1] or times[1][-1] < 1e3 * SLOW:
                times[1].append(milliseconds(other))
        rows.append(Row(name, median(times[0]), median(times[1]), memory(own, image)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Lines of a table; the sum is over the 16 of Cityscapes-C."""
    lines = [f"{'corruption':<18}{'ours ms':>10}{'theirs ms':>12}{'times as fast':>15}{'memory':>9}"]
    common = [row for row in rows if row.name in COMMON]
    total = Row("sum of the 16", *(sum(column) for column in zip(*(row[1:3] for row in common), strict=True)), 0.0)
    rest = [row for row in common if row.name != "glass_blur"]
    without = Row("without glass_blur", *(sum(column) for column in zip(*(row[1:3] for row in rest), strict=True)), 0.0)
    for row in (*rows, total, without):
        peak = f"{row.memory:.2f}" if row.memory else ""
        lines.append(f"{row.name:<18}{row.ours:>10.1f}{row.theirs:>12.1f}{row.ratio:>15.1f}{peak:>9}")
    return "\n".join(lines)


def report(given: argparse.Namespace) -> None:
    """Print the table. Raises PrerequisiteError without the package."""
    cv2.setNumThreads(given.threads)
    height, width = given.size
    reference()
    print(f"one image of {height} x {width}, severity {given.severity}, CPU, {given.threads} threads")
    print(table(measure(scene(height, width), given.severity, given.rounds)))


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line without the package."""
    parser = timing.plain_parser("corruptions", __doc__)
    parser.add_argument("--size", type=timing.size, default=(1024, 2048), metavar="HEIGHTxWIDTH")
    parser.add_argument("--rounds", type=timing.count, default=3)
    parser.add_argument("--severity", type=int, choices=range(1, 6), default=3)
    parser.add_argument("--threads", type=timing.count, default=1, help="of OpenCV, in both")
    timing.run(report, parser, arguments)


if __name__ == "__main__":
    main()
