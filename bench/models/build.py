"""From a RunSpec to the segmenter it describes."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.api import MethodCard, Segmenter
from bench.data.labels import CLASSES
from bench.errors import UserError
from bench.models.backbones import build_backbone
from bench.models.card import load_card
from bench.models.heads import ConfiguredHead
from bench.models.hub import weights_id
from bench.models.weights import load_backbone
from bench.registry import METHODS
from bench.spec import RunSpec


def build_segmenter(spec: RunSpec, weights: Path | None = None) -> Segmenter:
    """The spec's segmenter on the CPU, in training mode: pre-trained backbone, head and adapter from `spec.seed`.

    `weights` names the backbone's file where it is not the card's. Raises PrerequisiteError when weights are missing,
    DamagedFile when the file is not its card's, and UserError when they are not those of the spec.
    """
    card = load_card(spec.backbone, weights).with_config(spec.backbone_config)
    torch.manual_seed(spec.seed)
    backbone = build_backbone(card)
    if spec.weights != "random":
        if spec.weights != (found := weights_id(card, weights)):
            raise UserError(f"the run was specified with weights {spec.weights}, those of {card.name} are {found}")
        load_backbone(backbone, card, weights)
    method: MethodCard = METHODS.get(spec.method)
    # Seeded anew, so that head and adapter do not depend on how the backbone was initialised.
    torch.manual_seed(spec.seed)
    make_head = ConfiguredHead(spec.head, len(CLASSES))
    segmenter = method.build(backbone, make_head, method.config.model_validate(spec.method_config))
    return segmenter.train()
