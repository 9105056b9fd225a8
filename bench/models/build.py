"""From a RunSpec to the segmenter it describes."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.api import MethodCard, NoBackbone, Segmenter
from bench.data.labels import CLASSES
from bench.errors import UserError
from bench.models.backbones import build_backbone
from bench.models.card import card_of_run
from bench.models.heads import ConfiguredHead
from bench.models.hub import weights_id
from bench.models.weights import load_backbone
from bench.registry import METHODS
from bench.spec import NO_BACKBONE, RunSpec


def build_segmenter(spec: RunSpec, weights: Path | None = None) -> Segmenter:
    """The spec's segmenter on the CPU, in training mode: pre-trained backbone, head and adapter from `spec.seed`.

    `weights` names the backbone's file where it is not the card's. Raises PrerequisiteError when weights are missing,
    DamagedFile when the file is not its card's, and UserError when they are not those of the spec.
    """
    if spec.backbone == NO_BACKBONE:
        return _with_own_model(spec)
    card = card_of_run(spec.backbone, spec.backbone_config, weights)
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


def _with_own_model(spec: RunSpec) -> Segmenter:
    """The segmenter of a method that needs no backbone; the factory it is given is not meant to be called."""
    method: MethodCard = METHODS.get(spec.method)
    torch.manual_seed(spec.seed)
    make_head = ConfiguredHead(spec.head, len(CLASSES))
    config = method.config.model_validate(spec.method_config)
    return method.build(NoBackbone(spec.backbone_config), make_head, config).train()
