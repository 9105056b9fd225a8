"""What the pre-trainings share: a schedule over time, checkpoints, probes on the way, half-precision weights."""

from __future__ import annotations

import hashlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bench.models.minis.muon import Muon


def muon_and_adamw(
    named: Iterable[tuple[str, nn.Parameter]], inner: set[str], plain: set[str], recipe: dict[str, Any]
) -> list[torch.optim.Optimizer]:
    """Muon for the parameters named in `inner`, AdamW for the rest, without weight decay for those of `plain`."""
    matrices: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in named:
        (matrices if name in inner else rest if name in plain else decayed).append(parameter)
    decay = recipe["weight_decay"]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    return [
        Muon([{"params": matrices, "scale": recipe["muon_lr_scale"]}], lr=0.0, weight_decay=decay),
        torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98)),
    ]


class Training(ABC):
    """State of one pre-training; progress is measured in time, which is what one has.

    Everything random in a step follows from (seed, step), so that a run which goes on from a checkpoint equals one that
    did not stop, but for the clock.
    """

    kept: tuple[str, ...] = ("step", "seconds", "history")  # what a checkpoint holds beside model and optimisers
    log_every = 20  # steps

    def __init__(
        self,
        model: nn.Module,
        optimisers: list[torch.optim.Optimizer],
        recipe: dict[str, Any],
        checkpoint: Path,
        minutes: float,
        seed: int,
    ) -> None:
        self.optimisers, self.recipe, self.checkpoint = optimisers, recipe, checkpoint
        self.trained = model  # all that the optimisers change, and what the checkpoint holds
        self.budget, self.seed = minutes * 60.0, seed
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []

    @abstractmethod
    def one_step(self) -> dict[str, float]:
        """One optimiser step: what it reports, by name."""

    @abstractmethod
    def score(self) -> dict[str, float]:
        """How good the model is on what it was not trained with."""

    @abstractmethod
    def export(self) -> None:
        """Write the weights as they ship, and the record of how they were made."""

    @property
    def done(self) -> float:
        """Share of the time that is spent."""
        return min(1.0, self.seconds / self.budget)

    def save(self) -> None:
        part = self.checkpoint.with_suffix(".part")
        state = {"model": self.trained.state_dict(), "optimisers": [o.state_dict() for o in self.optimisers]}
        torch.save(state | {name: getattr(self, name) for name in self.kept}, part)
        part.replace(self.checkpoint)

    def load(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.trained.load_state_dict(state["model"])
            for optimiser, held in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(held)
            for name in self.kept:
                setattr(self, name, state[name])

    def warm_up_and_cool_down(self) -> None:
        """The step's learning rate: risen to the recipe's over its `warmup` steps, then a cosine over the time."""
        rising = min(1.0, (self.step + 1) / self.recipe["warmup"])
        lr = self.recipe["lr"] * rising * 0.5 * (1.0 + math.cos(math.pi * self.done))
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            group["lr"] = max(lr, 1e-5) * group.get("scale", 1.0)

    def descend(self, loss: Tensor) -> None:
        """Backward, clip, step.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"the loss of step {self.step} is {float(loss.detach())}")
        self.trained.zero_grad(set_to_none=True)
        loss.backward()
        self.gradients_are_there()
        torch.nn.utils.clip_grad_norm_(self.trained.parameters(), self.recipe["clip"])
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1

    def gradients_are_there(self) -> None:  # noqa: B027  # what several processes do, and one does not
        """Called between backward and clipping."""

    def clock(self, seconds: float) -> float:
        """The time that counts."""
        return seconds

    def run(self, probe_every: float) -> None:
        """Train until the budget is spent, probing and saving every `probe_every` seconds."""
        next_probe = self.seconds + probe_every
        totals: Counter[str] = Counter()
        while self.seconds < self.budget:
            start = time.perf_counter()
            totals.update(self.one_step())
            self.seconds = self.clock(self.seconds + time.perf_counter() - start)
            if self.step % self.log_every == 0:
                self.log(totals)
                totals.clear()
            if self.seconds >= next_probe or self.seconds >= self.budget:
                next_probe += probe_every
                self.probe()

    def log(self, totals: Counter[str]) -> None:
        shown = " ".join(f"{name} {total / self.log_every:.4f}" for name, total in totals.items())
        print(f"step {self.step} {self.seconds:.0f} s {shown}", flush=True)

    def probe(self) -> None:
        """Note how good the model is, save and export."""
        row = {"step": self.step, "seconds": round(self.seconds)}
        self.history.append(row | {name: round(value, 2) for name, value in self.score().items()})
        print(f"probe: {self.history[-1]}", flush=True)
        self.save()
        self.export()

    def record(self, **more: Any) -> dict[str, Any]:
        """What is written beside the weights."""
        return {
            "seed": self.seed,
            "recipe": self.recipe,
            "steps": self.step,
            "seconds": round(self.seconds),
            "device": "cpu",
            "torch": torch.__version__,
        } | more


def save_halved(state: dict[str, Tensor], path: Path, **metadata: str) -> str:
    """Write tensors in half precision, and return the file's sha256."""
    halved = {name: tensor.half().contiguous() for name, tensor in state.items()}
    save_file(halved, path, {"format": "pt"} | metadata)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_record(record: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
