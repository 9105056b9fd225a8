"""Masked image modelling on features, between two photographs of a street.

A student with part of its patches hidden predicts, patch by patch, which prototype an exponential-moving-average
teacher assigns to the same place in the other photograph.

The ingredients are iBOT's (arXiv 2111.07832: online prototypes for masked patches), SwAV's (arXiv 2006.09882: balanced
assignments by Sinkhorn's iteration) and data2vec's (arXiv 2202.03555: the teacher sees the unmasked image).
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import Backbone
from bench.models.minis.corpus import PATCH, Views


class Student(nn.Module):
    """A backbone, a mask token and a projection onto prototypes."""

    def __init__(self, backbone: Backbone, prototypes: int, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        self.backbone = backbone
        self.mask_token = nn.Parameter(torch.zeros(backbone.width))
        self.norm = nn.LayerNorm(backbone.width)
        self.project = nn.Sequential(nn.Linear(backbone.width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.paint = nn.Linear(backbone.width, 80)
        # Tokens of an untrained network are nearly parallel; without this their assignments start, and stay, uniform.
        self.spread = nn.BatchNorm1d(width, affine=False, track_running_stats=False)
        self.prototypes = nn.Parameter(torch.randn(prototypes, width))

    def forward(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [0, 1], mask (B, h, w) True where hidden -> unit descriptors (B, h, w, D), appearance."""
        tokens: list[Tensor] = []

        def keep(x: Tensor, block: int) -> Tensor:
            tokens[:] = [x]
            return x

        with self._hidden(mask):
            self.backbone(images, keep)
        tokens[0] = self.norm(tokens[0])
        x = self.project(tokens[0]).float()
        x = self.spread(x.flatten(0, 1)).view_as(x)
        grid = (images.shape[2] // PATCH, images.shape[3] // PATCH)
        return F.normalize(x, dim=-1).unflatten(1, grid), self.paint(tokens[0]).unflatten(1, grid)

    def scores(self, descriptors: Tensor) -> Tensor:
        """Cosine to every prototype, (..., D) -> (..., K)."""
        scores: Tensor = descriptors @ F.normalize(self.prototypes, dim=-1).T
        return scores

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


@torch.no_grad()
def appearance(images: Tensor) -> Tensor:
    """What a patch looks like, (B, 3, H, W) -> (B, h, w, 80): 4 x 4 colours and 2 x 2 histograms of 8 edge directions.

    Colours are relative to the frame's own mean and spread, histograms to the patch's own contrast.
    """
    mean, std = images.mean((2, 3), keepdim=True), images.std((1, 2, 3), keepdim=True) + 0.05
    colour = F.pixel_unshuffle(F.avg_pool2d((images - mean) / std, 2), PATCH // 2)
    grey = F.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    dx, dy = (grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]), (grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1])
    # Energy along 8 directions without their sign: cos^2 of the angle, sharpened.
    angles = torch.arange(8, device=images.device) * (torch.pi / 8)
    along = dx * angles.cos().view(8, 1, 1) + dy * angles.sin().view(8, 1, 1)
    size = (dx.square() + dy.square()).sqrt() + 1e-4
    eighth = (along / size).square_().square_().square_()
    cells = F.avg_pool2d(eighth.mul_(size), PATCH // 2)
    edges = F.pixel_unshuffle(cells, 2)
    edges = edges / (edges.norm(dim=1, keepdim=True) + 0.02)
    return torch.cat([colour, 2.0 * edges], 1).permute(0, 2, 3, 1)


class Losses(NamedTuple):
    """Mean losses of a batch."""

    appearance: Tensor  # smooth L1 to the mean appearance of the other photographs
    assignment: Tensor  # cross-entropy to the teacher's prototypes


class Pretraining(nn.Module):
    """Student and teacher. `forward` gives the losses of one batch; `follow` moves the teacher after a step."""

    def __init__(self, backbone: Backbone, prototypes: int) -> None:
        super().__init__()
        self.student = Student(backbone, prototypes)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, views: Views, mask: Tensor, temperature: float, *, with_teacher: bool) -> Losses:
        """Losses over the patches that both views show, hidden from the student or not.

        The appearance of other photographs can only be predicted as its mean over styles given the street: that is
        invariant to style and needs to know what things are. It gets features off the ground; prototypes of these
        features (with_teacher) then make them more alike within a kind of thing.
        """
        down, right = views.down, views.right
        seen, guess = self.student(views.student, mask)
        h, w = guess.shape[1:3]
        # Student row i shows what teacher row i - down shows.
        there = slice(max(0, -down), h - max(0, down)), slice(max(0, -right), w - max(0, right))
        here = slice(max(0, down), h - max(0, -down)), slice(max(0, right), w - max(0, -right))

        def aligned(x: Tensor) -> Tensor:
            return (x.flip(2) if views.mirror else x)[:, there[0], there[1]].flatten(0, 2)

        wanted = appearance(views.others.flatten(0, 1)).unflatten(0, views.others.shape[:2]).mean(1)
        regression = F.smooth_l1_loss(guess.float(), wanted, beta=0.5)
        if not with_teacher:
            return Losses(regression, regression.new_zeros(()))
        with torch.no_grad():
            assigned = sinkhorn(self.teacher.scores(aligned(self.teacher(views.teacher)[0])), temperature)
        scores = self.student.scores(seen[:, here[0], here[1]].flatten(0, 2))
        return Losses(regression, -(assigned * F.log_softmax(scores / 0.1, -1)).sum(-1).mean())

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        for its, mine in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            its.lerp_(mine, 1.0 - momentum)
