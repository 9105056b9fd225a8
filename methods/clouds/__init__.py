"""CLOUDS: a frozen CLIP backbone, a generator of street images, and SAM that cleans the labels a teacher gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from bench.api import (
    CLASSES,
    Backbone,
    GeneratedConfig,
    Head,
    HeadFactory,
    MethodCard,
    Segmenter,
    UnknownName,
    UserError,
    freeze,
    located,
    recorded,
    shipped,
)
from methods.clouds.ensemble import Ensemble
from methods.clouds.pictures import save, side_by_side
from methods.clouds.refine import components, draw_points, unite
from methods.clouds.segment_anything import PromptSegmenter, SegmentAnything
from methods.clouds.teacher import Teacher

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
SHIPPED = "sam-mini"
"""The segmenter of the embedded world."""


class CloudsConfig(GeneratedConfig):
    """CLOUDS' options; the defaults are the published ones."""

    segmenter: str = "facebook/sam-vit-huge"
    """What refines pseudo-labels: a SAM of the hub or a folder of one, `sam-mini`, or `none` (the paper's ablation)."""
    second_pass: bool = False
    """Whether SAM is asked again with the best mask it has given."""
    size_threshold: NonNegative = 5000
    """Components of at most so many pixels are left out."""
    points: Positive = 5
    """Random points for each component."""
    ema: Share = 0.999
    ema_every: Positive = 100
    """Iterations between two updates of the teacher."""
    ensemble: bool = False
    """Whether a mask's class is also read off CLIP's text embeddings, as a geometric mean (FC-CLIP)."""
    ensemble_alpha: Share = 0.4
    """Share of the text embeddings in it."""
    save_pseudo_labels: NonNegative = 8
    """So many generated images are written with what is made of them, below the run's `.runs` folder."""

    @field_validator("segmenter")
    @classmethod
    def _recorded(cls, value: str) -> str:
        """Of a folder, and of what ships, name and checksum: what refines the labels is part of a run's identity."""
        if value == "none":
            return value
        own = recorded(str(shipped(SHIPPED)))  # known by its recorded name from here on
        if value == SHIPPED:
            return own
        if "/" not in value and "@" not in value and value == recorded(value):
            raise UnknownName("segmenter", value, ("none", SHIPPED, "facebook/sam-vit-huge"))
        return recorded(value)


class Clouds(Segmenter):
    """A frozen backbone and a trainable head; in the joint phase the head's average labels generated images."""

    def __init__(self, backbone: Backbone, head: Head, config: CloudsConfig) -> None:
        super().__init__(freeze(backbone), head)
        self.config = config
        self.teacher = Teacher(config.ema, config.ema_every)
        self._refiner: list[PromptSegmenter] = []  # in a list, or it would be part of the module that is scored
        self._folder: Path | None = None
        self._step = -1
        self._to_show: list[int] = []

    @property
    def refiner(self) -> PromptSegmenter | None:
        """What refines the teacher's labels, while training."""
        return self._refiner[0] if self._refiner else None

    def refine_with(self, refiner: PromptSegmenter | None) -> None:
        """Take this one; none for the teacher's labels as they are."""
        self._refiner = [] if refiner is None else [refiner]

    def prepare(self, folder: Path, device: torch.device) -> None:
        """Load SAM, where there are generated images to label. Raises PrerequisiteError where it cannot be had."""
        config = self.config
        if not config.images or not config.joint_iterations:
            return
        if config.segmenter != "none":
            if config.segmenter.startswith(f"{SHIPPED}@") and located(config.segmenter) == config.segmenter:
                raise UserError(f"{SHIPPED} has changed since this run was specified: specify it again")
            self.refine_with(SegmentAnything.from_pretrained(config.segmenter, config.second_pass).to(device))
        self._folder = folder / "pseudo-labels"
        shown = min(config.save_pseudo_labels, config.joint_iterations)
        self._to_show = [place * config.joint_iterations // shown for place in range(shown)]

    def release(self) -> None:
        """Neither teacher nor SAM is kept."""
        self.refine_with(None)
        self.teacher.head = None

    def before_joint_step(self, step: int) -> None:
        """The teacher follows."""
        if self._step < 0:  # of a training that goes on, what has been shown is not shown again
            self._to_show = [place for place in self._to_show if place >= step]
        self._step = step
        if self.config.images:
            self.teacher.follow(self.head, step)

    @torch.no_grad()
    def pseudo_labels(self, images: Tensor) -> Tensor:
        """The teacher's classes, refined image by image; where no component is left, as they are."""
        assert self.teacher.head is not None, "before_joint_step makes the teacher"
        height, width = images.shape[-2:]
        predicted = self.teacher.head.logits(self.backbone(images), (height, width)).argmax(1)
        if self.refiner is None and not self._to_show:
            return predicted
        # A pure function of the step's seed that takes nothing from torch's own draws.
        rng = np.random.default_rng(torch.initial_seed())
        return torch.stack([self._refined(image, label, rng) for image, label in zip(images, predicted, strict=True)])

    def _refined(self, image: Tensor, predicted: Tensor, rng: np.random.Generator) -> Tensor:
        teacher = predicted.cpu().numpy().astype(np.uint8)
        found = components(teacher, self.config.size_threshold)
        numbers, points = draw_points(found, self.config.points, rng)
        label = predicted
        if self.refiner is not None and len(numbers):
            masks = self.refiner(image, torch.from_numpy(points).to(image.device))
            label = unite(masks, torch.from_numpy(found.classes[numbers]).to(image.device))
        if self._folder is not None and self._to_show and self._step >= self._to_show[0]:
            del self._to_show[0]
            path = self._folder / f"{self._step:06d}.png"
            save(side_by_side(image, teacher, points, label.cpu().numpy().astype(np.uint8)), path)
        return label

    def training_state(self) -> dict[str, Tensor]:
        """The teacher's."""
        return self.teacher.state()

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the teacher."""
        self.teacher.load(state, self.head)


def build(backbone: Backbone, make_head: HeadFactory, config: CloudsConfig) -> Segmenter:
    """A frozen backbone and a head with queries of its own; with `ensemble` its classes are also CLIP's."""
    head = make_head(backbone.channels)
    if config.ensemble:
        if not make_head.takes_queries:
            raise UserError("--set ensemble=true needs a head that classifies masks: --set head.name=mask2former")
        head.ensemble = Ensemble(backbone.language(CLASSES), config.ensemble_alpha)
    return Clouds(backbone, head, config)


CARD = MethodCard(
    name="clouds",
    summary="frozen CLIP; a teacher labels generated images, SAM cleans the labels",
    build=build,
    config=CloudsConfig,
    citation="Benigmim et al., Collaborating Foundation Models for DGSS, CVPR 2024, arXiv 2312.09788",
)
