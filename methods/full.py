"""Everything trains, the backbone at a tenth of the learning rate."""

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter


class FullConfig(MethodConfig):
    """Options of full fine-tuning."""

    backbone_lr_scale: float = 0.1
    """Learning rate of the backbone relative to the head's: ten times smaller, as in Rein (arXiv 2312.04265)."""


def build(backbone: Backbone, make_head: HeadFactory, config: FullConfig) -> Segmenter:
    """A trainable backbone under a trainable head."""
    head = make_head(backbone.channels)
    return Segmenter(backbone.requires_grad_(True), head, lr_scale={"backbone.": config.backbone_lr_scale})


CARD = MethodCard(
    name="full", summary="full fine-tuning, backbone at 0.1 x learning rate", build=build, config=FullConfig
)
