"""Train sam-mini: `python -m bench.models.minis.sam --minutes 40 --out DIR`, on one thread.

Writes a folder DIR/sam-mini that `transformers.SamModel.from_pretrained` loads (config.json, half-precision
model.safetensors, preprocessor_config.json) with provenance.json (recipe, seed, images and prompts seen, time,
held-out IoU as it went). Run again with the same DIR to go on from the last checkpoint; with more --minutes than
before, the schedule is that of the longer run from there on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import SamModel

from bench.data.streets import WORLD_VERSION
from bench.models.minis import sam_corpus
from bench.models.minis.muon import Muon
from bench.models.minis.sam_corpus import FIRST_HELD_OUT
from bench.models.minis.sam_model import TIED, fresh, processor
from bench.models.minis.sam_objective import Losses, Weights, first_lesson, passes
from bench.models.minis.sam_probe import probe, score

NAME = "sam-mini"
RECIPE: dict[str, Any] = {
    "frames": 3000,
    "images": 4,  # a step
    "prompts": 10,  # an image
    "again_every": 3,  # every so manieth prompt is answered twice,
    "again_from": 0.2,  # from this share of the time on: earlier masks are not worth a second look
    "single": 0.25,  # share of steps whose second answer is the single mask
    "lr": 1e-3,
    "muon_lr_scale": 2.5,
    "optimisers": "Muon for the matrices of the encoder's layers and the decoder's transformer, AdamW for the rest",
    "weight_decay": 0.02,
    "warmup": 30,
    "clip": 1.0,
    "others": 0.3,
    "focal": [20.0, 0.1, 0.5],  # weight, reached between these shares of the time, 0 before
    "grouping": 0.5,
    "ellipses": 100,  # steps before all else in which the decoder alone learns what points are, from blank images
    "joined_from": 0.05,  # share of the time in which masks teach the decoder alone, and grouping the encoder
    "fewer": 0.2,
    "astray": 0.25,
    "light": 0.3,
    "kinds": {"component": 1.0, "instance": 1.0, "class": 0.4},
    "cuts": {"whole": 0.2, "crop": 0.2, "square": 0.25, "mosaic": 0.35},
}
HELD_OUT = 40


def optimisers(model: SamModel) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for everything else."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = {n for n, p in named if p.ndim == 2 and (".layers." in n or ".transformer." in n)}
    rest = [(name, p) for name, p in named if name not in matrices]
    decay = RECIPE["weight_decay"]
    plain = {n for n, p in rest if p.ndim != 4 or n == "vision_encoder.pos_embed"}
    groups: list[dict[str, Any]] = [
        {"params": [p for n, p in rest if n not in plain]},
        {"params": [p for n, p in rest if n in plain], "weight_decay": 0.0},
    ]
    return [
        Muon([{"params": [p for n, p in named if n in matrices], "scale": RECIPE["muon_lr_scale"]}], 0.0, decay),
        torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=decay),
    ]


class Trainer:
    """State of one training; progress is measured in time, which is what one has."""

    def __init__(self, out: Path, minutes: float, seed: int, cache: Path) -> None:
        self.out, self.budget, self.seed = out, minutes * 60.0, seed
        self.model = fresh(seed)
        self.optimisers = optimisers(self.model)
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.schedules = [{"from_step": 0, "minutes": minutes}]
        self.frames = sam_corpus.load(0, RECIPE["frames"], cache)
        self.held_out = sam_corpus.load(FIRST_HELD_OUT, HELD_OUT, cache)

    @property
    def checkpoint(self) -> Path:
        return self.out / f"{NAME}.pt"

    def save(self) -> None:
        part = self.checkpoint.with_suffix(".part")
        state = {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "schedules": self.schedules,
        }
        torch.save(state, part)
        part.replace(self.checkpoint)

    def load(self) -> None:
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimiser, held in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(held)
            self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
            earlier = state["schedules"]
            again = earlier[-1]["minutes"] == self.schedules[0]["minutes"]
            self.schedules = earlier if again else [*earlier, self.schedules[0] | {"from_step": self.step}]

    def one_step(self) -> tuple[float, ...]:
        """One optimiser step: losses of the first masks, the predicted qualities and the grouping; best masks' IoU.

        Everything random in it follows from (seed, step).
        """
        self.model.train()
        rng = np.random.default_rng([self.seed, self.step])
        done = min(1.0, self.seconds / self.budget)
        lr = RECIPE["lr"] * min(1.0, (self.step + 1) / RECIPE["warmup"]) * 0.5 * (1.0 + math.cos(math.pi * done))
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            group["lr"] = max(lr, 1e-5) * group.get("scale", 1.0)
        if self.step < RECIPE["ellipses"]:
            losses = first_lesson(self.model, sam_corpus.ellipses(16, rng), Weights(0.0, RECIPE["others"]))
            return self.update(losses.mask + losses.quality, losses, losses.mask.new_zeros(()))
        batch = sam_corpus.draw(self.frames, RECIPE["images"], RECIPE["prompts"], RECIPE, rng)
        again = RECIPE["again_every"] if done >= RECIPE["again_from"] else 0
        focal, start, end = RECIPE["focal"]
        weights = Weights(focal * min(1.0, max(0.0, (done - start) / (end - start))), RECIPE["others"])
        joined, single = done >= RECIPE["joined_from"], bool(rng.random() < RECIPE["single"])
        answers = passes(self.model, batch, weights, again, single=single, joined=joined)
        first = answers.first
        loss = first.mask + first.quality + RECIPE["grouping"] * answers.grouping
        if (second := answers.second) is not None:
            loss = loss + (second.mask + second.quality) / again
        return self.update(loss, first, answers.grouping)

    def update(self, loss: Tensor, first: Losses, grouping: Tensor) -> tuple[float, ...]:
        """Step the optimisers, and say what the losses were."""
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"the loss of step {self.step} is {float(loss.detach())}")
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), RECIPE["clip"])
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        parts = (first.mask, first.quality, grouping, first.iou)
        return tuple(float(part.detach()) for part in parts)

    def run(self, probe_every: float, log_every: int = 20) -> None:
        """Train until the budget is spent, probing and saving every `probe_every` seconds."""
        next_probe = self.seconds + probe_every
        totals = np.zeros(4)
        while self.seconds < self.budget:
            start = time.perf_counter()
            totals += self.one_step()
            self.seconds += time.perf_counter() - start
            if self.step % log_every == 0:
                mask, quality, grouping, iou = totals / log_every
                print(
                    f"step {self.step} {self.seconds:.0f} s mask {mask:.4f} quality {quality:.4f} "
                    f"grouping {grouping:.3f} IoU {iou:.3f}",
                    flush=True,
                )
                totals[:] = 0
            if self.seconds >= next_probe or self.seconds >= self.budget:
                next_probe += probe_every
                self.probe()
                self.save()
                self.export()

    def probe(self) -> None:
        found = score(probe(self.model, self.held_out, crop=True))._asdict()
        self.history.append({"step": self.step, "seconds": round(self.seconds), **found})
        print(f"held out: {found}", flush=True)

    def export(self) -> None:
        """Write the folder in half precision."""
        folder = self.out / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self.model.config.save_pretrained(folder)
        state = {k: v.half().contiguous() for k, v in self.model.state_dict().items() if k not in TIED}
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        processor().save_pretrained(folder)
        card = {
            "name": NAME,
            "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
            "seed": self.seed,
            "recipe": RECIPE,
            "corpus": f"{RECIPE['frames']} frames of 'wild', world version {WORLD_VERSION}, as class-agnostic regions",
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "steps": self.step,
            "images_seen": (drawn := max(0, self.step - RECIPE["ellipses"]) * RECIPE["images"]),
            "prompts_seen": drawn * RECIPE["prompts"],
            "seconds": round(self.seconds),
            "schedules": self.schedules,
            "threads": torch.get_num_threads(),
            "device": "cpu",
            "torch": torch.__version__,
            "held_out": f"mean IoU, {HELD_OUT} frames of 'wild' from {FIRST_HELD_OUT} on, middle 64 x 128, 5 points",
            "history": self.history,
        }
        (folder / "provenance.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train sam-mini on class-agnostic regions of the embedded world.")
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--out", type=Path, default=Path("pretraining"))
    parser.add_argument("--cache", type=Path, default=Path("pretraining"), help="where rendered frames are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probe-minutes", type=float, default=4.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args.out, args.minutes, args.seed, args.cache)
    trainer.load()
    trainer.run(args.probe_minutes * 60.0)


if __name__ == "__main__":
    main()
