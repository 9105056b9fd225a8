"""Parameter counts at full size against published ones."""

from __future__ import annotations

import json

import pytest
import torch

from bench import cli
from bench.models import card as cards
from bench.models.backbones import build_backbone
from bench.params import Count, counts, methods_on_backbones

PUBLISHED = {
    # Rein, arXiv 2312.04265, tables 1 and 2, in millions: full fine-tuning,
    ("dinov2-large", "full"): 304.20,
    ("eva02-large", "full"): 304.24,
    ("clip-large", "full"): 304.15,
    ("sam-huge", "full"): 632.18,
    # Rein itself,
    ("dinov2-large", "rein"): 2.99,
    ("eva02-large", "rein"): 2.99,
    ("clip-large", "rein"): 2.99,
    ("mae-large", "rein"): 2.99,
    ("sam-huge", "rein"): 4.51,
    # and the methods it is compared with.
    ("dinov2-large", "lora"): 0.79,
    ("dinov2-large", "vpt"): 3.69,
    ("dinov2-large", "adaptformer"): 3.17,
}
MAE_PUBLISHED = 330.94
"""26.79 M more than an encoder has; MAE's decoder, which features do not pass through, would be 26.66 M."""
HEAD = 20_565_204
"""Mask2Former's head above ViT-L: the 20.6 M of rein.md, with learned queries."""


@pytest.mark.parametrize("backbone", cards.names())
def test_every_card_with_every_method_at_full_size(backbone: str) -> None:
    rows = {row.method: row for row in counts([backbone], methods_on_backbones())}
    assert list(rows) == methods_on_backbones()
    assert set(rows) >= {"rein", "full", "frozen", "linear", "lora", "vpt", "adaptformer", "bitfit", "partial"}
    plain = {"rein", "full", "frozen", "linear", "partial", "bitfit"}
    assert all(rows[method].total for method in plain)
    misfits = {row.method: row.note for row in rows.values() if row.total is None}
    staged = {"vpt", "adaptformer"} if backbone == "swin-base" else {"vpt", "adaptformer", "lora"}
    card = cards.load_card(backbone)
    expected = staged if card.out_indices is None else {"vpt"} if card.family == "sam" else set()
    assert set(misfits) == expected
    assert all(misfits.values()), "what does not fit says why"
    full, frozen = rows["full"], rows["frozen"]
    assert frozen.backbone_trainable == 0
    assert full.total == frozen.total == full.backbone_trainable + full.head_trainable
    with torch.device("meta"):
        channels = build_backbone(cards.load_card(backbone)).channels
    # One projection of each map to 256 channels; all else is the same.
    assert full.head_trainable == HEAD + 256 * (sum(channels) - 4 * 1024)
    assert rows["rein"].total == frozen.total + rows["rein"].backbone_trainable + _linking(rows)
    for (name, method), millions in PUBLISHED.items():
        if name == backbone:
            assert rows[method].backbone_trainable / 1e6 == pytest.approx(millions, abs=0.005), method


def _linking(rows: dict[str, Count]) -> int:
    """A linked head has a linear map where an unlinked one has learned queries."""
    return rows["rein"].head_trainable - rows["frozen"].head_trainable


def test_the_published_count_of_mae_is_not_the_encoders() -> None:
    (row,) = counts(["mae-large"], ["full"])
    assert row.backbone_trainable / 1e6 == pytest.approx(304.15, abs=0.005)
    assert row.backbone_trainable / 1e6 < MAE_PUBLISHED - 26


def test_native_sizes_are_the_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["params", "--backbone", "dinov2-small", "--method", "full", "--native", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) >= {"backbone", "method", "backbone_trainable", "head_trainable", "total"}
    (published,) = counts(["dinov2-small"], ["full"])
    # 37 x 37 positions instead of 32 x 32, kernels of 14 x 14 instead of 16 x 16.
    assert row["backbone_trainable"] - published.backbone_trainable == 384 * ((37**2 - 32**2) - 3 * (16**2 - 14**2))


def test_the_table_names_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["params", "--backbone", "resnet50", "--method", "lora", "--method", "rein"]) == 0
    assert "lora: this backbone has no attention" in capsys.readouterr().out
    assert cli.main(["params", "--backbone", "resnet50", "--method", "mmseg"]) == 0
    assert "mmseg: it brings its own model" in capsys.readouterr().out
    assert cli.main(["params", "--backbone", "resnet5"]) == 2
    assert "did you mean 'resnet50'?" in capsys.readouterr().err
