"""The shipped sam-mini: it is the file its card speaks of, loads as any SAM, and cuts out what it is pointed at."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import SamConfig, SamImageProcessor, SamModel

from bench.api import shipped
from bench.data.streets import render
from bench.models.minis import sam, sam_corpus, sam_model
from bench.models.minis.sam_corpus import FIRST_HELD_OUT, Frames
from bench.models.minis.sam_probe import probe, score
from methods.clouds.segment_anything import SegmentAnything

pytestmark = pytest.mark.usefixtures("one_thread")

FLOOR = 40.0
"""Mean IoU of the chosen candidates, 0..100, that these frames must reach."""


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Six frames that training never saw."""
    made = [render("wild", FIRST_HELD_OUT + 100 + i, 128, 256) for i in range(6)]
    return Frames(
        np.stack([frame.image for frame in made]),
        np.stack([frame.label for frame in made]),
        np.stack([frame.instance for frame in made]).astype(np.uint16),
    )


def test_the_folder_holds_what_its_card_says() -> None:
    folder = shipped("sam-mini")
    card = json.loads((folder / "provenance.json").read_text())
    weights = folder / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == card["sha256"]
    assert weights.stat().st_size < 5e6
    model, report = SamModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values())
    assert sum(p.numel() for p in model.parameters()) == card["parameters"]
    with safe_open(weights, "pt") as file:  # nothing is left to a random initialisation
        assert set(file.keys()) == set(model.state_dict()) - set(sam_model.TIED)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert card["recipe"] == sam.RECIPE
    own = sam_model.config().to_dict()
    assert {key: SamConfig.from_pretrained(folder).to_dict()[key] == own[key] for key in own if key.endswith("_config")}
    processor = SamImageProcessor.from_pretrained(folder)
    assert tuple(processor.image_mean) == sam_corpus.MEAN
    assert processor.size.longest_edge == processor.pad_size.height == sam_corpus.SIDE


def test_masks_fit_what_was_meant(frames: Frames) -> None:
    model = SamModel.from_pretrained(shipped("sam-mini"), dtype=torch.float32)
    answers = probe(model, frames, crop=True)
    found = score(answers)
    assert found.prompts > 80
    assert found.chosen > FLOOR
    assert found.chosen > found.hull
    assert found.best - found.chosen < 10.0  # the predicted quality chooses nearly as well as the truth would
    # Of small regions, mostly boxes in this world, five points tell nearly all; of larger ones the image must.
    large = score([answer for answer in answers if answer.area >= 200])
    assert large.prompts > 20
    assert large.chosen > large.box
    few = Frames(*(field[:1] for field in frames))
    assert score(probe(sam_model.fresh(1), few, crop=True)).chosen < 0.3 * found.chosen


def test_points_astray_do_less_harm_than_to_their_box(frames: Frames) -> None:
    model = SamModel.from_pretrained(shipped("sam-mini"), dtype=torch.float32)
    found = score(probe(model, frames, astray=1.0, crop=True))
    assert found.chosen > found.box


@pytest.mark.parametrize("second_pass", [False, True])
def test_clouds_can_prompt_it(frames: Frames, second_pass: bool) -> None:
    segmenter = SegmentAnything.from_pretrained(str(shipped("sam-mini")), second_pass=second_pass)
    image = torch.from_numpy(frames.image[0]).permute(2, 0, 1) / 255
    rng = np.random.default_rng(0)
    wanted = [r.mask for r in sam_corpus.regions(frames.label[0], frames.instance[0], 400) if r.kind == "component"]
    points = torch.from_numpy(np.stack([sam_corpus.prompt(mask, rng, 0.0, 0.0).points for mask in wanted]))
    masks = segmenter(image, points).numpy()
    assert masks.shape == (len(wanted), 128, 256)
    fits = [(m & w).sum() / (m | w).sum() for m, w in zip(masks, wanted, strict=True)]
    assert np.mean(fits) > 0.35
