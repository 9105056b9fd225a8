"""Golden cases: tensors of the published implementation, and the segmenter of ours that each case describes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file
from torch import Tensor

from bench.api import Segmenter
from bench.models.backbones import build_backbone
from bench.models.card import BackboneCard
from bench.models.heads.mask2former import Mask2FormerHead
from bench.models.official import load_official
from bench.registry import METHODS
from bench.spec import HeadConfig

FOLDER = Path(os.environ.get("GOLDEN_DIR") or Path(__file__).parents[1] / "golden")


class Case(NamedTuple):
    """One golden case: its sizes and losses, the published weights, inputs and outputs."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    tensors: dict[str, Tensor]


def rein_cases(folder: Path = FOLDER) -> list[str]:
    """Names of the Rein cases of a folder: those whose .json has a `kind`."""
    return sorted(path.stem for path in folder.glob("*.json") if "kind" in json.loads(path.read_text()))


def load_case(name: str, folder: Path = FOLDER) -> Case:
    """Read one case."""
    return Case(
        json.loads((folder / f"{name}.json").read_text()),
        load_file(folder / f"{name}.weights.safetensors"),
        load_file(folder / f"{name}.tensors.safetensors"),
    )


def backbone_card(config: dict[str, Any]) -> BackboneCard:
    """The backbone a case describes; its input is normalised already."""
    size = config["img_size"]
    kwargs: dict[str, Any] = {
        "embed_dim": config["embed_dim"],
        "depth": config["depth"],
        "num_heads": config["num_heads"],
    }
    if config["kind"] == "eva02":
        # The hidden size is a whole number; half a unit more keeps rounding from taking one off.
        hidden = int(config["embed_dim"] * 8 / 3)
        kwargs |= {"mlp_ratio": (hidden + 0.5) / config["embed_dim"], "swiglu_mlp": True, "scale_mlp": True}
        kwargs |= {"qkv_fused": False, "use_rot_pos_emb": True, "ref_feat_shape": (16, 16)}
    else:
        kwargs |= {"init_values": 1e-5}
    return BackboneCard(
        name="golden",
        summary="",
        family=config["kind"],
        architecture={"eva02": "Eva", "dinov2": "VisionTransformer"}[config["kind"]],
        kwargs=kwargs,
        patch_size=config["patch_size"],
        img_size=(size, size),
        out_indices=config["out_indices"],
        mean=(0, 0, 0),
        std=(1, 1, 1),
        weights="",
    )


def head_config(config: dict[str, Any]) -> HeadConfig:
    """The head a case describes."""
    return HeadConfig(
        hidden=config["feat_channels"],
        num_queries=config["num_queries"],
        encoder_layers=config["encoder_layers"],
        encoder_ffn=config["encoder_ffn"],
        decoder_layers=config["decoder_layers"],
        decoder_ffn=config["decoder_ffn"],
        heads=config["decoder_heads"],
    )


class GoldenHead(NamedTuple):
    """A head factory like the suite's, for cases whose pixel decoder has another number of attention heads."""

    config: dict[str, Any]

    @property
    def hidden(self) -> int:
        """Width of the queries."""
        return int(self.config["feat_channels"])

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return int(self.config["num_queries"])

    @property
    def takes_queries(self) -> bool:
        """Mask2Former does."""
        return True

    def __call__(self, channels: tuple[int, int, int, int], linked: bool = False) -> Mask2FormerHead:
        """The case's head."""
        classes, sizes = self.config["num_classes"], head_config(self.config)
        return Mask2FormerHead(channels, classes, sizes, linked, self.config["encoder_heads"])


def build_untrained(config: dict[str, Any]) -> Segmenter:
    """The segmenter a case describes, with random weights."""
    method = METHODS.get("rein")
    options = method.config.model_validate({"tokens": config["token_length"], "rank": config["lora_dim"]})
    return method.build(build_backbone(backbone_card(config)), GoldenHead(config), options)


def build_case(case: Case) -> Segmenter:
    """The case's segmenter with the case's weights, through the loader of published checkpoints."""
    segmenter = build_untrained(case.config)
    load_official(segmenter, case.weights)
    return segmenter.eval()
