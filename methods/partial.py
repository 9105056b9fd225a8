"""Only the last blocks of the backbone train, at a tenth of the learning rate, and the head."""

from typing import Annotated

from pydantic import Field

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, UserError, freeze


class PartialConfig(MethodConfig):
    """Options of partial fine-tuning."""

    blocks: Annotated[int, Field(ge=1)] = 4
    """How many of the last blocks train."""
    backbone_lr_scale: Annotated[float, Field(gt=0)] = 0.1
    """Learning rate of these blocks relative to the head's, as in full fine-tuning."""


def build(backbone: Backbone, make_head: HeadFactory, config: PartialConfig) -> Segmenter:
    """A backbone whose last `blocks` blocks train, under a trainable head."""
    if config.blocks > backbone.depth:
        raise UserError(f"partial: the backbone has {backbone.depth} blocks, not {config.blocks}")
    freeze(backbone)
    for block in backbone.blocks[-config.blocks :]:
        block.requires_grad_(True)
    return Segmenter(backbone, make_head(backbone.channels), lr_scale={"backbone.": config.backbone_lr_scale})


CARD = MethodCard(
    name="partial", summary="last blocks at 0.1 x learning rate, and the head", build=build, config=PartialConfig
)
