"""The first steps of a training: moved by a change of loss, optimiser, data or augmentation, not by the machine."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.api import Segmenter
from bench.checkpoint import Progress
from bench.cost.counts import parts
from bench.data.for_run import open_for
from bench.data.stream import TrainStream
from bench.gate.response import speak
from bench.run import make_fabric
from bench.spec import RunSpec
from bench.train import Loop, set_up

STEPS, IMAGES = 3, 2


def first_steps(segmenter: Segmenter, spec: RunSpec, data_root: Path | None = None) -> dict[str, float]:
    """What the suite's own loop makes of a freshly built model in three steps of two images each.

    The loss of each step, and how far the trainable parameters of backbone, head and adapter have moved in the end
    (Euclidean norm). As in a response, every trainable parameter is moved by fixed noise first, so that all of them
    matter. On the CPU, in 32 bits, whatever the run's device and precision. Changes `segmenter`. Raises what opening
    the sources raises, and Diverged.
    """
    source = open_for(spec, data_root, only=[spec.targets[0].name]).source
    assert source is not None, "a run has sources"
    recipe = spec.recipe.model_copy(update={"batch_size": min(IMAGES, spec.recipe.batch_size)})
    speak(segmenter)
    before = {part: [held.detach().clone() for held in of] for part, of in _trained(segmenter).items()}
    fabric = make_fabric("cpu", "fp32")
    ready = set_up(segmenter, recipe, fabric)
    segmenter.train()
    progress = Progress(spec_hash="")
    loop = Loop(fabric, ready.model, ready.wrapped, recipe, spec.seed, progress, spec.joint_iterations)
    stream = TrainStream(source, recipe, spec.seed)
    found = {f"loss of step {step + 1}": loop.step(stream.batch(step)) for step in range(min(STEPS, recipe.iterations))}
    for part, of in _trained(segmenter).items():
        apart = [torch.linalg.vector_norm(now.detach() - old) for now, old in zip(of, before[part], strict=True)]
        found[f"{part} moved"] = float(torch.linalg.vector_norm(torch.stack(apart).double()))
    return found


def _trained(segmenter: Segmenter) -> dict[str, list[torch.nn.Parameter]]:
    """The trainable parameters of each part that has any."""
    found = {part: [held for held in of if held.requires_grad] for part, of in parts(segmenter).items()}
    return {part: of for part, of in found.items() if of}
