"""How right pseudo-labels are: `python -m benchmarks.pseudo_labels RUN --results RESULTS`.

Nobody has labels of generated images, except here: the embedded world knows what it painted. A CLOUDS run's head stands
for its teacher; its labels, and what becomes of them by refinement, are held against the renderer's on crops of the
images it was trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.api import CLASSES, IGNORE, Segmenter
from bench.data.streets import render_place
from bench.errors import UserError
from bench.generated import streets
from bench.generated.prompts import prompts_of
from bench.imports import find_run
from bench.metrics import confusion
from bench.spec import RunSpec
from bench.trained import load_trained
from benchmarks import timing
from methods.clouds import CloudsConfig
from methods.clouds.refine import components, draw_points, unite
from methods.clouds.segment_anything import SegmentAnything

Array = np.ndarray[Any, Any]


class Tally:
    """Pixels by true and given class, and how many of all were given one."""

    def __init__(self) -> None:
        self.matrix = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
        self.pixels = 0

    def add(self, given: Array, truth: Array) -> None:
        """One image; pixels that are given no class (255) count as such."""
        labelled = given != IGNORE
        self.matrix += confusion(given[labelled], truth[labelled], len(CLASSES))
        self.pixels += truth.size

    def __str__(self) -> str:
        right = np.diag(self.matrix)
        union = self.matrix.sum(0) + self.matrix.sum(1) - right
        share = 100 * self.matrix.sum() / self.pixels
        miou = 100 * float(np.mean(right[union > 0] / union[union > 0]))
        accuracy = 100 * right.sum() / max(self.matrix.sum(), 1)
        return f"{share:5.1f} % labelled, {accuracy:5.1f} % of it right, mIoU {miou:.1f}"


def compare(spec: RunSpec, segmenter: Segmenter, config: CloudsConfig, images: int) -> dict[str, Tally]:
    """The teacher's labels, those that survive the choice of components, and the refined ones."""
    prompts = prompts_of(config, torch.device("cpu"))
    refiner = None
    if config.segmenter != "none":
        refiner = SegmentAnything.from_pretrained(config.segmenter, config.second_pass)
    tallies = {"teacher": Tally(), "components": Tally(), "refined": Tally()}
    rng = np.random.default_rng(0)
    for number in range(images):
        frame = render_place(streets.place(prompts[number % len(prompts)], number), number, *config.image_size)
        height, width = spec.recipe.crop
        top, left = (
            int(rng.integers(side - crop + 1)) for side, crop in zip(config.image_size, spec.recipe.crop, strict=True)
        )
        window = np.s_[top : top + height, left : left + width]
        image = torch.from_numpy(frame.image[window]).permute(2, 0, 1).float() / 255
        with torch.no_grad():
            teacher = segmenter.logits(image[None]).argmax(1)[0].numpy().astype(np.uint8)
        found = components(teacher, config.size_threshold)
        numbers, points = draw_points(found, config.points, rng)
        refined = teacher
        if refiner is not None and len(numbers):
            masks = refiner(image, torch.from_numpy(points))
            refined = unite(masks, torch.from_numpy(found.classes[numbers])).numpy()
        given = {"teacher": teacher, "components": np.where(found.places > 0, teacher, IGNORE), "refined": refined}
        for name, label in given.items():
            tallies[name].add(label.astype(np.uint8), frame.label[window])
    return tallies


def report(options: argparse.Namespace) -> None:
    """Print one line for each of the three. Raises UserError for a run that has no such labels."""
    spec = find_run(options.run, options.results)
    if spec.method != "clouds" or spec.method_config.get("generator") != "streets":
        raise UserError(f"run {options.run} is none of CLOUDS with generator=streets")
    changes = {"segmenter": options.segmenter} if options.segmenter else {}
    config = CloudsConfig.model_validate(spec.method_config | changes)
    for name, tally in compare(spec, load_trained(spec, options.results), config, options.images).items():
        print(f"{name:10} {tally}")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.plain_parser("pseudo_labels", __doc__)
    parser.add_argument("run", help="a run of CLOUDS on streets: its result file, or its hash's first digits")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--images", type=timing.count, default=100)
    parser.add_argument("--segmenter", help="another than the run's: sam-mini, a folder of one, or none")
    timing.run(report, parser, arguments)


if __name__ == "__main__":
    main()
