"""The language side of a CLIP backbone: class names as embeddings, and its features brought into the same space.

As FC-CLIP (arXiv 2308.02487, section 3.3) and CLOUDS (arXiv 2312.09788, section 3.3) use it: features of the frozen
backbone's last map, pooled over a mask, are projected as CLIP projects its pooled map, and compared with class names.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from bench import parts
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.models.card import BackboneCard
from bench.models.hub import MODELS, from_hub, shipped_sha256
from bench.models.weights import load_strict, read_weights

TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of a small {}.",
    "a photo of a large {}.",
    "there is a {} in the scene.",
    "this is a {} in the scene.",
    "a {} in a street.",
    "a blurry photo of a {}.",
)
"""In the manner of ViLD's (arXiv 2104.13921, appendix): size, presence in a scene, poor photographs."""
MINI_TEMPLATES = ("{}", "a {}", "a photo of a {}", "there is a {}", "a scene with a {}", "a street with a {}")
"""In the words of clip-mini's captions, which no other words are known from."""
OPEN_CLIP = "open_clip:"
"""Prefix of a card's `language`: MODEL/TAG of the open_clip package, instead of a file below this one."""
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
MAX_SCALE = 100.0


class Language(parts.Language):
    """`project` takes pooled features of a backbone's last map to where the classes are."""

    classes: Tensor
    """(K, D) unit embeddings of the class names: the mean over templates, normalised."""
    scale: Tensor
    """() factor of cosines before a softmax, at most 100."""

    def __init__(self, classes: Tensor, scale: Tensor, projection: nn.Module) -> None:
        super().__init__()
        # Follow from the backbone's weights: no checkpoint has to hold them.
        self.register_buffer("classes", classes.detach().float(), persistent=False)
        self.register_buffer("scale", scale.detach().float().clamp(max=MAX_SCALE), persistent=False)
        self.projection = projection.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Language:
        """Never leaves evaluation mode."""
        del mode
        return super().train(False)

    def project(self, features: Tensor) -> Tensor:
        """(..., C) features of the last map, pooled or of single places -> (..., D) unit image embeddings."""
        embedded: Tensor = self.projection(features.reshape(-1, features.shape[-1]))
        return F.normalize(embedded.float(), dim=-1).reshape(*features.shape[:-1], -1)

    def logits(self, features: Tensor) -> Tensor:
        """(..., C) -> (..., K): scaled cosines to the class names."""
        scaled: Tensor = self.scale * self.project(features) @ self.classes.T
        return scaled


def load_language(card: BackboneCard, classes: Sequence[str]) -> Language:
    """The language side of the card's pre-trained backbone, for these class names.

    Raises UserError for a backbone without one, PrerequisiteError when open_clip or its weights are missing, and
    DamagedFile when shipped weights are not what they should be.
    """
    if not classes:
        raise UserError("class names are needed to compare features with: none were given")
    if not card.language:
        raise UserError(
            f"backbone {card.name} has no text tower: choose one that was trained with text "
            "(--backbone clip-mini, or a convnext-clip one)"
        )
    if card.language.startswith(OPEN_CLIP):
        model, _, tag = card.language.removeprefix(OPEN_CLIP).partition("/")
        return _from_open_clip(card.name, model, tag, classes)
    return _from_file(card, MODELS / card.language, classes)


@torch.no_grad()
def embed_classes(
    encode: Callable[[Sequence[str]], Tensor], classes: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """(K, D) unit embeddings: of each class the mean of its unit embeddings in all templates, made unit again."""
    rows = [F.normalize(encode([t.format(name) for t in templates]).float(), dim=-1).mean(0) for name in classes]
    return F.normalize(torch.stack(rows), dim=-1)


def _from_file(card: BackboneCard, path: Path, classes: Sequence[str]) -> Language:
    """clip-mini's: text tower, projection and scale of one file, its vocabulary in the file's header."""
    from bench.models.minis.towers import MiniLanguage

    if not path.is_file():
        raise PrerequisiteError(f"the text tower of {card.name} is not at {path}: restore it from the repository")
    state = read_weights(path, shipped_sha256(card, "text_sha256"))
    try:
        with safe_open(path, "pt") as file:
            words = json.loads((file.metadata() or {})["vocabulary"])
        dim, channels = state["image.1.weight"].shape
    except (SafetensorError, ValueError, KeyError) as error:
        raise DamagedFile(path, f"holds no language side: {error}") from error
    side = MiniLanguage(words, channels, dim)
    load_strict(side, state, path)
    side.eval()
    return Language(embed_classes(side.encode_text, classes, MINI_TEMPLATES), side.scale, side.image)


def _from_open_clip(backbone: str, name: str, tag: str, classes: Sequence[str]) -> Language:
    """A published model's, by the open_clip package, which finds or fetches its weights."""
    try:
        open_clip: Any = importlib.import_module("open_clip")
    except ImportError as error:
        raise PrerequisiteError(
            f"the text tower of {backbone} needs the package open_clip: pip install -e '.[clouds]'"
        ) from error
    repository = str(open_clip.get_pretrained_cfg(name, tag).get("hf_hub", "")).strip("/")
    path = next((found for file in OPEN_CLIP_FILES if (found := from_hub(repository, file))), None)
    if path is None:
        raise PrerequisiteError(
            f"the text tower of {backbone} not found: with a network, `hf download {repository} {OPEN_CLIP_FILES[0]}`, "
            "then bring the Hugging Face cache along"
        )
    try:
        model = open_clip.create_model(name, pretrained=str(path))
    except (OSError, RuntimeError) as error:
        raise DamagedFile(path, f"is no {name} of open_clip: {str(error)[:200]}") from error
    return language_of(model, open_clip.get_tokenizer(name), classes)


def language_of(model: Any, tokenize: Callable[[Sequence[str]], Tensor], classes: Sequence[str]) -> Language:
    """The language side of an open_clip model with a ConvNeXt of timm's."""
    model.eval()
    embedded = embed_classes(lambda texts: model.encode_text(tokenize(texts)), classes, TEMPLATES)
    return Language(embedded, model.logit_scale.exp(), _TrunkProjection(model.visual))


class _TrunkProjection(nn.Module):
    """How open_clip goes on from the last map of its ConvNeXt: pool, the trunk's layer norm, linear map or MLP.

    Of features that are pooled already, pooling a map of one cell leaves what they are.
    """

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.norm_pre, self.trunk_head, self.head = visual.trunk.norm_pre, visual.trunk.head, visual.head

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) -> (N, D)."""
        projected: Tensor = self.head(self.trunk_head(self.norm_pre(features[:, :, None, None])))
        return projected
