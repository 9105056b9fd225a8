"""How published checkpoints name a Mask2Former head, written down from their own code's names, not from our rules."""

from __future__ import annotations

import re

from torch import Tensor

from bench.api import Head


def as_detectron2(head: Head) -> dict[str, Tensor]:
    """The head's tensors under detectron2's names."""
    renamed = {}
    for name, tensor in head.state_dict().items():
        layer = re.match(r"transformer_decoder\.layers\.(\d+)\.(.*)", name)
        if layer:
            number, rest = layer.groups()
            kind = {
                "cross_attn.attn": ("cross_attention", "multihead_attn"),
                "norms.0": ("cross_attention", "norm"),
                "self_attn.attn": ("self_attention", "self_attn"),
                "norms.1": ("self_attention", "norm"),
                "ffn.layers.0.0": ("ffn", "linear1"),
                "ffn.layers.1": ("ffn", "linear2"),
                "norms.2": ("ffn", "norm"),
            }
            start = next(key for key in kind if rest.startswith(key))
            block, inner = kind[start]
            name = f"predictor.transformer_{block}_layers.{number}.{inner}{rest[len(start) :]}"
        else:
            for ours, their in (
                ("pixel_decoder.level_encoding.weight", "pixel_decoder.transformer.level_embed"),
                ("pixel_decoder.encoder.", "pixel_decoder.transformer.encoder."),
                ("pixel_decoder.input_convs.", "pixel_decoder.input_proj."),
                ("pixel_decoder.lateral_convs.0.conv", "pixel_decoder.adapter_1"),
                ("pixel_decoder.lateral_convs.0.gn", "pixel_decoder.adapter_1.norm"),
                ("pixel_decoder.output_convs.0.conv", "pixel_decoder.layer_1"),
                ("pixel_decoder.output_convs.0.gn", "pixel_decoder.layer_1.norm"),
                ("pixel_decoder.mask_feature.", "pixel_decoder.mask_features."),
                ("transformer_decoder.post_norm", "predictor.decoder_norm"),
                ("cls_embed", "predictor.class_embed"),
                ("query_", "predictor.query_"),
                ("level_embed", "predictor.level_embed"),
                ("mask_embed.0", "predictor.mask_embed.layers.0"),
                ("mask_embed.2", "predictor.mask_embed.layers.1"),
                ("mask_embed.4", "predictor.mask_embed.layers.2"),
            ):
                if name.startswith(ours):
                    name = their + name[len(ours) :]
                    break
            name = name.replace(".conv.", ".0.").replace(".gn.", ".1.")
            for ours, their in (("norms.0", "norm1"), ("norms.1", "norm2")):
                name = name.replace(ours, their)
            name = name.replace("ffn.layers.0.0", "linear1").replace("ffn.layers.1", "linear2")
        renamed[f"sem_seg_head.{name}"] = tensor
    return renamed
