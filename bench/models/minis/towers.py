"""The two towers of clip-mini (CLIP, arXiv 2103.00020, section 2): ConvNeXt for images, a transformer for words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.minis.captions import SPECIAL, words_of

PAD, START, UNKNOWN = range(len(SPECIAL))
CONTEXT = 40  # tokens of a text at most
MAX_SCALE = 100.0  # CLIP's bound on the logit scale


class Tokenizer:
    """Words to numbers. `words` starts with SPECIAL; what it lacks becomes <unk>."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.index = {word: k for k, word in enumerate(self.words)}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(B, longest) int64, <start> first and <pad> after the end; texts beyond CONTEXT are cut."""
        rows = [[START, *(self.index.get(word, UNKNOWN) for word in words_of(text))][:CONTEXT] for text in texts]
        longest = max(map(len, rows))
        return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])

    def text(self, tokens: Tensor) -> str:
        """The words of one row (N,)."""
        return " ".join(self.words[k] for k in tokens.tolist() if k not in (PAD, START))


class TextTower(nn.Module):
    """A bidirectional transformer over words, whose <start> token becomes the embedding."""

    def __init__(self, words: int, width: int = 128, depth: int = 2, heads: int = 4, dim: int = 128) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.zeros(CONTEXT, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.words.weight, std=0.1)
        nn.init.normal_(self.places, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N) -> unit embeddings (B, D)."""
        x = self.words(tokens) + self.places[: tokens.shape[1]]
        x = self.layers(x, src_key_padding_mask=tokens == PAD)
        return F.normalize(self.head(self.norm(x[:, 0])).float(), dim=-1)


class Projection(nn.Sequential):
    """Features (..., C) -> (..., D): a layer norm and a linear map, as they fit pooled features and single places."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__(nn.LayerNorm(width), nn.Linear(width, dim, bias=False))


class MiniLanguage(nn.Module):
    """What ships beside the image tower: text tower, projection of its last map, logarithm of the logit scale."""

    def __init__(self, words: Sequence[str], channels: int, dim: int = 128) -> None:
        super().__init__()
        self.tokenize = Tokenizer(words)
        self.text = TextTower(len(words), dim=dim)
        self.image = Projection(channels, dim)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    @property
    def scale(self) -> Tensor:
        """Factor of the cosines, at most MAX_SCALE."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Unit embeddings (B, D)."""
        embedded: Tensor = self.text(self.tokenize(texts).to(self.log_scale.device))
        return embedded

    def encode_image(self, features: Tensor) -> Tensor:
        """(..., C) features of the last map, pooled or of one place -> unit embeddings (..., D)."""
        return F.normalize(self.image(features).float(), dim=-1)
