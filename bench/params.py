"""How many parameters train: every backbone with every method at full size, on the meta device (no memory, no weights).

Counts are those of published tables where these exist: plain transformers with patches of 16 at 512 x 512 pixels, as
Rein's paper (arXiv 2312.04265) counts them. An adapter that refines tokens between blocks counts as backbone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from bench.api import MethodCard, Segmenter
from bench.data.labels import CLASSES
from bench.errors import UserError
from bench.models.backbones import build_backbone
from bench.models.card import BackboneCard, load_card
from bench.models.heads import ConfiguredHead
from bench.observer import Observer, Silent
from bench.registry import METHODS
from bench.spec import HeadConfig

PUBLISHED = {"patch_size": 16, "img_size": (512, 512)}


def methods_on_backbones() -> list[str]:
    """Names of the suite's methods that adapt a backbone; the others bring their own model."""
    return [name for name in METHODS.names() if METHODS.get(name).own_model is None]


class Count(NamedTuple):
    """Parameters of one backbone with one method; None, with a note, where the method does not fit the backbone."""

    backbone: str
    method: str
    backbone_trainable: int | None
    head_trainable: int | None
    total: int | None
    note: str = ""


def counts(
    backbones: Sequence[str], methods: Sequence[str], native: bool = False, observer: Observer | None = None
) -> Iterator[Count]:
    """Counts of every pair, in order; `native` leaves patch and image size as the cards have them."""
    observer = observer or Silent()
    cards = [load_card(name) for name in backbones]
    observer.start("counting", len(cards))
    for card in cards:
        config = {} if native or card.patch_size is None or card.shipped else PUBLISHED
        yield from _of_card(card.with_config(config), methods)
        observer.advance("counting")
    observer.finish("counting")


def _of_card(card: BackboneCard, methods: Sequence[str]) -> Iterator[Count]:
    with torch.device("meta"):
        plain = build_backbone(card)
        for name in methods:
            method: MethodCard = METHODS.get(name)
            if method.own_model is not None:
                yield Count(card.name, name, None, None, None, f"{name}: it brings its own model")
                continue
            head = ConfiguredHead(HeadConfig.model_validate(method.head), len(CLASSES))
            try:
                segmenter = method.build(copy.deepcopy(plain), head, method.config())
            except UserError as error:
                yield Count(card.name, name, None, None, None, str(error))
            else:
                yield _count(card.name, name, segmenter)


def _count(backbone: str, method: str, segmenter: Segmenter) -> Count:
    head = sum(p.numel() for p in segmenter.head.parameters() if p.requires_grad)
    everything = sum(p.numel() for p in segmenter.parameters() if p.requires_grad)
    total = sum(p.numel() for p in segmenter.parameters())
    return Count(backbone, method, everything - head, head, total)
