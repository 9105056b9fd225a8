"""Segment Anything as CLOUDS asks it: held against transformers' own processor and model, on tiny random ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

from bench.api import PrerequisiteError, UnknownName, UserError, shipped
from methods.clouds.segment_anything import SegmentAnything, best_candidate

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 64
HEIGHT, WIDTH = 50, 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights, loud enough that its masks have edges and its candidates differ."""
    torch.manual_seed(4)
    model = SamModel(
        SamConfig(
            vision_config={
                "image_size": SIDE,
                "patch_size": 8,
                "hidden_size": 24,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "window_size": 4,
                "global_attn_indexes": [1],
                "output_channels": 16,
                "num_pos_feats": 8,
            },
            prompt_encoder_config={"hidden_size": 16, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 4},
            mask_decoder_config={
                "hidden_size": 16,
                "num_attention_heads": 2,
                "mlp_dim": 32,
                "iou_head_hidden_dim": 16,
            },
        )
    )
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "positional" not in name:
            nn.init.normal_(parameter, std=(2.0 / parameter[0].numel()) ** 0.5)
    nn.init.normal_(model.shared_image_embedding.positional_embedding, std=1.0)
    place = tmp_path_factory.mktemp("sam")
    model.save_pretrained(place)
    SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": SIDE // 2},
        mask_pad_size={"height": SIDE // 2, "width": SIDE // 2},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.3, 0.2, 0.25],
    ).save_pretrained(place)
    return place


@pytest.fixture
def segmenter(folder: Path) -> SegmentAnything:
    return SegmentAnything.from_pretrained(str(folder))


