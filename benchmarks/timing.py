"""What the benchmarks of speed share: two ways to the same thing take turns, and a line says how they compare."""

from __future__ import annotations

import argparse
import gc
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import torch

from bench.errors import BenchError
from bench.run import device_there

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""Time on the wall, and time that this process computed, which other jobs on the machine stretch less."""
Work = Callable[[], object]
Size = tuple[int, int]
"""Height, width in pixels."""


class Pair(NamedTuple):
    """Milliseconds of both, one number a round."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """How many times as long theirs takes: the median of the rounds' ratios."""
        return median(b / a for a, b in zip(self.ours, self.theirs, strict=True))

    def line(self, what: str, ours: str = "ours", theirs: str = "mmseg") -> str:
        """One line: what was done, both medians and the ratio."""
        first, second = median(self.ours), median(self.theirs)
        return f"{what:<34} {ours} {first:>8.1f} ms   {theirs} {second:>8.1f} ms   ratio {self.ratio:.2f}"


def milliseconds(work: Work, clock: str = "wall", device: torch.device | None = None) -> float:
    """How long `work` takes; a GPU is waited for before and after."""
    _wait(device)
    began = CLOCKS[clock]()
    work()
    _wait(device)
    return 1e3 * (CLOCKS[clock]() - began)


def take_turns(ours: Work, theirs: Work, options: argparse.Namespace, device: torch.device | None = None) -> Pair:
    """Both once uncounted, then as many rounds as the options say, in turn, the first one alternating."""
    ours(), theirs()
    found = Pair([], [])
    for number in range(options.rounds):
        gc.collect()
        works = [(ours, found.ours), (theirs, found.theirs)]
        for work, times in works[:: -1 if number % 2 else 1]:
            times.append(milliseconds(work, options.clock, device))
    return found


def alone(work: Work, options: argparse.Namespace, device: torch.device | None = None) -> float:
    """Median milliseconds of one thing, called once uncounted."""
    work()
    return median(milliseconds(work, options.clock, device) for _ in range(options.rounds))


def plain_parser(module: str, about: str | None) -> argparse.ArgumentParser:
    """Without any options; the first line of `about` is the summary."""
    return argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=(about or "").partition("\n")[0])


def parser(module: str, about: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """With the options that scripts of speed share."""
    found = plain_parser(module, about)
    found.add_argument("--rounds", type=count, default=rounds, help="measurements, of which medians are shown")
    found.add_argument("--threads", type=count, default=torch.get_num_threads(), help="of torch and OpenCV")
    found.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine, with one thread")
    found.add_argument("--device", default="cpu", help="cpu or cuda")
    return found


def begin(options: argparse.Namespace) -> torch.device:
    """Set threads and seed, print where this is measured; returns the device. Raises UserError where there is none."""
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    torch.manual_seed(0)
    device = torch.device(*device_there(options.device))
    print(
        f"{name_of(device)}, torch {torch.__version__}, {options.clock} time, medians of {options.rounds}", flush=True
    )
    return device


def name_of(device: torch.device) -> str:
    """The GPU's name, or the processor's, as far as the system tells, and how many threads torch has."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu()}, {torch.get_num_threads()} threads"


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def run(main: Callable[[argparse.Namespace], None], options: argparse.ArgumentParser, given: list[str] | None) -> None:
    """Call `main` with the options; what a user can mend is one line and exit status 2."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    try:
        main(options.parse_args(given))
    except BenchError as error:
        options.exit(2, f"{options.prog}: {error}\n")
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def count(given: str) -> int:
    """A number from 1 on, of the command line."""
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is not a number from 1 on")
    return int(given)


def size(given: str) -> Size:
    """HEIGHTxWIDTH, of the command line."""
    height, _, width = given.partition("x")
    return count(height), count(width)


def text(size: Size) -> str:
    """What `size` reads."""
    return f"{size[0]}x{size[1]}"


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
