"""A frozen backbone under a linear classifier of every position: what the features alone know."""

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, freeze


def build(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    """A frozen backbone; the card asks for the linear head."""
    return Segmenter(freeze(backbone), make_head(backbone.channels))


CARD = MethodCard(
    name="linear",
    summary="frozen backbone, linear head",
    build=build,
    citation="the linear evaluation of Oquab et al., DINOv2, arXiv 2304.07193, section 7.4",
    head={"name": "linear"},
)
