"""Whether a backbone's pre-training saw what it is scored on. Imports no torch."""

from __future__ import annotations

from bench.data import cards
from bench.models import card as backbone_cards
from bench.models.card import Seen
from bench.spec import NO_BACKBONE, RunSpec


def seen(spec: RunSpec) -> dict[str, Seen]:
    """Target -> whether the pre-training of the run's weights saw images of its data set, as the backbone's card says.

    Random weights saw nothing; of a backbone or a data set without a card nothing is known.
    """
    if spec.weights == "random":
        return {target.name: "no" for target in spec.targets}
    known = spec.backbone != NO_BACKBONE and spec.backbone in backbone_cards.names()
    card = backbone_cards.load_card(spec.backbone) if known else None
    there = set(cards.names())
    of_data: dict[str, Seen] = {}
    for dataset in {target.dataset for target in spec.targets}:
        family = cards.load_card(dataset).family if card is not None and dataset in there else ""
        of_data[dataset] = card.was_seen(family) if card is not None and family else "unknown"
    return {target.name: of_data[target.dataset] for target in spec.targets}


def in_short(spec: RunSpec) -> str:
    """The targets that were seen in pre-training, in a few words: `none`, `unknown`, or their names."""
    found = seen(spec)
    yes = [name for name, answer in found.items() if answer == "yes"]
    if len(yes) == len(found):
        return "all"
    unknown = "unknown" if "unknown" in found.values() else ""
    return ", ".join(filter(None, [*yes, unknown and ("others unknown" if yes else unknown)])) or "none"
