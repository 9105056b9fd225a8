"""The one training loop: AdamW on the labelled source, and on generated images where a method asks for them.

Every random draw of step t (samples, augmentation, torch's generator) is a pure function of
(seed, t). A checkpoint therefore needs no generator states, and a run that was killed and goes on
gives, on the same machine, the same bits as one that was not.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric

from bench.api import Segmenter
from bench.checkpoint import Progress, load_checkpoint, save_checkpoint
from bench.data.reader import SegmentationDataset
from bench.data.stream import Batch, Joint, TrainStream
from bench.errors import BenchError, UserError
from bench.observer import Observer, Silent
from bench.result import CurvePoint
from bench.spec import Recipe

_CURVE_POINTS = 100
CHECKPOINT_SECONDS = 20.0


class Diverged(BenchError):
    """The loss or its gradient stopped being a number."""


class Training(NamedTuple):
    """What a finished training has to tell."""

    curve: list[CurvePoint]
    seconds: float
    """Wall time of all attempts."""
    earlier: float
    """That of the attempts before this one."""
    steps: int
    """Iterations done in this attempt: 0 if training was finished before."""
    generated: str | None = None
    """Checksum over the generated images that were trained on."""


def lr_factor(step: int, recipe: Recipe, iterations: int | None = None) -> float:
    """Learning rate of a phase's iteration `step` (from 0) as a share of the base: linear warm-up, then poly to 0.

    The phase has `iterations`, by default the recipe's.
    """
    if step < recipe.warmup:
        return (step + 1) / (recipe.warmup + 1)
    left = 1 - (step - recipe.warmup) / max((iterations or recipe.iterations) - recipe.warmup, 1)
    return float(left**recipe.power)


def parameter_groups(segmenter: Segmenter, recipe: Recipe) -> list[dict[str, Any]]:
    """Trainable parameters by (learning-rate factor, decayed or not), as the segmenter says of each."""
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in segmenter.named_parameters():
        if parameter.requires_grad:
            kind = (segmenter.lr_scale(name), segmenter.no_decay(name))
            groups.setdefault(kind, []).append(parameter)
    return [
        {"params": held, "lr_scale": scale, "weight_decay": 0.0 if exempt else recipe.weight_decay}
        for (scale, exempt), held in groups.items()
    ]


class SetUp(NamedTuple):
    """What Fabric made of a segmenter and its optimiser."""

    model: Any
    optimizer: torch.optim.AdamW
    wrapped: Any
    """The optimiser as the loop steps it."""


def set_up(segmenter: Segmenter, recipe: Recipe, fabric: Fabric) -> SetUp:
    """Move `segmenter` to the device, with the recipe's AdamW over what of it trains."""
    optimizer = torch.optim.AdamW(parameter_groups(segmenter, recipe), lr=recipe.lr, betas=recipe.betas, fused=True)
    model, wrapped = fabric.setup(segmenter, optimizer)
    model.mark_forward_method("loss")
    model.mark_forward_method("pseudo_labels")
    return SetUp(model, optimizer, wrapped)


def step_seed(seed: int, step: int) -> int:
    """Seed of torch's generators for one step."""
    return int(np.random.SeedSequence((seed, 3, step)).generate_state(1, np.uint64)[0])


def train(
    segmenter: Segmenter,
    source: SegmentationDataset | None,
    recipe: Recipe,
    joint_iterations: int = 0,
    *,
    seed: int,
    spec_hash: str,
    checkpoint: Path,
    fabric: Fabric,
    observer: Observer | None = None,
    workers: int | None = None,
    joint: Joint | None = None,
) -> Training:
    """Train `segmenter` in place, going on from `checkpoint` if there is one; of a finished one no source is needed.

    After the recipe's iterations come the `joint_iterations`, with the images of `joint` mixed in: learning rate and
    optimiser begin anew, and the segmenter labels what is generated.

    Saves every `CHECKPOINT_SECONDS`, when interrupted (SIGINT, SIGTERM: KeyboardInterrupt follows the save), and at
    the end, then without the optimiser. Images in files are read by `workers` threads. Raises Diverged when the loss
    is not finite and DamagedFile for a checkpoint that cannot be used.
    """
    observer = observer or Silent()
    model, optimizer, wrapped = set_up(segmenter, recipe, fabric)
    progress = load_checkpoint(checkpoint, spec_hash, segmenter, optimizer) or Progress(spec_hash=spec_hash)
    first, earlier, last = progress.step, progress.seconds, recipe.iterations + joint_iterations
    observer.start("train", last, first)
    if first < last:
        assert source is not None, "a training that is not finished needs its source"
        _require_same_images(progress, joint, checkpoint)
        segmenter.train()
        loop = Loop(fabric, model, wrapped, recipe, seed, progress, joint_iterations)
        stream = TrainStream(source, recipe, seed, joint)
        _to_the_end(
            loop, stream, workers, observer, lambda: save_checkpoint(checkpoint, progress, segmenter, optimizer)
        )
        save_checkpoint(checkpoint, progress, segmenter)
    segmenter.eval()
    observer.finish("train")
    return Training(progress.curve, progress.seconds, earlier, progress.step - first, progress.generated)


