"""Pre-train clip-mini: `python -m bench.models.minis.clip --minutes 40 --out DIR`.

Contrastive: crops of streets against captions written from their scene graphs (CLIP, arXiv 2103.00020), and features
at the places of single things against the words for these (RegionCLIP, arXiv 2112.09106, section 3.2, with places from
the scene graph instead of proposals). No label, instance or depth map is used. Writes clip-mini.safetensors (image
tower), clip-mini.text.safetensors (language side) and clip-mini.json (recipe, seed, pairs seen, time, history); run
again with the same DIR to go on from the last checkpoint.
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
from torch import Tensor, nn

from bench.data.streets import WORLD_VERSION
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.minis import pairs
from bench.models.minis.contrast import Losses, Model
from bench.models.minis.muon import Muon
from bench.models.minis.probe import linear_probe

NAME = "clip-mini"
RECIPE: dict[str, Any] = {
    "streets": 3000,
    "wears": 2,
    "precision": "fp32",
    "batch": 48,
    "size": [64, 128],
    "lr": 1e-3,
    "muon_lr_scale": 3.0,
    "weight_decay": 0.05,
    "warmup": 100,
    "clip": 1.0,
    "dim": 128,
    "region_weight": 0.5,
    "region_maps": "strides 8, 16 and 32, of which the last through the projection that ships",
    "optimisers": "Muon for the matrices of the blocks of both towers, AdamW for the rest",
}
CHECKED, GROUP = 512, 64  # held-out photographs, and among how many a caption is looked for


def optimisers(model: Model) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the towers' blocks, AdamW for everything else."""
    named = list(model.named_parameters())
    inner = {n for n, p in named if p.ndim == 2 and (".blocks." in n or ".layers.layers." in n)}
    decay = [p for n, p in named if n not in inner and p.ndim > 1]
    rest = [p for n, p in named if n not in inner and p.ndim <= 1]
    weight_decay = RECIPE["weight_decay"]
    matrices = [{"params": [p for n, p in named if n in inner], "scale": RECIPE["muon_lr_scale"]}]
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [Muon(matrices, lr=0.0, weight_decay=weight_decay), torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))]


