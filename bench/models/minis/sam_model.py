"""sam-mini before its training: a `SamModel` of 1.1 M parameters, and how images are prepared for it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import SamConfig, SamImageProcessor, SamModel
from transformers.models.sam.modeling_sam import SamAttention

from bench.models.minis.sam_corpus import CHANNELS, GRID, MEAN, SIDE, STD

TIED = ("prompt_encoder.shared_embedding.positional_embedding",)
"""The same tensor as shared_image_embedding's: transformers ties it on loading, and safetensors holds no aliases."""


def config() -> SamConfig:
    """A SAM of 1.1 M parameters that sees 128 x 128 pixels in patches of 8."""
    return SamConfig(
        vision_config={
            "image_size": SIDE,
            "patch_size": 8,
            "hidden_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "window_size": 8,
            "global_attn_indexes": [1, 3],
            "use_rel_pos": False,  # it costs a third of the time
            "output_channels": CHANNELS,
            "num_pos_feats": CHANNELS // 2,
        },
        prompt_encoder_config={"hidden_size": CHANNELS, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": CHANNELS,
            "num_attention_heads": 4,
            "mlp_dim": 256,
            "iou_head_hidden_dim": CHANNELS,
        },
    )


def fresh(seed: int) -> SamModel:
    """The model to begin with. transformers' own initialisation is for loading weights over it (std 1e-10)."""
    torch.manual_seed(seed)
    model = SamModel(config())
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)
    for module in model.mask_decoder.transformer.modules():
        if isinstance(module, SamAttention):
            # Alike places look at each other from the first step on: their encodings' products fall with distance.
            module.q_proj.weight = nn.Parameter(2**0.5 * module.q_proj.weight.detach())
            module.k_proj.weight = nn.Parameter(module.q_proj.weight.detach().clone())
    decoder: Any = model.mask_decoder
    encoder: Any = model.vision_encoder
    for head in decoder.output_hypernetworks_mlps:
        head.proj_out.weight = nn.Parameter(0.1 * head.proj_out.weight.detach())  # masks start undecided
    for layer in encoder.layers:
        for last in (layer.attn.proj, layer.mlp.lin2):
            last.weight = nn.Parameter(0.1 * last.weight.detach())  # patches start as what they show themselves
    # What a patch shows must be louder than where it is.
    nn.init.normal_(model.vision_encoder.patch_embed.projection.weight, std=(3 * 8**2) ** -0.5)
    # To begin with, places say more than contents: a mask around its points is the first thing to learn.
    nn.init.constant_(model.vision_encoder.neck.layer_norm2.weight, 0.3)
    # Random Fourier features of a place, of SAM's own scale, and fixed as there.
    features = model.shared_image_embedding.positional_embedding
    nn.init.normal_(features, std=1.0)
    features.requires_grad_(False)
    side = encoder.pos_embed.shape[1]
    with torch.no_grad():
        encoder.pos_embed.copy_(waves(side, encoder.pos_embed.shape[-1]))
    return model


def waves(side: int, width: int) -> Tensor:
    """Sines and cosines of row and column at growing wavelengths, (1, side, side, width), of size 0.5."""
    rate = torch.pi / 2 ** torch.linspace(0, math.log2(side), width // 4)
    angle = torch.arange(side)[:, None] * rate
    axis = torch.cat([angle.sin(), angle.cos()], 1)
    grid = torch.cat([axis[:, None].expand(-1, side, -1), axis[None].expand(side, -1, -1)], 2)
    return 0.5 * grid[None]


def processor() -> SamImageProcessor:
    """How an image becomes `pixel_values`, for whoever reads the folder as any SAM checkpoint."""
    return SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": GRID},
        mask_pad_size={"height": GRID, "width": GRID},
        image_mean=list(MEAN),
        image_std=list(STD),
    )
