"""How fast training samples are read and augmented: ours beside mmsegmentation's, on the same files.

    python -m benchmarks.reading [--images N] [--size 1024x2048] [--rounds R]

Both decode a picture and its label and augment by Rein's recipe, in batches of four: one worker, then two (threads
of ours, processes of torch's DataLoader for mmsegmentation, started beforehand). Rounds alternate between the two, so
that a busy machine slows both; the ratio is the median of the rounds'. Before, pictures and labels of all files are
compared, read by both without augmentation. Needs the extra `mmseg`.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from bench.data.decoders import read_grey, read_image, translate
from bench.data.labels import CLASSES, IGNORE
from bench.data.reader import Sample, SegmentationDataset
from bench.data.stream import TrainStream
from bench.data.streets import render
from bench.spec import Recipe
from benchmarks import mmseg_pipeline, timing

KINDS = ("png", "jpg")
WORKERS = (1, 2)
_LUT = np.array([*range(len(CLASSES)), *[-1] * (IGNORE - len(CLASSES)), IGNORE], np.int16)


class Files(NamedTuple):
    """A picture and its label."""

    image: Path
    label: Path


class Rates(NamedTuple):
    """Samples a second, one number a round."""

    kind: str
    """png or jpg: of the pictures; labels are PNG."""
    workers: int
    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """Ours over theirs, median of the rounds."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def write_pictures(folder: Path, images: int, height: int, width: int, kind: str) -> list[Files]:
    """Street scenes of the given size with a camera's grain, so that they compress as photographs do."""
    written = []
    for number in range(images):
        frame = render("source", number, max(height // 2, 32), max(width // 2, 64))
        image = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_CUBIC)
        grain = np.random.default_rng(number).normal(0, 1.2, image.shape)
        image = np.clip(image + grain + 0.5, 0, 255).astype(np.uint8)
        label = cv2.resize(frame.label, (width, height), interpolation=cv2.INTER_NEAREST)
        files = Files(folder / f"{number:03d}.{kind}", folder / f"{number:03d}_label.png")
        cv2.imwrite(str(files.image), image[..., ::-1])
        cv2.imwrite(str(files.label), label)
        written.append(files)
    return written


def measure(files: list[Files], recipe: Recipe, kind: str, workers: int, rounds: int) -> Rates:
    """Samples a second of both, `rounds` times in turn, after one round that does not count."""
    mine, other = ours(files, recipe, workers), theirs(files, recipe, workers)
    rates = Rates(kind, workers, [], [])
    for number in range(rounds + 1):
        for side, found in ((mine, rates.ours), (other, rates.theirs)):
            start = time.perf_counter()
            samples = side()
            if number:
                found.append(samples / (time.perf_counter() - start))
    return rates


def read(pair: Files) -> Sample:
    """A picture and its label, as our side reads them."""
    return Sample(read_image(pair.image), translate(read_grey(pair.label), _LUT), pair.image.name)


def check(files: list[Files]) -> None:
    """Read all files on both sides, without augmentation. Raises AssertionError where they differ by a number."""
    height, width = cv2.imread(str(files[0].image)).shape[:2]
    still = Recipe(crop=(height, width), short_edges=(min(height, width),), flip=0.0, photometric=False)
    pipeline = mmseg_pipeline.whole(still)
    for pair in files:
        sample, found = read(pair), pipeline(mmseg_pipeline.files(*pair))
        image = found["inputs"].numpy()[::-1].transpose(1, 2, 0)
        assert np.array_equal(sample.image, image), f"{pair.image.name}: pictures differ"
        assert np.array_equal(sample.label, found["data_samples"].gt_sem_seg.data[0].numpy()), "labels differ"


def dataset(files: list[Files]) -> SegmentationDataset:
    """The files as our side's data set."""
    names = [pair.image.name for pair in files]
    return SegmentationDataset("files", names, lambda index: read(files[index]), "", keep=False)


def ours(files: list[Files], recipe: Recipe, workers: int) -> Callable[[], int]:
    """A function that draws as many samples as there are files, in batches, and returns their number."""
    recipe = recipe.model_copy(update={"batch_size": min(recipe.batch_size, len(files))})
    stream, rounds = TrainStream(dataset(files), recipe, seed=0), itertools.count()
    steps = len(files) // recipe.batch_size

    def run() -> int:
        first = next(rounds) * steps
        return sum(len(batch.images) for batch in stream.batches(first, first + steps, workers=workers))

    return run


class _Theirs(Dataset[dict[str, Any]]):
    def __init__(self, files: list[Files], recipe: Recipe) -> None:
        self.files, self.pipeline = files, mmseg_pipeline.whole(recipe)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.pipeline(mmseg_pipeline.files(*self.files[index]))


def theirs(files: list[Files], recipe: Recipe, workers: int) -> Callable[[], int]:
    """The same by mmsegmentation's pipeline: in this process, or in those of a DataLoader."""
    from mmengine.dataset import pseudo_collate  # keeps samples apart: they are padded to one size on the device

    more: dict[str, Any] = {"num_workers": workers, "persistent_workers": True} if workers > 1 else {}
    loader = DataLoader(_Theirs(files, recipe), recipe.batch_size, collate_fn=pseudo_collate, **more)

    def run() -> int:
        return sum(len(batch["inputs"]) for batch in loader)

    return run


def compare(images: int, height: int, width: int, rounds: int, recipe: Recipe) -> list[Rates]:
    """All kinds of file and numbers of workers.

    Raises PrerequisiteError without mmsegmentation, AssertionError where the two do not read the same (`check`).
    """
    mmseg_pipeline.load_transforms()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as mmsegmentation's runs have it: a worker is a core's worth
    found = []
    try:
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                files = write_pictures(Path(folder), images, height, width, kind)
                check(files)
                found += [measure(files, recipe, kind, workers, rounds) for workers in WORKERS]
    finally:
        cv2.setNumThreads(threads)
    return found


def report(rates: list[Rates]) -> str:
    """A table with one line a comparison."""
    lines = ["pictures  workers     ours   mmseg  ratio   (samples a second, medians)"]
    for rate in rates:
        mine, other = statistics.median(rate.ours), statistics.median(rate.theirs)
        lines.append(f"{rate.kind:<8}  {rate.workers:>7}  {mine:>7.1f} {other:>7.1f}  {rate.ratio:>5.2f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exits with status 2 and one line for options that do not hold, or without mmsegmentation."""
    parser = timing.plain_parser("reading", __doc__)
    parser.add_argument(
        "--images", type=timing.count, default=24, help="pictures of each kind, written to a temporary folder"
    )
    parser.add_argument("--size", type=timing.size, default=(1024, 2048), help="height x width in pixels, as 1024x2048")
    parser.add_argument("--rounds", type=timing.count, default=5, help="measurements, of which the medians are shown")
    timing.run(
        lambda given: print(report(compare(given.images, *given.size, given.rounds, Recipe()))), parser, arguments
    )


if __name__ == "__main__":
    main()