def _require_same_images(progress: Progress, joint: Joint | None, checkpoint: Path) -> None:
    """Note which generated images are trained on; raise UserError where they are not those that training began with."""
    images = None if joint is None else joint.generated.revision
    if progress.step and progress.generated != images:
        raise UserError(f"the generated images are not those that this training began with: delete {checkpoint}")
    progress.generated = images


def _to_the_end(
    loop: Loop, stream: TrainStream, workers: int | None, observer: Observer, save: Callable[[], None]
) -> None:
    """All steps that are left, saved now and then, and before KeyboardInterrupt is raised for a signal."""
    first, last, keep = loop.progress.step, loop.last, stream.dataset.keep
    if keep:
        observer.start("images", len(stream.samples(first, last)))

    def made() -> None:
        observer.advance("images")
        if interrupted.is_set():
            raise KeyboardInterrupt

    last_saved = time.monotonic()
    with (
        _interruption() as interrupted,
        closing(stream.batches(first, last, made=made, workers=workers)) as batches,
    ):
        for batch in batches:
            loss = loop.step(batch)
            observer.advance("train", 1, f"loss {loss:.2f}")
            late = time.monotonic() - last_saved > CHECKPOINT_SECONDS
            if interrupted.is_set() or (late and loop.progress.step < last):
                save()
                last_saved = time.monotonic()
            if interrupted.is_set():
                raise KeyboardInterrupt
    if keep:
        observer.finish("images")


class Loop:
    """One iteration at a time; keeps `progress` true after each."""

    def __init__(
        self, fabric: Fabric, model: Any, optimizer: Any, recipe: Recipe, seed: int, progress: Progress, joint: int
    ) -> None:
        self.fabric, self.model, self.optimizer = fabric, model, optimizer
        self.recipe, self.seed, self.progress = recipe, seed, progress
        self.joint, self.last = joint, recipe.iterations + joint
        self.every = max(1, self.last // _CURVE_POINTS)
        self.clock = time.monotonic()

    def step(self, batch: Batch) -> float:
        """Do iteration `progress.step`; returns its loss."""
        step = self.progress.step
        torch.manual_seed(step_seed(self.seed, step))
        rate = self._begin(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        images = torch.from_numpy(batch.images).to(self.fabric.device).float().div_(255)
        labels = torch.from_numpy(batch.labels).to(self.fabric.device).long()
        if batch.clean is not None:
            clean = torch.from_numpy(batch.clean).to(self.fabric.device).float().div_(255)
            labels[list(batch.generated)] = self._pseudo_labels(clean)
        # Fabric enters its precision for `forward` alone; on one device a marked method is the module's own.
        with self.fabric.autocast():
            terms = self.model.loss(images, labels).values()
        loss = torch.stack([term.float() for term in terms]).sum()
        value = float(loss.detach())
        self._require_finite(value, "loss")
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self._clip()
        self.optimizer.step()
        self._record(value, rate)
        return value

    def _begin(self, step: int) -> float:
        """Tell the segmenter of the joint phase, with which the optimiser begins anew; returns the learning rate."""
        joint = step - self.recipe.iterations
        if joint < 0:
            return self.recipe.lr * lr_factor(step, self.recipe)
        if joint == 0:
            self.optimizer.state.clear()
        self.model.module.before_joint_step(joint)
        return self.recipe.lr * lr_factor(joint, self.recipe, self.joint)

    @torch.no_grad()
    def _pseudo_labels(self, clean: torch.Tensor) -> torch.Tensor:
        with self.fabric.autocast():
            labels: torch.Tensor = self.model.pseudo_labels(clean)
        return labels

    def _clip(self) -> None:
        if self.recipe.clip_norm is not None:
            held = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            norm = torch.nn.utils.clip_grad_norm_(held, self.recipe.clip_norm)
            self._require_finite(float(norm), "gradient")

    def _require_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise Diverged(
                f"the {what} is {value} at iteration {self.progress.step}; lower recipe.lr, "
                "set recipe.clip_norm, or use --precision fp32"
            )

    def _record(self, loss: float, rate: float) -> None:
        progress, now = self.progress, time.monotonic()
        progress.step += 1
        progress.seconds += now - self.clock
        self.clock = now
        progress.recent.append(loss)
        if progress.step % self.every == 0 or progress.step == self.last:
            mean = float(np.mean(progress.recent))
            progress.curve.append(CurvePoint(iteration=progress.step, loss=mean, lr=rate))
            progress.recent.clear()


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets, so that a step is finished before training stops.

    A second signal acts as usual, at once. Outside the main thread signals are left alone.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: object) -> None:
        asked.set()
        restore()

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        restore()
