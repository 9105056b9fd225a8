"""Train sam-mini: `python -m bench.models.minis.sam --minutes 40 --out DIR`, on one thread.

Writes a folder DIR/sam-mini that `transformers.SamModel.from_pretrained` loads (config.json, half-precision
model.safetensors, preprocessor_config.json) with provenance.json (recipe, seed, images and prompts seen, time,
held-out IoU as it went). Run again with the same DIR to go on from the last checkpoint; with more --minutes than
before, the schedule is that of the longer run from there on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import SamModel

from bench.data.streets import WORLD_VERSION
from bench.models.minis import sam_corpus
from bench.models.minis.loop import Training, muon_and_adamw, save_halved, write_record
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
    inner = {n for n, p in named if p.ndim == 2 and (".layers." in n or ".transformer." in n)}
    plain = {n for n, p in named if p.ndim != 4 or n == "vision_encoder.pos_embed"}
    return muon_and_adamw(named, inner, plain, RECIPE)


class Trainer(Training):
    """State of one training of sam-mini."""

    kept = ("step", "seconds", "history", "schedules")

    def __init__(self, out: Path, minutes: float, seed: int, cache: Path) -> None:
        self.model, self.out = fresh(seed), out
        super().__init__(self.model, optimisers(self.model), RECIPE, out / f"{NAME}.pt", minutes, seed)
        self.schedules = [{"from_step": 0, "minutes": minutes}]
        self.frames = sam_corpus.load(0, RECIPE["frames"], cache)
        self.held_out = sam_corpus.load(FIRST_HELD_OUT, HELD_OUT, cache)

    def load(self) -> None:
        asked = self.schedules[0]
        super().load()
        if self.schedules[-1]["minutes"] != asked["minutes"]:
            self.schedules.append(asked | {"from_step": self.step})

    def one_step(self) -> dict[str, float]:
        """Losses of the first masks, the predicted qualities and the grouping; best masks' IoU."""
        self.model.train()
        self.warm_up_and_cool_down()
        rng = np.random.default_rng([self.seed, self.step])
        if self.step < RECIPE["ellipses"]:
            losses = first_lesson(self.model, sam_corpus.ellipses(16, rng), Weights(0.0, RECIPE["others"]))
            self.descend(losses.mask + losses.quality)
            return self.report(losses, losses.mask.new_zeros(()))
        batch = sam_corpus.draw(self.frames, RECIPE["images"], RECIPE["prompts"], RECIPE, rng)
        again = RECIPE["again_every"] if self.done >= RECIPE["again_from"] else 0
        focal, start, end = RECIPE["focal"]
        weights = Weights(focal * min(1.0, max(0.0, (self.done - start) / (end - start))), RECIPE["others"])
        joined, single = self.done >= RECIPE["joined_from"], bool(rng.random() < RECIPE["single"])
        answers = passes(self.model, batch, weights, again, single=single, joined=joined)
        first = answers.first
        loss = first.mask + first.quality + RECIPE["grouping"] * answers.grouping
        if (second := answers.second) is not None:
            loss = loss + (second.mask + second.quality) / again
        self.descend(loss)
        return self.report(first, answers.grouping)

    def report(self, first: Losses, grouping: Tensor) -> dict[str, float]:
        parts = {"mask": first.mask, "quality": first.quality, "grouping": grouping, "IoU": first.iou}
        return {name: float(part.detach()) for name, part in parts.items()}

    def score(self) -> dict[str, float]:
        return score(probe(self.model, self.held_out, crop=True))._asdict()

    def export(self) -> None:
        """Write the folder in half precision."""
        folder = self.out / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self.model.config.save_pretrained(folder)
        state = {name: tensor for name, tensor in self.model.state_dict().items() if name not in TIED}
        sha256 = save_halved(state, folder / "model.safetensors")
        processor().save_pretrained(folder)
        drawn = max(0, self.step - RECIPE["ellipses"]) * RECIPE["images"]
        record = self.record(
            name=NAME,
            sha256=sha256,
            corpus=f"{RECIPE['frames']} frames of 'wild', world version {WORLD_VERSION}, as class-agnostic regions",
            parameters=sum(p.numel() for p in self.model.parameters()),
            images_seen=drawn,
            prompts_seen=drawn * RECIPE["prompts"],
            schedules=self.schedules,
            threads=torch.get_num_threads(),
            held_out=f"mean IoU, {HELD_OUT} frames of 'wild' from {FIRST_HELD_OUT} on, middle 64 x 128, 5 points",
            history=self.history,
        )
        write_record(record, folder / "provenance.json")


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
