"""Segment Anything (arXiv 2304.02643) as CLOUDS asks it: one mask for each group of positive points of an image.

Any checkpoint of transformers' `SamModel` will do (`facebook/sam-vit-base`, `-large`, `-huge`, or a folder, as that of
the suite's own, tiny `sam-mini`). Other architectures of that name (SAM 2 and 3, HQ-SAM, MobileSAM's TinyViT) are
other models and are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from torchvision.transforms.v2.functional import resize

from bench.api import PrerequisiteError, UserError, load_model

if TYPE_CHECKING:
    from transformers import SamModel

MODEL_TYPE = "sam"
ADVICE = (
    "name a SAM of transformers (facebook/sam-vit-huge) or a folder of one; segmenter=sam-mini and none need nothing"
)


class PromptSegmenter(Protocol):
    """Whatever answers groups of points with masks."""

    def __call__(self, image: Tensor, points: Tensor) -> Tensor:
        """RGB in [0, 1] (3, H, W), K prompts of P positive points (K, P, 2), x and y in pixels -> (K, H, W) bool."""


class SegmentAnything(nn.Module):
    """A frozen `SamModel` with its preprocessing: a `PromptSegmenter`, always in eval mode and without gradients.

    `second_pass` answers every prompt again with the first answer as its mask prompt. `batch` is how many prompts the
    decoder takes at a time; it changes memory and speed, not the answer.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: SamModel,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        second_pass: bool = False,
        batch: int = 64,
    ) -> None:
        super().__init__()
        if batch < 1:
            raise UserError(f"batch is the number of prompts answered at a time and must be at least 1, not {batch}")
        self.model = model.requires_grad_(False)
        config: Any = model.config
        self.second_pass, self.batch = second_pass, batch
        self.side: int = config.vision_config.image_size
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.eval()

    @classmethod
    def from_pretrained(cls, name: str, second_pass: bool = False, *, batch: int = 64) -> SegmentAnything:
        """The checkpoint of a folder, or of the Hugging Face hub (`owner/name`).

        Raises UserError for a model that is no SAM, and PrerequisiteError for one that cannot be had, or does not fit.
        """
        processor, (model, report) = load_model("segmenter", name, _read, ADVICE)
        if lost := sorted(map(str, {*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]})):
            raise PrerequisiteError(f"{name} does not fit SamModel: {len(lost)} tensors, such as {lost[0]}")
        return cls(model, processor.image_mean, processor.image_std, second_pass=second_pass, batch=batch)

    def train(self, mode: bool = True) -> SegmentAnything:
        """Stays in eval mode, whatever a parent is set to."""
        super().train(False)
        return self

    @torch.no_grad()
    def forward(self, image: Tensor, points: Tensor) -> Tensor:
        """A mask for each prompt: RGB in [0, 1] (3, H, W), points (K, P, 2) x, y in pixels -> (K, H, W) bool.

        Of SAM's three candidates it is the one with the highest predicted quality.
        """
        if image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(f"an image is (3, H, W), not {tuple(image.shape)}")
        if points.ndim != 3 or points.shape[-1] != 2:
            raise ValueError(f"points are (prompts, points, 2), not {tuple(points.shape)}")
        height, width = image.shape[-2:]
        if not len(points):
            return torch.zeros(0, height, width, dtype=torch.bool, device=image.device)
        with torch.autocast(image.device.type, enabled=False):  # in bfloat16 a point lies a pixel off
            return self._masks(image, points)

    def _masks(self, image: Tensor, points: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        embeddings = self.embed(image)
        rows, columns = self.scaled_size(height, width)
        scaled = points.to(self.mean) * self.mean.new_tensor([columns / width, rows / height])
        masks = []
        for part in scaled.split(self.batch):
            square = F.interpolate(
                self.logits(embeddings, part)[None], (self.side, self.side), mode="bilinear", align_corners=False
            )
            shown = square[..., :rows, :columns]
            masks.append(F.interpolate(shown, (height, width), mode="bilinear", align_corners=False)[0] > 0)
        return torch.cat(masks)

    @torch.no_grad()
    def embed(self, image: Tensor) -> Tensor:
        """Embeddings (1, C, h, w) of an image (3, H, W): the costly part, once for all its prompts."""
        embeddings: Tensor = self.model.get_image_embeddings(self.pixel_values(image))
        return embeddings

    @torch.no_grad()
    def logits(self, embeddings: Tensor, points: Tensor) -> Tensor:
        """Chosen candidates (K, 4h, 4w) for embeddings (1, C, h, w) and points (K, P, 2) in pixels of the square."""
        # Prompts of one image share its embeddings in SamModel's second dimension.
        first = self.model(image_embeddings=embeddings, input_points=points[None])
        chosen = best_candidate(first.pred_masks[0], first.iou_scores[0])
        if not self.second_pass:
            return chosen
        # A mask prompt is added to the embeddings, so that here each prompt is an image of its own.
        second = self.model(
            image_embeddings=embeddings.expand(len(points), -1, -1, -1),
            input_points=points[:, None],
            input_masks=chosen[:, None],
        )
        return best_candidate(second.pred_masks[:, 0], second.iou_scores[:, 0])

    def pixel_values(self, image: Tensor) -> Tensor:
        """RGB in [0, 1] (3, H, W) -> the normalised square (1, 3, side, side), padded below and on the right."""
        rows, columns = self.scaled_size(image.shape[-2], image.shape[-1])
        # Resized as 8-bit values, as SAM's images were when it was trained and as its image processor does it.
        whole = (image.clamp(0, 1) * 255).round().to(torch.uint8)
        scaled = resize(whole[None], [rows, columns], antialias=True).to(self.mean) / 255
        return F.pad((scaled - self.mean) / self.std, (0, self.side - columns, 0, self.side - rows))

    def scaled_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width once the longest side is the model's."""
        scale = self.side / max(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)


def _read(place: str, local: bool) -> tuple[Any, Any]:
    """Processor, and model with transformers' report, of a folder or a hub's name."""
    from transformers import AutoConfig, SamImageProcessor, SamModel

    options: dict[str, Any] = {"local_files_only": local}
    # The type is asked first: SamModel would load other architectures with weights missing.
    kind = AutoConfig.from_pretrained(place, **options).model_type
    if kind != MODEL_TYPE:
        raise UserError(f"{place} is a {kind!r} model; only {MODEL_TYPE!r} (SamModel) is understood")
    try:
        loaded = SamModel.from_pretrained(place, dtype=torch.float32, output_loading_info=True, **options)
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(str(error)) from error
    return SamImageProcessor.from_pretrained(place, **options), loaded


def best_candidate(masks: Tensor, quality: Tensor) -> Tensor:
    """Of candidates (K, C, h, w) those with the highest predicted quality (K, C): (K, h, w)."""
    return masks[torch.arange(len(masks), device=masks.device), quality.argmax(1)]
