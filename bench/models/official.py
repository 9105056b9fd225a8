"""Published segmentation checkpoints -> the parts of a segmenter of ours (head, adapter, backbone) under our names.

Known are Rein's (mmdetection's head, `backbone.reins.*`), CLOUDS' and other detectron2 Mask2Formers (`sem_seg_head.*`),
mmsegmentation's Mask2Formers, and those of transformers. Nothing is guessed: what does not fit is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from bench.api import Segmenter
from bench.errors import DamagedFile
from bench.models.names import State
from bench.models.vit import ViTBackbone
from bench.models.weights import load_backbone_state, load_strict, read_weights

DETECTRON2 = (
    (r"^pixel_decoder\.input_proj\.(\d)\.0\.", r"pixel_decoder.input_convs.\1.conv."),
    (r"^pixel_decoder\.input_proj\.(\d)\.1\.", r"pixel_decoder.input_convs.\1.gn."),
    (r"^pixel_decoder\.transformer\.level_embed$", "pixel_decoder.level_encoding.weight"),
    (r"^pixel_decoder\.transformer\.encoder\.", "pixel_decoder.encoder."),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.norm1\.", r"\1.norms.0."),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.norm2\.", r"\1.norms.1."),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.linear1\.", r"\1.ffn.layers.0.0."),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.linear2\.", r"\1.ffn.layers.1."),
    (r"^pixel_decoder\.adapter_1\.norm\.", "pixel_decoder.lateral_convs.0.gn."),
    (r"^pixel_decoder\.adapter_1\.", "pixel_decoder.lateral_convs.0.conv."),
    (r"^pixel_decoder\.layer_1\.norm\.", "pixel_decoder.output_convs.0.gn."),
    (r"^pixel_decoder\.layer_1\.", "pixel_decoder.output_convs.0.conv."),
    (r"^pixel_decoder\.mask_features\.", "pixel_decoder.mask_feature."),
    (r"^predictor\.transformer_cross_attention_layers\.(\d+)\.multihead_attn\.", r"\1.cross_attn.attn."),
    (r"^predictor\.transformer_cross_attention_layers\.(\d+)\.norm\.", r"\1.norms.0."),
    (r"^predictor\.transformer_self_attention_layers\.(\d+)\.self_attn\.", r"\1.self_attn.attn."),
    (r"^predictor\.transformer_self_attention_layers\.(\d+)\.norm\.", r"\1.norms.1."),
    (r"^predictor\.transformer_ffn_layers\.(\d+)\.linear1\.", r"\1.ffn.layers.0.0."),
    (r"^predictor\.transformer_ffn_layers\.(\d+)\.linear2\.", r"\1.ffn.layers.1."),
    (r"^predictor\.transformer_ffn_layers\.(\d+)\.norm\.", r"\1.norms.2."),
    (r"^(\d+\.)", r"transformer_decoder.layers.\1"),
    (r"^predictor\.decoder_norm\.", "transformer_decoder.post_norm."),
    (r"^predictor\.(?:query_feat|static_query)\.", "query_feat."),
    (r"^predictor\.(query_embed|level_embed)\.", r"\1."),
    (r"^predictor\.class_embed\.", "cls_embed."),
    (r"^predictor\.mask_embed\.layers\.0\.", "mask_embed.0."),
    (r"^predictor\.mask_embed\.layers\.1\.", "mask_embed.2."),
    (r"^predictor\.mask_embed\.layers\.2\.", "mask_embed.4."),
)
TRANSFORMERS = (
    (r"^model\.pixel_level_module\.decoder\.", "pixel_decoder."),
    (r"^pixel_decoder\.input_projections\.(\d)\.0\.", r"pixel_decoder.input_convs.\1.conv."),
    (r"^pixel_decoder\.input_projections\.(\d)\.1\.", r"pixel_decoder.input_convs.\1.gn."),
    (r"^pixel_decoder\.level_embed$", "pixel_decoder.level_encoding.weight"),
    (r"^pixel_decoder\.adapter_1\.0\.", "pixel_decoder.lateral_convs.0.conv."),
    (r"^pixel_decoder\.adapter_1\.1\.", "pixel_decoder.lateral_convs.0.gn."),
    (r"^pixel_decoder\.layer_1\.0\.", "pixel_decoder.output_convs.0.conv."),
    (r"^pixel_decoder\.layer_1\.1\.", "pixel_decoder.output_convs.0.gn."),
    (r"^pixel_decoder\.mask_projection\.", "pixel_decoder.mask_feature."),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.norms.0."),
    (r"^(pixel_decoder\.encoder\.layers\.\d+)\.final_layer_norm\.", r"\1.norms.1."),
    (r"^model\.transformer_module\.queries_embedder\.", "query_embed."),
    (r"^model\.transformer_module\.queries_features\.", "query_feat."),
    (r"^model\.transformer_module\.level_embed\.", "level_embed."),
    (r"^model\.transformer_module\.decoder\.mask_predictor\.mask_embedder\.0\.0\.", "mask_embed.0."),
    (r"^model\.transformer_module\.decoder\.mask_predictor\.mask_embedder\.1\.0\.", "mask_embed.2."),
    (r"^model\.transformer_module\.decoder\.mask_predictor\.mask_embedder\.2\.0\.", "mask_embed.4."),
    (r"^model\.transformer_module\.decoder\.layernorm\.", "transformer_decoder.post_norm."),
    (r"^model\.transformer_module\.decoder\.", "transformer_decoder."),
    (r"^(transformer_decoder\.layers\.\d+)\.cross_attn_layer_norm\.", r"\1.norms.0."),
    (r"^(transformer_decoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.norms.1."),
    (r"^(transformer_decoder\.layers\.\d+)\.final_layer_norm\.", r"\1.norms.2."),
    (r"^(transformer_decoder\.layers\.\d+)\.(cross|self)_attn\.", r"\1.\2_attn.attn."),
    (r"\.fc1\.", ".ffn.layers.0.0."),
    (r"\.fc2\.", ".ffn.layers.1."),
    (r"^class_predictor\.", "cls_embed."),
)
NOT_WEIGHTS = ("criterion.", "void_embedding.", "pixel_mean", "pixel_std", "data_preprocessor.")
"""Beginnings of what published checkpoints hold beside the model: constants of losses and of normalisation."""


class Parts(NamedTuple):
    """A checkpoint's tensors under our names; `backbone` under those that the backbone's loader knows."""

    head: State
    adapter: State
    backbone: State


def split(state: Mapping[str, Tensor], path: Path) -> Parts:
    """Tell the parts of a checkpoint apart by its names. Raises DamagedFile for one of no known kind."""
    state = {name: tensor for name, tensor in state.items() if not name.startswith(NOT_WEIGHTS)}
    known: tuple[str, ...]
    if any(name.startswith("decode_head.") for name in state):
        adapter = _below(state, "backbone.reins.")
        backbone = {
            name: tensor for name, tensor in _below(state, "backbone.").items() if not name.startswith("reins.")
        }
        parts = Parts(_below(state, "decode_head."), _staged(adapter), backbone)
        known = ("decode_head.", "backbone.", "auxiliary_head.")
    elif any(name.startswith("sem_seg_head.") for name in state):
        backbone = _below(state, "backbone.clip_model.visual.") or _below(state, "backbone.")
        parts = Parts(_renamed(_below(state, "sem_seg_head."), DETECTRON2), {}, _tower(backbone))
        known = ("sem_seg_head.", "backbone.")
    elif any(name.startswith("model.pixel_level_module.") for name in state):
        encoder = "model.pixel_level_module.encoder."
        head = {name: tensor for name, tensor in state.items() if not name.startswith(encoder)}
        parts = Parts(_renamed(head, TRANSFORMERS), {}, _below(state, encoder))
        known = ("model.", "class_predictor.")
    else:
        raise DamagedFile(path, "is no checkpoint of Rein, CLOUDS, detectron2, mmsegmentation or transformers")
    if strangers := [name for name in state if not name.startswith(known)]:
        raise DamagedFile(path, f"holds tensors of no known part: {', '.join(strangers[:5])}")
    return parts


def load_parts(segmenter: Segmenter, parts: Parts, path: Path) -> None:
    """Load head and adapter strictly.

    Raises DamagedFile naming what is missing, unexpected or misshapen, also of what trains within the backbone: LoRA's
    matrices and prompts are in no published checkpoint, a fine-tuned backbone must be.
    """
    if segmenter.adapter is not None:
        load_strict(segmenter.adapter, parts.adapter, path)
    elif parts.adapter:
        raise DamagedFile(path, "has an adapter (backbone.reins.*), the method has none")
    load_strict(segmenter.head, parts.head, path)
    inside = [name for name in segmenter.trainable_names() if name.startswith("backbone.")]
    if inside and not parts.backbone:
        raise DamagedFile(path, f"has nothing of {inside[0]} and {len(inside) - 1} more that the method trains")


def load_official(segmenter: Segmenter, checkpoint: Path | Mapping[str, Tensor]) -> None:
    """Load a published Rein checkpoint into a segmenter of the same sizes.

    The backbone, where the file does not have it, is left as it is. Raises DamagedFile naming what does not fit.
    """
    path = checkpoint if isinstance(checkpoint, Path) else Path("<tensors>")
    parts = split(read_weights(checkpoint) if isinstance(checkpoint, Path) else checkpoint, path)
    load_parts(segmenter, parts, path)
    if parts.backbone:
        if not isinstance(segmenter.backbone, ViTBackbone):
            raise DamagedFile(path, "has a vision transformer, the backbone is another model")
        load_backbone_state(segmenter.backbone, parts.backbone, path)


def _renamed(state: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> State:
    found: State = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        found[name] = tensor
    return _fused(found)


def _fused(state: State) -> State:
    """transformers keeps the three projections of the self-attention apart; torch, and we, one above the other."""
    for kind in ("weight", "bias"):
        for name in [name for name in state if name.endswith(f".self_attn.attn.q_proj.{kind}")]:
            parts = [state.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
            state[name.replace(f"q_proj.{kind}", f"in_proj_{kind}")] = torch.cat(parts)
    return state


def _tower(state: State) -> State:
    """open_clip's image tower: timm's model below `trunk`, the projection beside it left out."""
    trunk = _below(state, "trunk.")
    return trunk or state


def _staged(adapter: State) -> State:
    """Rein a stage at a time is a list in the published code: `0.scale` -> `stages.0.scale`."""
    staged = any(re.match(r"\d+\.", name) for name in adapter)
    return {f"stages.{name}": tensor for name, tensor in adapter.items()} if staged else adapter


def _below(state: Mapping[str, Tensor], prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
