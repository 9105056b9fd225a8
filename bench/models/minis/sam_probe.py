"""How good are the masks on frames never trained on? And how good is the convex hull of the same points?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import SamModel

from bench.models.minis.sam_corpus import GRID, SIDE, Frames, prepare, prompt, regions

Mask = NDArray[np.bool_]


class Answer(NamedTuple):
    """What the model and the baselines say to one prompt of POINTS points, as IoU with the region that was meant."""

    kind: str
    thing: bool
    area: int
    chosen: float  # the candidate of the best predicted quality
    best: float  # the candidate that fits best: no model can know it
    hull: float
    box: float


class Score(NamedTuple):
    """Mean IoU, 0..100."""

    prompts: int
    chosen: float
    things: float
    stuff: float
    best: float
    hull: float
    box: float


def score(answers: list[Answer]) -> Score:
    """Means over prompts."""

    def mean(of: Callable[[Answer], float], kept: Callable[[Answer], bool] = lambda _: True) -> float:
        return round(100 * float(np.mean([of(answer) for answer in answers if kept(answer)])), 2)

    return Score(
        len(answers),
        mean(lambda a: a.chosen),
        mean(lambda a: a.chosen, lambda a: a.thing),
        mean(lambda a: a.chosen, lambda a: not a.thing),
        mean(lambda a: a.best),
        mean(lambda a: a.hull),
        mean(lambda a: a.box),
    )


@torch.no_grad()
def probe(model: SamModel, frames: Frames, astray: float = 0.0, crop: bool = False) -> list[Answer]:
    """Prompt with every component and instance of whole frames (or of their middle, 64 x 128), at their own pixels."""
    model.train(False)
    answers = []
    rng = np.random.default_rng(0)
    for image, label, instance in zip(*frames, strict=True):
        view = (slice(32, 96), slice(64, 192)) if crop else (slice(None), slice(None))
        found = [r for r in regions(label[view], instance[view]) if r.kind != "class"]
        asked = [prompt(region.mask, rng, 0.0, astray) for region in found]
        square = prepare(torch.from_numpy(image[view].astype(np.float32)).permute(2, 0, 1) / 255)
        height, width = label[view].shape
        scale = SIDE / max(height, width)
        out = model(
            image_embeddings=model.vision_encoder(square[None]).last_hidden_state,
            input_points=torch.from_numpy(np.stack([p.points for p in asked]))[None] * scale,
        )
        shown = out.pred_masks[0, :, :, : round(height * GRID * scale / SIDE), : round(width * GRID * scale / SIDE)]
        masks = (F.interpolate(shown, (height, width), mode="bilinear") > 0).numpy()
        chosen = out.iou_scores[0].argmax(1).tolist()
        for region, place, candidates, pick in zip(found, asked, masks, chosen, strict=True):
            fits = [overlap(candidate, region.mask) for candidate in candidates]
            hull, box = hull_and_box(place.points, region.mask.shape)
            answers.append(
                Answer(
                    region.kind,
                    region.thing,
                    int(region.mask.sum()),
                    fits[pick],
                    max(fits),
                    overlap(hull, region.mask),
                    overlap(box, region.mask),
                )
            )
    return answers


def overlap(a: Mask, b: Mask) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def hull_and_box(points: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    """The filled convex hull of the points, and their filled bounding box."""
    hull, box = np.zeros(shape, np.uint8), np.zeros(shape, bool)
    cv2.fillConvexPoly(hull, cv2.convexHull(points.astype(np.int32)), 1)
    (left, top), (right, bottom) = points.min(0).astype(int), points.max(0).astype(int)
    box[top : bottom + 1, left : right + 1] = True
    return hull.astype(bool), box
