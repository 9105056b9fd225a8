"""Published names of image towers -> timm's: those of transformers (DINOv2, CLIP, SAM, MAE, SigLIP), EVA02's own."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]

RULES = (
    # Where the image tower stands in a file that has more.
    (r"^(?:module\.)?(?:vision_model|vision_encoder|vit|dinov2|dinov2_with_registers)\.", ""),
    # transformers
    (r"^embeddings\.(?:cls_token|class_embedding)$", "cls_token"),
    (r"^embeddings\.position_embeddings?(?:\.weight)?$", "pos_embed"),
    (r"^embeddings\.(?:register_tokens)$", "reg_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^(?:embeddings\.patch_embeddings?(?:\.projection)?|patch_embed\.projection)\.", "patch_embed.proj."),
    (r"^encoder\.layers?\.(\d+)\.|^layers?\.(\d+)\.", r"blocks.\1\2."),
    (r"\.(?:layernorm_before|layer_norm1)\.", ".norm1."),
    (r"\.(?:layernorm_after|layer_norm2)\.", ".norm2."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.(?:self_attn|attention)\.q_proj\.", ".attn.query."),
    (r"\.(?:self_attn|attention)\.k_proj\.", ".attn.key."),
    (r"\.(?:self_attn|attention)\.v_proj\.", ".attn.value."),
    (r"\.(?:attention\.output\.dense|self_attn\.out_proj|attention\.o_proj)\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.(?:intermediate\.dense|mlp\.lin1|mlp\.weights_in)\.", ".mlp.fc1."),
    (r"\.(?:output\.dense|mlp\.lin2|mlp\.weights_out)\.", ".mlp.fc2."),
    (r"^pre_layrnorm\.", "norm_pre."),
    (r"^(?:post_layernorm|layernorm|pooler)\.", "norm."),
    # Facebook's DINOv2
    (r"^register_tokens$", "reg_token"),
    (r"\.mlp\.w12\.", ".mlp.fc1."),
    # EVA02's own
    (r"\.mlp\.w1\.", ".mlp.fc1_g."),
    (r"\.mlp\.w2\.", ".mlp.fc1_x."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
    (r"\.mlp\.ffn_ln\.", ".mlp.norm."),
)
"""Pattern -> timm's name, in this order; names that match none are the same in both."""
ELSEWHERE = (
    *("text_model.", "text_projection", "visual_projection", "logit_scale", "logit_bias"),
    *("decoder.", "prompt_encoder.", "mask_decoder.", "shared_image_embedding."),
)
"""Beginnings of what is not the image tower and keeps its name: text towers, the decoders of MAE and SAM."""


def to_timm(state: Mapping[str, Tensor]) -> State:
    """An image tower's tensors under timm's names, queries, keys and values of one attention in one tensor."""
    renamed: State = {}
    for name, tensor in state.items():
        if name.endswith("position_ids"):
            continue
        if name.startswith(ELSEWHERE):
            renamed[name] = tensor
            continue
        if (bias := re.fullmatch(r"(.*\.attn)\.([qv])_bias", name)) and f"{bias[1]}.{bias[2]}_proj.weight" in state:
            name = f"{bias[1]}.{bias[2]}_proj.bias"  # official EVA02; timm keeps the name where projections are fused
        for pattern, replacement in RULES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    for name in [name for name in renamed if ".attn.query." in name]:
        parts = [renamed.pop(name.replace(".query.", f".{part}."), None) for part in ("query", "key", "value")]
        whole = [part for part in parts if part is not None]
        if len(whole) == 3:  # else what is missing is named when the model is loaded
            renamed[name.replace(".query.", ".qkv.")] = torch.cat(whole)
    if (token := renamed.get("cls_token")) is not None and token.dim() == 1:
        renamed["cls_token"] = token.view(1, 1, -1)
    if (positions := renamed.get("pos_embed")) is not None and positions.dim() == 2:
        renamed["pos_embed"] = positions[None]
    return renamed


def fold_class_position(state: State) -> None:
    """For models whose position embedding has no entry for the class token: add that entry to the token itself."""
    positions, token = state["pos_embed"], state["cls_token"]
    state["cls_token"], state["pos_embed"] = token + positions[:, :1], positions[:, 1:]
