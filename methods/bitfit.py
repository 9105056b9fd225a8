"""BitFit: only the biases of the backbone train, and the head."""

from bench.api import Backbone, HeadFactory, MethodCard, MethodConfig, Segmenter, UserError, freeze


def build(backbone: Backbone, make_head: HeadFactory, config: MethodConfig) -> Segmenter:
    """A backbone whose biases train, those of its norms included, under a trainable head."""
    freeze(backbone)
    biases = [p for name, p in backbone.named_parameters() if name.rpartition(".")[2].endswith("bias")]
    if not biases:
        raise UserError("bitfit: this backbone has no biases")
    for bias in biases:
        bias.requires_grad_(True)
    return Segmenter(backbone, make_head(backbone.channels))


CARD = MethodCard(
    name="bitfit",
    summary="biases of the backbone, and the head",
    build=build,
    citation="Ben Zaken et al., BitFit, ACL 2022, arXiv 2106.10199",
)
