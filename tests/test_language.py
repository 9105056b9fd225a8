"""The language side of CLIP backbones: who has one, and that it does what CLIP does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.data.labels import CLASSES
from bench.errors import PrerequisiteError, UserError
from bench.models import card as cards
from bench.models.card import load_card
from bench.models.language import MINI_TEMPLATES, TEMPLATES, embed_classes, language_of, load_language

pytestmark = pytest.mark.usefixtures("one_thread")


@torch.no_grad()
def test_clip_minis_language_is_unit_embeddings_of_the_classes() -> None:
    language = load_language(load_card("clip-mini"), CLASSES)
    assert language.classes.shape == (len(CLASSES), 128)
    torch.testing.assert_close(language.classes.norm(dim=1), torch.ones(len(CLASSES)))
    assert 1.0 < float(language.scale) <= 100.0
    features = torch.randn(2, 5, 320)
    embedded = language.project(features)
    assert embedded.shape == (2, 5, 128)
    torch.testing.assert_close(embedded.norm(dim=-1), torch.ones(2, 5))
    torch.testing.assert_close(language.project(features[1, 3]), embedded[1, 3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(language.logits(features), language.scale * embedded @ language.classes.T)
    assert not language.state_dict().keys() & {"classes", "scale"}  # they follow from the weights


def test_what_has_no_text_tower_says_so_in_one_line() -> None:
    with pytest.raises(UserError, match="backbone eva02-mini has no text tower: choose") as caught:
        load_language(load_card("eva02-mini"), CLASSES)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="class names are needed"):
        load_language(load_card("clip-mini"), [])


def test_without_open_clip_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(PrerequisiteError, match=r"pip install -e '\.\[clouds\]'"):
        load_language(load_card("convnext-clip-large"), CLASSES)


def test_the_language_side_is_no_part_of_a_runs_identity() -> None:
    card = load_card("convnext-clip-large")
    assert card.language
    assert card.config() == card.model_copy(update={"language": ""}).config()
    assert {name for name in cards.names() if load_card(name).language} == {
        "clip-mini",
        "convnext-clip-base",
        "convnext-clip-large",
        "convnext-clip-xxlarge",
    }


@torch.no_grad()
def test_a_class_is_the_mean_over_templates() -> None:
    table = {template.format("car"): F.normalize(torch.randn(8), dim=0) for template in TEMPLATES}
    found = embed_classes(lambda texts: torch.stack([3.0 * table[text] for text in texts]), ["car"], TEMPLATES)
    torch.testing.assert_close(found[0], F.normalize(torch.stack(list(table.values())).mean(0), dim=0))
    assert all("{}" in template for template in (*TEMPLATES, *MINI_TEMPLATES))


class Published(nn.Module):
    """An untrained model built as open_clip builds its ConvNeXt ones: timm's trunk, a projection behind it."""

    def __init__(self, projection: nn.Module) -> None:
        super().__init__()
        trunk = timm.create_model("convnext_atto", num_classes=0)
        nn.init.normal_(trunk.head.norm.weight)  # so that leaving it out would show
        self.visual = nn.Module()
        self.visual.trunk, self.visual.head = trunk, projection
        self.logit_scale = nn.Parameter(torch.tensor(7.0))
        self.table = nn.Embedding(99, 16)

    def encode_text(self, tokens: Tensor) -> Tensor:
        return self.table(tokens).mean(1)


@pytest.mark.parametrize(
    "projection", [nn.Linear(320, 16, bias=False), nn.Sequential(nn.Linear(320, 32), nn.GELU(), nn.Linear(32, 16))]
)
@torch.no_grad()
def test_pooled_features_are_projected_as_open_clip_projects_its_map(projection: nn.Module) -> None:
    model = Published(projection)
    language = language_of(model, lambda texts: torch.tensor([[len(t) % 99, ord(t[-2]) % 99] for t in texts]), CLASSES)
    features = model.visual.trunk.forward_features(torch.rand(2, 3, 64, 96))
    expected = F.normalize(model.visual.head(model.visual.trunk.forward_head(features)), dim=-1)
    torch.testing.assert_close(language.project(features.mean((2, 3))), expected, atol=1e-5, rtol=1e-5)
    assert language.classes.shape == (len(CLASSES), 16)
    assert float(language.scale) == 100.0  # exp(7) is over CLIP's bound


@torch.no_grad()
def test_open_clips_own_model_agrees(tmp_path: Path) -> None:
    """Needs the package of the extra `clouds`, and no weights."""
    open_clip = pytest.importorskip("open_clip")
    vision = {"timm_model_name": "convnext_atto", "timm_pool": "", "timm_proj": "mlp", "image_size": 64}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "tiny_convnext.json").write_text(json.dumps(config), encoding="utf-8")
    open_clip.add_model_config(tmp_path)
    model = open_clip.create_model("tiny_convnext").eval()
    tokenize = open_clip.get_tokenizer("tiny_convnext")
    language = language_of(model, tokenize, CLASSES)
    images = torch.rand(2, 3, 64, 64)
    pooled = model.visual.trunk.forward_features(images).mean((2, 3))
    torch.testing.assert_close(language.project(pooled), model.encode_image(images, normalize=True))
    car = torch.stack([model.encode_text(tokenize([t.format("car")]), normalize=True)[0] for t in TEMPLATES])
    torch.testing.assert_close(language.classes[CLASSES.index("car")], F.normalize(car.mean(0), dim=0))


def test_absent_open_clip_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"hf_hub": "somebody/some-clip/"}
    monkeypatch.setitem(sys.modules, "open_clip", SimpleNamespace(get_pretrained_cfg=lambda *_: known))
    monkeypatch.setattr("bench.models.language.from_hub", lambda *_: None)
    with pytest.raises(PrerequisiteError, match=r"`hf download somebody/some-clip open_clip_model\.safetensors`"):
        load_language(load_card("convnext-clip-base"), CLASSES)