def scene(height: int = HEIGHT, width: int = WIDTH, prompts: int = 12) -> tuple[Tensor, Tensor]:
    """A blurred image of whole 8-bit values, and points in it."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 6, 9, generator=generator)
    image = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]
    points = torch.rand(prompts, 5, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    return (image * 255).round() / 255, points.floor()


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (WIDTH, HEIGHT), (30, 40), (SIDE, SIDE)])
def test_masks_are_those_of_transformers_own_path(
    folder: Path, segmenter: SegmentAnything, size: tuple[int, int]
) -> None:
    image, points = scene(*size)
    processor = SamProcessor.from_pretrained(folder)
    model = SamModel.from_pretrained(folder).eval()
    pixels = (image * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    inputs = processor(images=pixels, input_points=[points.tolist()], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**{k: v.float() for k, v in inputs.items() if k in ("pixel_values", "input_points")})
    masks = processor.image_processor.post_process_masks(
        outputs.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )[0]
    picks = outputs.iou_scores[0].argmax(1)
    wanted = masks[torch.arange(len(points)), picks]
    assert len(picks.unique()) > 1  # candidates are chosen prompt by prompt
    assert 0.3 < wanted.float().mean() < 0.7
    ours = segmenter(image, points)
    assert ours.shape == wanted.shape
    assert ours.dtype == torch.bool
    assert (ours == wanted).float().mean() > 0.995
    torch.testing.assert_close(segmenter.pixel_values(image), inputs["pixel_values"])
    with torch.no_grad():
        embeddings = segmenter.model.get_image_embeddings(inputs["pixel_values"])
        logits = segmenter.logits(embeddings, inputs["input_points"][0].float())
    torch.testing.assert_close(logits, outputs.pred_masks[0, torch.arange(len(points)), picks], atol=1e-4, rtol=0)


def test_batches_do_not_change_the_answer_and_the_image_is_embedded_once(
    segmenter: SegmentAnything, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, points = scene()
    whole = segmenter(image, points)
    calls: dict[str, list[int]] = {"encoder": [], "decoder": []}
    for name, module in (("encoder", segmenter.model.vision_encoder), ("decoder", segmenter.model.mask_decoder)):
        module.register_forward_hook(lambda _m, _a, out, name=name: calls[name].append(1))
    segmenter.batch = 5
    assert (segmenter(image, points) == whole).float().mean() > 0.9999
    assert len(calls["encoder"]) == 1
    assert len(calls["decoder"]) == 3
    one = torch.cat([segmenter(image, points[k : k + 1]) for k in range(len(points))])
    assert (one == whole).float().mean() > 0.9999
    assert segmenter(image, points[:0]).shape == (0, HEIGHT, WIDTH)


def test_the_second_pass_asks_again_with_the_first_answer(folder: Path, segmenter: SegmentAnything) -> None:
    image, points = scene(prompts=3)
    twice = SegmentAnything.from_pretrained(str(folder), second_pass=True)
    embeddings = segmenter.embed(image)
    first, second = segmenter.logits(embeddings, points), twice.logits(embeddings, points)
    assert not torch.allclose(first, second, atol=1e-2)
    for k in range(3):  # transformers' own way, one prompt at a time
        with torch.no_grad():
            outputs = segmenter.model(
                image_embeddings=embeddings, input_points=points[None, k : k + 1], input_masks=first[k][None, None]
            )
        own = outputs.pred_masks[0, 0, outputs.iou_scores[0, 0].argmax()]
        torch.testing.assert_close(second[k], own, atol=1e-4, rtol=0)
    assert twice(image, points).shape == (3, HEIGHT, WIDTH)


def test_half_precision_around_it_changes_nothing(segmenter: SegmentAnything) -> None:
    image, points = scene(prompts=3)
    plain = segmenter(image, points)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(segmenter(image, points), plain)


def test_the_best_candidate_is_that_of_the_highest_quality() -> None:
    masks = torch.arange(2 * 3 * 4).view(2, 3, 2, 2)
    quality = torch.tensor([[0.1, 0.9, 0.3], [0.5, 0.2, 0.4]])
    assert torch.equal(best_candidate(masks, quality), torch.stack([masks[0, 1], masks[1, 0]]))


def test_it_stays_frozen_in_eval_mode(segmenter: SegmentAnything) -> None:
    parent = nn.Sequential(segmenter)
    parent.train()
    assert not any(module.training for module in segmenter.modules())
    assert not any(parameter.requires_grad for parameter in segmenter.parameters())
    image, _ = scene(prompts=1)
    assert not segmenter.embed(image.requires_grad_()).requires_grad
    assert segmenter.to(torch.device("cpu")) is segmenter


def test_what_it_refuses(folder: Path, segmenter: SegmentAnything, tmp_path: Path) -> None:
    image, points = scene(prompts=1)
    with pytest.raises(ValueError, match="an image is"):
        segmenter(image[None], points)
    with pytest.raises(ValueError, match="points are"):
        segmenter(image, points[0])
    with pytest.raises(UserError, match="at least 1"):
        SegmentAnything(segmenter.model, [0.5] * 3, [0.5] * 3, batch=0)
    with pytest.raises(PrerequisiteError, match=r"^segmenter nobody/sam-vit-none: [^\n]*not in the hub's cache[^\n]*$"):
        SegmentAnything.from_pretrained("nobody/sam-vit-none")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "sam2"}')
    with pytest.raises(UserError, match="is a 'sam2' model"):
        SegmentAnything.from_pretrained(str(other))
    lame = tmp_path / "lame"
    SamModel.from_pretrained(folder).save_pretrained(lame)
    (lame / "preprocessor_config.json").write_text((folder / "preprocessor_config.json").read_text())
    config = json.loads((lame / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 3
    (lame / "config.json").write_text(json.dumps(config))
    with pytest.raises(PrerequisiteError, match="does not fit SamModel"):
        SegmentAnything.from_pretrained(str(lame))


def test_shipped_models_are_found_by_name() -> None:
    assert (shipped("sam-mini") / "config.json").is_file()
    assert shipped("eva02-mini").is_file()
    with pytest.raises(UnknownName, match="unknown shipped model 'muon'"):
        shipped("muon")
