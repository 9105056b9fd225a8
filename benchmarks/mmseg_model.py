"""The same model twice: the suite's, and mmsegmentation's with mmdetection's Mask2Former around the same backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from bench.api import CLASSES, Segmenter
from bench.models.build import build_segmenter
from bench.models.heads.mask2former import Mask2FormerHead
from bench.resolve import resolve
from bench.spec import HeadConfig, RunSpec
from methods.mmseg import library, plan

Call = Callable[..., Any]
"""A method of a module, which torch's types do not know."""
CONFIG = "mask2former_r50_8xb2-90k_cityscapes-512x1024"
"""mmsegmentation's, for its decode head: the one that Rein was published with."""


class Both(NamedTuple):
    """Two models of the same weights and the same mathematics."""

    ours: Segmenter
    theirs: nn.Module
    """mmsegmentation's EncoderDecoder; its backbone is that of ours."""


class _Shared(nn.Module):
    """The suite's backbone as mmsegmentation calls one."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.backbone = segmenter.backbone

    def forward(self, images: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.backbone(images)
        return features


def specify(backbone: str, method: str = "frozen", sets: Iterable[str] = ()) -> RunSpec:
    """Random weights and the published head, patches of 16; the suite's own small backbones as in `streets`.

    `sets` are settings as on the command line.
    """
    rules = ("streets", "native") if backbone.endswith("-mini") else ("gta2cbm", "rein-512")
    return resolve(method, backbone, *rules, sets=["weights=random", *sets])


def build(spec: RunSpec, device: torch.device, crop: tuple[int, int] | None = None) -> Both:
    """Both models in eval mode; theirs predicts in windows of `crop` (stride 2/3 of it), or whole images.

    Raises PrerequisiteError without mmsegmentation.
    """
    segmenter = build_segmenter(spec).eval()
    head = segmenter.head
    assert isinstance(head, Mask2FormerHead), "mmsegmentation's side is made for Mask2Former"
    _away_from_start(head)
    theirs = _encoder_decoder(segmenter, spec.head, crop)
    cast(Any, theirs).decode_head.load_state_dict(head.state_dict())
    return Both(segmenter.to(device), theirs.to(device).eval())


def stride(crop: tuple[int, int]) -> tuple[int, int]:
    """Of windows: two thirds of their size."""
    return round(crop[0] * 2 / 3), round(crop[1] * 2 / 3)


def samples(labels: Tensor) -> list[Any]:
    """Train ids (B, H, W) as mmsegmentation's losses take them."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    found = []
    for label in labels:
        sample = SegDataSample(metainfo=meta(label))
        sample.gt_sem_seg = PixelData(data=label[None])
        found.append(sample)
    return found


def meta(image: Tensor) -> dict[str, Any]:
    """What mmsegmentation wants to know of an image (..., H, W) that is neither resized nor padded."""
    shape = tuple(image.shape[-2:])
    return {"ori_shape": shape, "img_shape": shape, "padding_size": [0, 0, 0, 0]}


def _away_from_start(head: Mask2FormerHead) -> None:
    """As initialised, attention looks at the same places for every token: a trained head's memory access is wider."""
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if "sampling_offsets" in name or "attention_weights" in name:
                parameter.add_(0.05 * torch.randn_like(parameter))


def _encoder_decoder(segmenter: Segmenter, head: HeadConfig, crop: tuple[int, int] | None) -> nn.Module:
    library.load_library()
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    segmentor = plan.unmarked(plan.read_config(plan.find_config(CONFIG), len(CLASSES))["segmentor"])
    segmentor["decode_head"] = _decode_head(segmentor["decode_head"], head, segmenter.backbone.channels)
    if crop is not None:
        segmentor["test_cfg"] = {"mode": "slide", "crop_size": crop, "stride": stride(crop)}
    with library.quiet(), DefaultScope.overwrite_default_scope("mmseg"):
        model = cast(nn.Module, MODELS.build(ConfigDict(segmentor)))
    model.backbone = _Shared(segmenter)
    return model


def _decode_head(given: Mapping[str, Any], head: HeadConfig, channels: tuple[int, ...]) -> dict[str, Any]:
    """mmsegmentation's configuration of the head with the sizes of ours."""
    found: dict[str, Any] = {**given, "in_channels": list(channels), "num_queries": head.num_queries}
    found |= {"feat_channels": head.hidden, "out_channels": head.hidden}
    places = {"num_feats": head.hidden // 2, "normalize": True}
    encoder, decoder = found["pixel_decoder"]["encoder"], found["transformer_decoder"]
    found["pixel_decoder"]["positional_encoding"] = found["positional_encoding"] = places
    encoder["num_layers"], decoder["num_layers"] = head.encoder_layers, head.decoder_layers
    sizes = {"embed_dims": head.hidden, "num_heads": head.heads}
    encoder["layer_cfg"]["self_attn_cfg"] |= sizes | {"num_points": head.points}
    for name in ("self_attn_cfg", "cross_attn_cfg"):
        decoder["layer_cfg"][name] |= sizes
    for part, width in ((encoder, head.encoder_ffn), (decoder, head.decoder_ffn)):
        part["layer_cfg"]["ffn_cfg"] |= {"embed_dims": head.hidden, "feedforward_channels": width}
    found["train_cfg"] |= {"num_points": head.loss_points, "oversample_ratio": head.oversample}
    found["train_cfg"]["importance_sample_ratio"] = head.importance
    return found
