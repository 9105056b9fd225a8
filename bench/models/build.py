"""From a RunSpec to the segmenter it describes."""

from __future__ import annotations

import torch

from bench.api import MethodCard, Segmenter
from bench.data.labels import CLASSES
from bench.errors import UserError
from bench.models.backbones import build_backbone
from bench.models.card import load_card, weights_id
from bench.models.heads import ConfiguredHead
from bench.models.weights import load_backbone
from bench.registry import METHODS
from bench.spec import RunSpec


def build_segmenter(spec: RunSpec) -> Segmenter:
    """The spec's segmenter on the CPU, in training mode: pre-trained backbone, head and adapter from `spec.seed`.

    Raises PrerequisiteError when weights are missing, DamagedFile when the file is not its card's, and UserError when
    the card or its weights are not those of the spec.
    """
    card = load_card(spec.backbone)
    if spec.backbone_config and spec.backbone_config != card.config():
        raise UserError(f"the card of {card.name} has changed since this run was specified")
    torch.manual_seed(spec.seed)
    backbone = build_backbone(card)
    if spec.weights != "random":
        if spec.weights != (found := weights_id(card)):
            raise UserError(f"the run was specified with weights {spec.weights}, those of {card.name} are {found}")
        load_backbone(backbone, card)
    method: MethodCard = METHODS.get(spec.method)
    # Seeded anew, so that head and adapter do not depend on how the backbone was initialised.
    torch.manual_seed(spec.seed)
    make_head = ConfiguredHead(spec.head, len(CLASSES))
    segmenter = method.build(backbone, make_head, method.config.model_validate(spec.method_config))
    return segmenter.train()
