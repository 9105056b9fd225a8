"""The backbone stays as it is; only the head trains."""

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, freeze


def build(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    """A frozen backbone under a trainable head."""
    return Segmenter(freeze(backbone), make_head(backbone.channels))


CARD = MethodCard(name="frozen", summary="frozen backbone, head only", build=build)
