"""Pre-train a mini backbone: `python -m bench.models.minis.pretrain eva02-mini --minutes 60 --out DIR`.

Self-supervised: no label of the world is used. Writes NAME.safetensors (half precision) and NAME.json (its card:
recipe, seed, crops seen, time, probe history) into DIR; run again with the same DIR to go on from the last checkpoint.
`--start FILE` begins a new schedule from the weights of an earlier pre-training, whose card the new one then holds.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from bench.data.streets import WORLD_VERSION
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.minis import corpus
from bench.models.minis.loop import Training, muon_and_adamw, save_halved, write_record
from bench.models.minis.objective import Pretraining, Student, block_masks
from bench.models.minis.probe import linear_probe
from bench.models.weights import load_strict, read_weights

RECIPE: dict[str, Any] = {
    "streets": 3000,
    "precision": "fp32",
    "batch": 32,
    "size": [64, 128],
    "lr": 1.2e-3,
    "weight_decay": 0.04,
    "warmup": 100,
    "mask_ratio": 0.3,
    "teacher_from": 0.1,
    "appearance_weight": 10.0,
    "assignment_weight": 0.5,
    "momentum": [0.99, 0.9995],
    "temperature": 0.04,
    "prototypes": 512,
    "clip": 1.0,
    "optimisers": "Muon for the matrices of the blocks, AdamW for the rest",
    "muon_lr_scale": 2.5,
}


def optimisers(student: Student) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for everything else."""
    named = list(student.named_parameters())
    inner = {n for n, p in named if p.ndim == 2 and ".blocks." in n}
    return muon_and_adamw(named, inner, {n for n, p in named if p.ndim <= 1}, RECIPE)


class Trainer(Training):
    """State of one pre-training of a mini backbone, in one of `world` processes."""

    kept = ("step", "seconds", "history", "seen", "started_from")
    log_every = 50

    def __init__(
        self,
        name: str,
        out: Path,
        minutes: float,
        seed: int,
        cache: Path,
        streets: int,
        precision: str = "fp32",
        rank: int = 0,
        world: int = 1,
        start: Path | None = None,
    ) -> None:
        torch.manual_seed(seed)
        RECIPE["streets"], RECIPE["precision"] = streets, precision
        self.rank, self.world = rank, world
        self.name, self.out, self.seen = name, out, 0
        backbone = build_backbone(load_card(name))
        self.started_from: dict[str, Any] | None = None
        if start is not None:
            self.started_from = json.loads(start.with_suffix(".json").read_text())
            load_strict(backbone.get_submodule("vit"), read_weights(start), start)
        self.model = Pretraining(backbone, RECIPE["prototypes"])
        super().__init__(self.model, optimisers(self.model.student), RECIPE, out / f"{name}.pretrain.pt", minutes, seed)
        self.corpus = corpus.load(streets, cache)

    def one_step(self) -> dict[str, float]:
        """Losses of the appearance and of the assignment."""
        self.warm_up_and_cool_down()
        done = self.done
        size, batch = RECIPE["size"], RECIPE["batch"]
        rng = np.random.default_rng([self.seed, self.step, self.rank])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        views = corpus.draw(self.corpus, batch, (size[0], size[1]), rng)
        mask = block_masks(batch, (size[0] // corpus.PATCH, size[1] // corpus.PATCH), RECIPE["mask_ratio"], generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=RECIPE["precision"] == "bf16"):
            late = self.started_from is not None or done >= RECIPE["teacher_from"]
            losses = self.model(views, mask, RECIPE["temperature"], with_teacher=late)
        self.descend(RECIPE["appearance_weight"] * losses.appearance + RECIPE["assignment_weight"] * losses.assignment)
        low, high = RECIPE["momentum"]
        self.model.follow(high - (high - low) * 0.5 * (1.0 + math.cos(math.pi * done)))
        self.seen += batch * self.world
        return {"appearance": float(losses.appearance.detach()), "assignment": float(losses.assignment.detach())}

    def gradients_are_there(self) -> None:
        """Mean over processes: on two cores, two processes of one thread do more than one process of two threads."""
        if self.world > 1:
            grads = [p.grad for p in self.model.student.parameters() if p.grad is not None]
            flat = torch.cat([g.flatten() for g in grads])
            dist.all_reduce(flat)
            for grad, part in zip(grads, (flat / self.world).split([g.numel() for g in grads]), strict=True):
                grad.copy_(part.view_as(grad))

    def clock(self, seconds: float) -> float:
        """Every process goes by the clock of the first."""
        if self.world == 1:
            return seconds
        clock = torch.tensor([seconds])
        dist.broadcast(clock, 0)
        return float(clock)

    def log(self, totals: Counter[str]) -> None:
        if self.rank == 0:
            super().log(totals)

    def probe(self) -> None:
        if self.rank == 0:
            super().probe()
        self.clock(self.seconds)  # the others wait here

    def score(self) -> dict[str, float]:
        return {"crops": self.seen, "source_probe_miou": linear_probe(self.model.teacher.backbone)}

    def export(self) -> None:
        """Write the teacher's backbone in half precision, and its card."""
        path = self.out / f"{self.name}.safetensors"
        record = self.record(
            name=self.name,
            sha256=save_halved(self.model.teacher.backbone.get_submodule("vit").state_dict(), path),
            started_from=self.started_from,
            corpus=f"{RECIPE['streets']} streets of 'wild', 4 renders each, world version {WORLD_VERSION}",
            crops_seen=self.seen,
            processes=self.world,
            probe_history=self.history,
        )
        write_record(record, path.with_suffix(".json"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train a mini backbone on the embedded world, without labels.")
    parser.add_argument("name", choices=["eva02-mini"])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("pretraining"))
    parser.add_argument("--cache", type=Path, default=Path("pretraining"), help="where the rendered corpus is kept")
    parser.add_argument("--streets", type=int, default=RECIPE["streets"])
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16 where a CPU multiplies it")
    parser.add_argument("--processes", type=int, default=2, help="one thread each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probe-minutes", type=float, default=5.0)
    parser.add_argument("--start", type=Path, help="weights (.safetensors, its card beside it) to start from")
    args = parser.parse_args()
    for needed in (args.start, args.start.with_suffix(".json")) if args.start else ():
        if not needed.is_file():
            parser.error(f"--start needs weights and the card beside them: there is no {needed}")
    args.out.mkdir(parents=True, exist_ok=True)
    corpus.load(args.streets, args.cache, lambda n: print(f"corpus: {n} streets", flush=True))
    if args.processes == 1:
        work(0, args, "")
    else:
        with tempfile.TemporaryDirectory() as folder:
            spawn(work, (args, f"file://{folder}/meet"), args.processes)


def work(rank: int, args: argparse.Namespace, meeting: str) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    if meeting:
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=args.processes)
    trainer = Trainer(
        args.name,
        args.out,
        args.minutes,
        args.seed,
        args.cache,
        args.streets,
        args.precision,
        rank,
        args.processes,
        args.start,
    )
    trainer.load()
    if not trainer.history:
        trainer.probe()
    trainer.run(args.probe_minutes * 60.0)


if __name__ == "__main__":
    main()
