"""Pre-train clip-mini: `python -m bench.models.minis.clip --minutes 40 --out DIR`.

Contrastive: crops of streets against captions written from their scene graphs (CLIP, arXiv 2103.00020), and features
at the places of single things against the words for these (RegionCLIP, arXiv 2112.09106, section 3.2, with places from
the scene graph instead of proposals). No label, instance or depth map is used. Writes clip-mini.safetensors (image
tower), clip-mini.text.safetensors (language side) and clip-mini.json (recipe, seed, pairs seen, time, history); run
again with the same DIR to go on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data.streets import WORLD_VERSION
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.minis import pairs
from bench.models.minis.contrast import Losses, Model
from bench.models.minis.loop import Training, muon_and_adamw, save_halved, write_record
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
    return muon_and_adamw(named, inner, {n for n, p in named if p.ndim <= 1}, RECIPE)


class Trainer(Training):
    """State of one pre-training of clip-mini."""

    kept = ("step", "seconds", "history", "seen")
    log_every = 25

    def __init__(self, out: Path, minutes: float, seed: int, photographs: pairs.Photographs, held: pairs.Photographs):
        torch.manual_seed(seed)
        self.out, self.seen = out, 0
        self.model = Model(build_backbone(load_card(NAME)), RECIPE["dim"])
        super().__init__(self.model, optimisers(self.model), RECIPE, out / f"{NAME}.pretrain.pt", minutes, seed)
        self.photographs, self.held = photographs, held

    def one_step(self) -> dict[str, float]:
        """Losses of the pairs and of the regions."""
        self.warm_up_and_cool_down()
        height, width = RECIPE["size"]
        rng = np.random.default_rng([self.seed, self.step])
        batch = pairs.draw(self.photographs, RECIPE["batch"], (height, width), rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=RECIPE["precision"] == "bf16"):
            losses: Losses = self.model(batch)
        self.descend(losses.pair + RECIPE["region_weight"] * losses.region)
        self.seen += RECIPE["batch"]
        return {"pair": float(losses.pair.detach()), "region": float(losses.region.detach())}

    def score(self) -> dict[str, float]:
        """Of the features and of the retrieval."""
        self.model.eval()
        probed, recall = linear_probe(self.model.backbone), retrieval(self.model, self.held)
        self.model.train()
        return {"pairs": self.seen, "source_probe_miou": probed, "recall_at_1_of_64": recall}

    def export(self) -> None:
        """Write both towers in half precision, and the record of how they were made."""
        self.out.mkdir(parents=True, exist_ok=True)
        image, text = self.out / f"{NAME}.safetensors", self.out / f"{NAME}.text.safetensors"
        words = json.dumps(self.model.language.tokenize.words)
        record = self.record(
            name=NAME,
            sha256=save_halved(self.model.backbone.get_submodule("model").state_dict(), image),
            text_sha256=save_halved(self.model.language.state_dict(), text, vocabulary=words),
            corpus=f"{RECIPE['streets']} streets of 'wild', {RECIPE['wears']} renders each, captions from their "
            f"scene graphs, world version {WORLD_VERSION}",
            pairs_seen=self.seen,
            processes=1,
            probe_history=self.history,
        )
        write_record(record, image.with_suffix(".json"))


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
