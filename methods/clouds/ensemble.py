"""CLIP's own opinion of a mask: its pooled features against the text embeddings of the classes.

FC-CLIP, arXiv 2308.02487, section 3.3; CLOUDS' published code takes it over as an option.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.api import Language


class Ensemble:
    """in ** (1 - alpha) * out ** alpha over the classes: of the head's probabilities and of the text embeddings'.

    No module: nothing of it trains, and it is made anew from the backbone's weights wherever a run is built.
    """

    def __init__(self, language: Language, alpha: float) -> None:
        self.language, self.alpha = language, alpha

    def __call__(self, classes: Tensor, masks: Tensor, features: list[Tensor]) -> Tensor:
        """Class logits (B, Q, K + 1), mask logits (B, Q, h, w), the backbone's maps -> probabilities (B, Q, K).

        What the head calls no object stays so. A mask without a pixel keeps the head's classes.
        """
        last = features[-1].float()
        inside = F.interpolate(masks.float(), size=last.shape[-2:], mode="bilinear", align_corners=False) > 0
        area = inside.flatten(2).sum(-1, keepdim=True)
        pooled = torch.einsum("bchw,bqhw->bqc", last, inside.float()) / area.clamp(min=1)
        similarity = self.language.to(last.device).logits(pooled)
        # Where a share is 0 the mean is the head's alone.
        share = self.alpha * (area > 0).float()
        known = classes.float()[..., :-1].log_softmax(-1)
        mixed = ((1 - share) * known + share * similarity.log_softmax(-1)).softmax(-1)
        return mixed * (1 - classes.float().softmax(-1)[..., -1:])
