"""Masked image modelling on features, between two photographs of a street.

A student with part of its patches hidden predicts, patch by patch, which prototype an exponential-moving-average
teacher assigns to the same place in the other photograph.

The ingredients are iBOT's (arXiv 2111.07832: online prototypes for masked patches), SwAV's (arXiv 2006.09882: balanced
assignments by Sinkhorn's iteration) and data2vec's (arXiv 2202.03555: the teacher sees the unmasked image).
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Backbone
from bench.models.minis.corpus import PATCH, Views


class Student(nn.Module):
    """A backbone, a mask token and a projection onto prototypes."""

    def __init__(self, backbone: Backbone, prototypes: int = 512, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        self.backbone = backbone
        self.mask_token = nn.Parameter(torch.zeros(backbone.width))
        self.norm = nn.LayerNorm(backbone.width)
        self.project = nn.Sequential(nn.Linear(backbone.width, hidden), nn.GELU(), nn.Linear(hidden, width))
        # Tokens of an untrained network are nearly parallel; without this their assignments start, and stay, uniform.
        self.spread = nn.BatchNorm1d(width, affine=False, track_running_stats=False)
        self.prototypes = nn.Parameter(torch.randn(prototypes, width))

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) in [0, 1], mask (B, h, w) True where hidden -> unit descriptors (B, h, w, D)."""
        tokens: list[Tensor] = []

        def keep(x: Tensor, block: int) -> Tensor:
            tokens[:] = [x]
            return x

        with self._hidden(mask):
            self.backbone(images, keep)
        x = self.project(self.norm(tokens[0])).float()
        x = self.spread(x.flatten(0, 1)).view_as(x)
        grid = (images.shape[2] // PATCH, images.shape[3] // PATCH)
        return F.normalize(x, dim=-1).unflatten(1, grid)

    def scores(self, descriptors: Tensor) -> Tensor:
        """Cosine to every prototype, (..., D) -> (..., K)."""
        return descriptors @ F.normalize(self.prototypes, dim=-1).T

    def _hidden(self, mask: Tensor | None) -> _Hook:
        return _Hook(self.backbone.get_submodule("vit.patch_embed.proj"), mask, self.mask_token)


class _Hook:
    """While open, the patch embedding gives the mask token where the mask is True."""

    def __init__(self, module: nn.Module, mask: Tensor | None, token: Tensor) -> None:
        self.module, self.mask, self.token = module, mask, token

    def __enter__(self) -> None:
        mask, token = self.mask, self.token
        if mask is not None:
            self.handle = self.module.register_forward_hook(
                lambda _m, _a, out: torch.where(mask[:, None], token[:, None, None].to(out.dtype), out)
            )

    def __exit__(self, *_: object) -> None:
        if self.mask is not None:
            self.handle.remove()


def block_masks(batch: int, grid: tuple[int, int], ratio: float, generator: torch.Generator) -> Tensor:
    """(B, h, w) bool: rectangles until about `ratio` of the patches is hidden."""
    mask = torch.zeros(batch, *grid, dtype=torch.bool)
    for m in mask:
        while m.float().mean() < ratio:
            h = int(torch.randint(1, max(2, grid[0] // 2), (), generator=generator))
            w = int(torch.randint(1, max(2, grid[1] // 3), (), generator=generator))
            y = int(torch.randint(0, grid[0] - h + 1, (), generator=generator))
            x = int(torch.randint(0, grid[1] - w + 1, (), generator=generator))
            m[y : y + h, x : x + w] = True
    return mask


@torch.no_grad()
def sinkhorn(scores: Tensor, temperature: float, rounds: int = 3) -> Tensor:
    """(N, K) cosines -> soft assignments whose rows sum to 1 and whose columns are used about equally."""
    q = torch.exp((scores - scores.max()) / temperature)
    for _ in range(rounds):
        q = q / q.sum(0, keepdim=True).clamp_min(1e-12)
        q = q / q.sum(1, keepdim=True).clamp_min(1e-12)
    return q


class Pretraining(nn.Module):
    """Student and teacher. `forward` gives the loss of one batch; `follow` moves the teacher after a step."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.student = Student(backbone)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, views: Views, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """-> loss on hidden patches, loss on visible ones (both mean cross-entropies)."""
        with torch.no_grad():
            target = self.teacher(views.teacher)
            target = target.flip(2) if views.mirror else target
            h, w = target.shape[1:3]
            down, right = views.down, views.right
            # Student row i shows what teacher row i - down shows.
            there = slice(max(0, -down), h - max(0, down)), slice(max(0, -right), w - max(0, right))
            here = slice(max(0, down), h - max(0, -down)), slice(max(0, right), w - max(0, -right))
            place = target[:, there[0], there[1]].flatten(0, 2)
            assigned = sinkhorn(self.teacher.scores(place), temperature)
        mine = self.student(views.student, mask)[:, here[0], here[1]].flatten(0, 2)
        loss = -(assigned * F.log_softmax(self.student.scores(mine) / 0.1, -1)).sum(-1)
        hidden = mask[:, here[0], here[1]].flatten()
        some = torch.randperm(len(mine))[:1024]
        match = F.cross_entropy(mine[some] @ place[some].T / 0.1, torch.arange(len(some)))
        return loss[hidden].mean() + loss[~hidden].mean(), match

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        mine, its = list(self.student.parameters()), list(self.teacher.parameters())
        torch._foreach_lerp_(its, mine, 1.0 - momentum)
