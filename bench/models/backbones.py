"""From a card to a backbone, by its loader."""

from __future__ import annotations

from bench.models.card import BackboneCard
from bench.models.vit import Normalised


def build_backbone(card: BackboneCard) -> Normalised:
    """The card's architecture with random weights. Raises UserError for one that cannot be a backbone."""
    if card.loader == "transformers":
        from bench.models import huggingface  # transformers takes seconds to import

        backbone = huggingface.build(card)
    else:
        from bench.models import timm_models

        backbone = timm_models.build(card)
    backbone.card = card
    return backbone