class Trainer:
    """State of one pre-training; progress is measured in time, which is what one has."""

    def __init__(self, out: Path, minutes: float, seed: int, photographs: pairs.Photographs, held: pairs.Photographs):
        torch.manual_seed(seed)
        self.out, self.budget, self.seed = out, minutes * 60.0, seed
        self.model = Model(build_backbone(load_card(NAME)), RECIPE["dim"])
        self.optimisers = optimisers(self.model)
        self.step, self.seen, self.seconds = 0, 0, 0.0
        self.history: list[dict[str, float]] = []
        self.photographs, self.held = photographs, held

    @property
    def checkpoint(self) -> Path:
        return self.out / f"{NAME}.pretrain.pt"

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "progress": {"step": self.step, "seen": self.seen, "seconds": self.seconds, "history": self.history},
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)

    def load(self) -> None:
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimiser, held in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(held)
            for name, value in state["progress"].items():
                setattr(self, name, value)

    def one_step(self) -> Losses:
        """One optimiser step. Everything random in it follows from (seed, step)."""
        done = min(1.0, self.seconds / self.budget)
        height, width = RECIPE["size"]
        rng = np.random.default_rng([self.seed, self.step])
        batch = pairs.draw(self.photographs, RECIPE["batch"], (height, width), rng)
        lr = RECIPE["lr"] * min(1.0, (self.step + 1) / RECIPE["warmup"]) * 0.5 * (1.0 + math.cos(math.pi * done))
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            group["lr"] = max(lr, 1e-5) * group.get("scale", 1.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=RECIPE["precision"] == "bf16"):
            losses: Losses = self.model(batch)
        self.model.zero_grad(set_to_none=True)
        (losses.pair + RECIPE["region_weight"] * losses.region).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), RECIPE["clip"])
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self.seen += RECIPE["batch"]
        return Losses(*(loss.detach() for loss in losses))

    def run(self, probe_every: float, log_every: int = 25) -> None:
        """Train until the budget is spent, probing and saving every `probe_every` seconds."""
        next_probe = self.seconds + probe_every
        totals = np.zeros(2)
        while self.seconds < self.budget:
            start = time.perf_counter()
            totals += [float(loss) for loss in self.one_step()]
            self.seconds += time.perf_counter() - start
            if self.step % log_every == 0:
                pair, region = totals / log_every
                scale = float(self.model.language.scale)
                print(f"step {self.step} {self.seconds:.0f} s: pair {pair:.3f} region {region:.3f} scale {scale:.1f}")
                totals[:] = 0
            if self.seconds >= next_probe or self.seconds >= self.budget:
                next_probe += probe_every
                self.probe()

    def probe(self) -> None:
        """Note how good the features and the retrieval are, save and export."""
        self.model.eval()
        probed, recall = linear_probe(self.model.backbone), retrieval(self.model, self.held)
        self.model.train()
        row = {"step": self.step, "pairs": self.seen, "seconds": round(self.seconds)}
        self.history.append(row | {"source_probe_miou": round(probed, 2), "recall_at_1_of_64": round(recall, 2)})
        print(f"probe: {self.history[-1]}", flush=True)
        self.save()
        self.export()

    def export(self) -> None:
        """Write both towers in half precision, and the record of how they were made."""
        self.out.mkdir(parents=True, exist_ok=True)
        image, text = self.out / f"{NAME}.safetensors", self.out / f"{NAME}.text.safetensors"
        save_file(_halved(self.model.backbone.get_submodule("model")), image, {"format": "pt"})
        words = json.dumps(self.model.language.tokenize.words)
        save_file(_halved(self.model.language), text, {"format": "pt", "vocabulary": words})
        record = {
            "name": NAME,
            "sha256": hashlib.sha256(image.read_bytes()).hexdigest(),
            "text_sha256": hashlib.sha256(text.read_bytes()).hexdigest(),
            "seed": self.seed,
            "recipe": RECIPE,
            "corpus": f"{RECIPE['streets']} streets of 'wild', {RECIPE['wears']} renders each, captions from their "
            f"scene graphs, world version {WORLD_VERSION}",
            "pairs_seen": self.seen,
            "steps": self.step,
            "seconds": round(self.seconds),
            "processes": 1,
            "device": "cpu",
            "torch": torch.__version__,
            "probe_history": self.history,
        }
        image.with_suffix(".json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _halved(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.half().contiguous() for name, tensor in module.state_dict().items()}


@torch.no_grad()
def retrieval(model: Model, held: pairs.Photographs) -> float:
    """How often, in per cent, the caption of a held-out crop is found among GROUP of them by the crop."""
    height, width = RECIPE["size"]
    hits = 0
    groups = [np.arange(first, first + GROUP) for first in range(0, len(held.images) - GROUP + 1, GROUP)]
    for number, chosen in enumerate(groups):
        rng = np.random.default_rng([0, number])
        batch = pairs.draw(held, GROUP, (height, width), rng, strength=0.0, chosen=chosen)
        seen = model.language.encode_image(model.backbone(batch.images)[-1].mean((2, 3)))
        best = (seen @ model.language.encode_text(batch.texts).T).argmax(1)
        hits += int((best == torch.arange(GROUP)).sum())
    return 100.0 * hits / (GROUP * len(groups))


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train clip-mini on the embedded world and its captions.")
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--out", type=Path, default=Path("pretraining"))
    parser.add_argument("--cache", type=Path, default=Path("pretraining"), help="where the rendered corpus is kept")
    parser.add_argument("--streets", type=int, default=RECIPE["streets"])
    parser.add_argument("--region-weight", type=float, default=RECIPE["region_weight"], help="0: captions alone")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16 where a CPU multiplies it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probe-minutes", type=float, default=5.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    RECIPE["streets"], RECIPE["region_weight"] = args.streets, args.region_weight
    RECIPE["precision"] = args.precision
    args.out.mkdir(parents=True, exist_ok=True)
    held = pairs.load(CHECKED, 1, args.cache, first=pairs.HELD_OUT)
    photographs = pairs.load(
        args.streets, RECIPE["wears"], args.cache, lambda n: print(f"corpus: {n} streets", flush=True)
    )
    trainer = Trainer(args.out, args.minutes, args.seed, photographs, held)
    trainer.load()
    if not trainer.history:
        trainer.probe()
    trainer.run(args.probe_minutes * 60.0)


if __name__ == "__main__":
    main()
