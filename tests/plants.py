"""Regressions to plant in place of the suite's own functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from bench import inference, train
from bench.data import stream, streets
from bench.models.vit import Normalised
from methods import rein


def without_softmax(self: rein.Rein, features: Tensor, block: int) -> Tensor:
    tokens = self.tokens(block)
    similarity = features @ (tokens * features.shape[-1] ** -0.5).T
    delta = similarity[..., 1:] @ self.mlp_token2feat(tokens[1:])
    refined: Tensor = features + self.scale * self.mlp_delta_f(delta + features)
    return refined


def without_softmax_in_training(self: rein.Rein, features: Tensor, block: int) -> Tensor:
    return self._predict(features, block) if self._folds() else without_softmax(self, features, block)


def not_normalised(self: Normalised, images: Tensor, multiple: int) -> Tensor:
    return images


def shifted(*arguments: Any, whole: Any = streets.render, **more: Any) -> streets.Frame:
    """Every class one on, the last one first."""
    frame = whole(*arguments, **more)
    return frame._replace(label=np.where(frame.label < 19, (frame.label + 1) % 19, frame.label).astype(np.uint8))


def freeze_all_but_one(module: Any) -> Any:
    module.requires_grad_(False).eval()
    module.get_parameter("vit.blocks.0.norm1.weight").requires_grad_(True)
    return module


def all_but_the_adapter(segmenter: Any, recipe: Any, whole: Any = train.parameter_groups) -> Any:
    adapter = {id(parameter) for parameter in segmenter.adapter.parameters()}
    groups = [
        group | {"params": [p for p in group["params"] if id(p) not in adapter]} for group in whole(segmenter, recipe)
    ]
    return [group for group in groups if group["params"]]


def ten_times_the_rate(segmenter: Any, recipe: Any, whole: Any = train.parameter_groups) -> Any:
    return [group | {"lr_scale": 10 * group["lr_scale"]} for group in whole(segmenter, recipe)]


def flipped_without_its_label(*arguments: Any, whole: Any = stream.train_transform) -> Any:
    image, label = whole(*arguments)
    return np.ascontiguousarray(image[:, :, ::-1]), label


def stitched_8_px_off(*arguments: Any, whole: Any = inference.predict_logits) -> Tensor:
    scores: Tensor = whole(*arguments).roll(8, dims=-1)
    return scores
