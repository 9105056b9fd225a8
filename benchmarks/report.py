"""How long `python -m bench report` takes on thousands of result files, on one core.

`python -m benchmarks.report` makes 5,000 result files (methods x backbones x seeds x protocols of made-up names) and
times the command in a process of its own. Each has the counts of one of the repository's own runs, so they are as
large as real ones (24 targets of 19 classes, 100 points of a training curve, 65 kB), and so is what has to be checked;
with `--per-image` each has that run's counts of single images beside it (100 kB more), and what rests on them is made
too: the ranks, by 10,000 draws of the bootstrap for each pair of a table's first 20 rows. `--html` writes the page.
`--cold` has the system forget the files before each repeat, so that they come from the disk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

from bench.per_image import per_image_path
from bench.result import read_result, result_path
from bench.spec import spec_hash
from bench.writing import encode

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / "results" / "streets"
SEEDS, METHODS, BACKBONES = 5, 10, 20
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def specs(files: int) -> Iterator[dict[str, str | int]]:
    """What tells each run from the others."""
    grid = product(range(files), range(METHODS), range(BACKBONES), range(SEEDS))
    for protocol, method, backbone, seed in islice(grid, files):
        names = {"protocol": f"protocol-{protocol}", "method": f"method-{method}", "backbone": f"vit-{backbone}"}
        yield {**names, "seed": seed}


def make(root: Path, files: int, per_image: bool) -> None:
    """Write the files below `root`."""
    own = [(path, read_result(path), path.read_text(encoding="utf-8")) for path in sorted(OWN.rglob("*.json"))]
    for number, changes in enumerate(specs(files)):
        path, result, text = own[number // SEEDS % len(own)]  # seeds of one method differ in nothing else
        spec = result.spec.model_copy(update=changes)
        old, new = (encode(one.model_dump(mode="json"), " ") for one in (result.spec, spec))
        to = result_path(spec, root)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text.replace(old, new).replace(result.spec_hash, spec_hash(spec)), encoding="utf-8")
        if per_image:
            os.link(_once(per_image_path(path), root), per_image_path(to))


def _once(source: Path, root: Path) -> Path:
    """A copy on the same file system, of which the others are links."""
    copy = root / ".counts" / source.name
    copy.parent.mkdir(exist_ok=True)
    if not copy.exists():
        copy.write_bytes(source.read_bytes())
    return copy


def forget(root: Path) -> None:
    """Have the system drop what it keeps of the files below `root` in memory. Linux."""
    for path in root.rglob("*.*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())  # only what is on the disk can be dropped
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Seconds(NamedTuple):
    """Of one run of the command."""

    wall: float
    processor: float
    """Less than the wall time where other work goes on."""


def seconds(root: Path, *options: str) -> Seconds:
    """Of the whole command, the start of Python included. Raises CalledProcessError where it fails."""
    began, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "bench", "report", "--results", str(root), *options]
    subprocess.run(command, cwd=ROOT, env=os.environ | ONE_CORE, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Seconds(time.perf_counter() - began, used)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--per-image", action="store_true")
    parser.add_argument("--html", action="store_true", help="with the page")
    parser.add_argument("--cold", action="store_true", help="files from the disk, not from memory (Linux)")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), given.files, given.per_image)
        options = ["--html", f"{folder}/.site"] if given.html else []
        taken = []
        for _ in range(given.repeats):
            if given.cold:
                forget(Path(folder))
            taken.append(seconds(Path(folder), *options))
    wall, processor = (sorted(each) for each in zip(*taken, strict=True))
    print(f"{given.files} result files on one core: {wall[0]:.1f} s at best, {wall[-1]:.1f} s at worst")
    print(f"of the processor: {processor[0]:.1f} s at best, {processor[-1]:.1f} s at worst")


if __name__ == "__main__":
    main()
