"""Script of test_run: one small run that kills its own process, for real, once a task has got so far.

killed_run.py RESULTS [TASK STEPS]
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from bench import train
from bench.observer import Silent
from bench.resolve import resolve
from bench.run import run
from bench.spec import RunSpec


def small_spec(seed: int = 0) -> RunSpec:
    """Rein on an untrained eva02-mini, five steps, three targets of a few images."""
    settings = [
        *("weights=random", "recipe.iterations=5", "recipe.batch_size=1", "recipe.crop=[64,128]"),
        *("head.hidden=32", "head.heads=2", "head.num_queries=8", "head.encoder_layers=1", "head.decoder_layers=1"),
        *("head.encoder_ffn=16", "head.decoder_ffn=16", "head.loss_points=64"),
    ]
    spec = resolve("rein", "eva02", seed=seed, sets=settings)
    wanted = {"source": 3, "weather-rain": 2, "shot_noise": 2}
    few = [
        target.model_copy(update={"images": wanted[target.name]}) for target in spec.targets if target.name in wanted
    ]
    return spec.model_copy(update={"targets": tuple(few)})


class KillAt(Silent):
    """Sends SIGKILL to this process when `task` has done `steps`; -1 when it starts."""

    def __init__(self, task: str, steps: int) -> None:
        self.task, self.steps = task, steps

    def start(self, task: str, total: int, done: int = 0) -> None:
        if task == self.task and self.steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def advance(self, task: str, steps: int = 1, note: str = "") -> None:
        if task == self.task:
            self.steps -= steps
            if self.steps <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train.CHECKPOINT_SECONDS = 0.0  # after every step, so that there is something to go on from
    watcher = KillAt(sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else Silent()
    run(small_spec(), results=Path(sys.argv[1]), device="cpu", observer=watcher)
