"""Pre-train a mini backbone: `python -m bench.models.minis.pretrain eva02-mini --minutes 60 --out DIR`.

Self-supervised: no label of the world is used. Writes NAME.safetensors (half precision) and NAME.json (its card:
recipe, seed, crops seen, time, probe history) into DIR; run again with the same DIR to go on from the last checkpoint.
`--start FILE` begins a new schedule from the weights of an earlier pre-training, whose card the new one then holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.multiprocessing.spawn import spawn

from bench.data.streets import WORLD_VERSION
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.minis import corpus
from bench.models.minis.muon import Muon
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
    matrices = [p for name, p in named if ".blocks." in name and p.ndim == 2]
    others = [(name, p) for name, p in named if not (".blocks." in name and p.ndim == 2)]
    decay = [p for _, p in others if p.ndim > 1]
    rest = [p for _, p in others if p.ndim <= 1]
    weight_decay = RECIPE["weight_decay"]
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [
        Muon([{"params": matrices, "scale": RECIPE["muon_lr_scale"]}], lr=0.0, weight_decay=weight_decay),
        torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98)),
    ]


class Trainer:
    """State of one pre-training; progress is measured in time, which is what one has."""

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
        self.name, self.out, self.budget, self.seed = name, out, minutes * 60.0, seed
        backbone = build_backbone(load_card(name))
        self.started_from: dict[str, Any] | None = None
        if start is not None:
            self.started_from = json.loads(start.with_suffix(".json").read_text())
            load_strict(backbone.get_submodule("vit"), read_weights(start), start)
        self.model = Pretraining(backbone, RECIPE["prototypes"])
        self.optimisers = optimisers(self.model.student)
        self.step, self.seen, self.seconds = 0, 0, 0.0
        self.history: list[dict[str, float]] = []
        self.corpus = corpus.load(streets, cache)

    @property
    def checkpoint(self) -> Path:
        return self.out / f"{self.name}.pretrain.pt"

    def save(self) -> None:
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimisers": [o.state_dict() for o in self.optimisers],
                "step": self.step,
                "seen": self.seen,
                "seconds": self.seconds,
                "history": self.history,
                "started_from": self.started_from,
            },
            part,
        )
        part.replace(self.checkpoint)

    def load(self) -> None:
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimiser, held in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(held)
            self.step, self.seen, self.seconds = state["step"], state["seen"], state["seconds"]
            self.history, self.started_from = state["history"], state["started_from"]

    def one_step(self) -> tuple[float, float]:
        """One optimiser step. Everything random in it follows from (seed, step)."""
        done = min(1.0, self.seconds / self.budget)
        size, batch = RECIPE["size"], RECIPE["batch"]
        rng = np.random.default_rng([self.seed, self.step, self.rank])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        views = corpus.draw(self.corpus, batch, (size[0], size[1]), rng)
        mask = block_masks(batch, (size[0] // corpus.PATCH, size[1] // corpus.PATCH), RECIPE["mask_ratio"], generator)
        lr = RECIPE["lr"] * min(1.0, (self.step + 1) / RECIPE["warmup"]) * 0.5 * (1.0 + math.cos(math.pi * done))
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            group["lr"] = max(lr, 1e-5) * group.get("scale", 1.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=RECIPE["precision"] == "bf16"):
            late = self.started_from is not None or done >= RECIPE["teacher_from"]
            losses = self.model(views, mask, RECIPE["temperature"], with_teacher=late)
        loss = RECIPE["appearance_weight"] * losses.appearance + RECIPE["assignment_weight"] * losses.assignment
        self.model.student.zero_grad(set_to_none=True)
        loss.backward()
        self.average_gradients()
        torch.nn.utils.clip_grad_norm_(self.model.student.parameters(), RECIPE["clip"])
        for optimiser in self.optimisers:
            optimiser.step()
        low, high = RECIPE["momentum"]
        self.model.follow(high - (high - low) * 0.5 * (1.0 + math.cos(math.pi * done)))
        self.step += 1
        self.seen += batch * self.world
        return float(losses.appearance.detach()), float(losses.assignment.detach())

    def average_gradients(self) -> None:
        """Mean over processes: on two cores, two processes of one thread do more than one process of two threads."""
        if self.world > 1:
            grads = [p.grad for p in self.model.student.parameters() if p.grad is not None]
            flat = torch.cat([g.flatten() for g in grads])
            dist.all_reduce(flat)
            for grad, part in zip(grads, (flat / self.world).split([g.numel() for g in grads]), strict=True):
                grad.copy_(part.view_as(grad))

    def agree(self, seconds: float) -> float:
        """Every process goes by the clock of the first."""
        if self.world == 1:
            return seconds
        clock = torch.tensor([seconds])
        dist.broadcast(clock, 0)
        return float(clock)

    def run(self, probe_every: float, log_every: int = 50) -> None:
        """Train until the budget is spent, probing and saving every `probe_every` seconds."""
        next_probe = self.seconds + probe_every
        totals = np.zeros(2)
        while self.seconds < self.budget:
            start = time.perf_counter()
            totals += self.one_step()
            self.seconds = self.agree(self.seconds + time.perf_counter() - start)
            if self.step % log_every == 0 and self.rank == 0:
                print(
                    f"step {self.step} {self.seconds:.0f} s, {self.seen} crops, appearance {totals[0] / log_every:.4f} "
                    f"assignment {totals[1] / log_every:.3f}",
                    flush=True,
                )
                totals[:] = 0
            if self.seconds >= next_probe or self.seconds >= self.budget:
                next_probe += probe_every
                if self.rank == 0:
                    self.probe()
                self.agree(self.seconds)  # the others wait here

    def probe(self) -> None:
        score = linear_probe(self.model.teacher.backbone)
        self.history.append(
            {
                "step": self.step,
                "crops": self.seen,
                "seconds": round(self.seconds),
                "source_probe_miou": round(score, 2),
            }
        )
        print(f"probe: {score:.2f}", flush=True)
        self.save()
        self.export()

    def export(self) -> None:
        """Write the teacher's backbone in half precision, and its card."""
        state = {
            k: v.half().contiguous() for k, v in self.model.teacher.backbone.get_submodule("vit").state_dict().items()
        }
        path = self.out / f"{self.name}.safetensors"
        save_file(state, path, {"format": "pt"})
        card = {
            "name": self.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "seed": self.seed,
            "recipe": RECIPE,
            "started_from": self.started_from,
            "corpus": f"{RECIPE['streets']} streets of 'wild', 4 renders each, world version {WORLD_VERSION}",
            "crops_seen": self.seen,
            "steps": self.step,
            "seconds": round(self.seconds),
            "processes": self.world,
            "device": "cpu",
            "torch": torch.__version__,
            "probe_history": self.history,
        }
        path.with_suffix(".json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


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
    if not trainer.history and rank == 0:
        trainer.probe()
    trainer.run(args.probe_minutes * 60.0)


if __name__ == "__main__":
    main()
