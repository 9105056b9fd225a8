"""Pictures by a real, tiny Stable Diffusion: what decides them, and what is said when they cannot be had."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from transformers import CLIPConfig, CLIPImageProcessor

from bench.api import GeneratedConfig
from bench.errors import PrerequisiteError, UserError
from bench.generated.painter import DiffusersPainter, Image, Threaded, painter_for
from bench.models import hub

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e '.[clouds]'")

CPU = torch.device("cpu")
SIZE = (16, 32)
PROMPTS = ["a photo of a road in the rain", "a photo of a road at night", "a snapshot of a bridge"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny.save_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny-diffusion")


@pytest.fixture(scope="module")
def painter(model) -> DiffusersPainter:
    return DiffusersPainter(str(model), SIZE, 3, 7.5, CPU)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


def test_prompt_and_seed_decide_a_picture_and_its_batch_does_not(painter, model) -> None:
    together = painter.paint(PROMPTS, [0, 1, 2])
    assert [(image.shape, image.dtype) for image in together] == [((*SIZE, 3), np.uint8)] * 3
    for number, prompt in enumerate(PROMPTS):
        (alone,) = painter.paint([prompt], [number])
        assert apart(alone, together[number]) <= 1
        assert alone.std() > 5
    again = DiffusersPainter(str(model), SIZE, 3, 7.5, CPU).paint(PROMPTS, [0, 1, 2])
    assert all(np.array_equal(one, other) for one, other in zip(together, again, strict=True))
    other_seed, other_prompt = painter.paint([PROMPTS[0], PROMPTS[1]], [5, 0])
    assert apart(other_seed, together[0]) > 10
    assert apart(other_prompt, together[0]) > 3


@pytest.mark.parametrize(("steps", "guidance"), [(4, 7.5), (3, 2.0)])
def test_steps_and_guidance_reach_the_pipeline(painter, model, steps, guidance) -> None:
    (usual,), (other,) = (
        made.paint(PROMPTS[:1], [0]) for made in (painter, DiffusersPainter(str(model), SIZE, steps, guidance, CPU))
    )
    assert apart(usual, other) > 1


def test_stable_diffusion_takes_euler_steps_on_its_own_schedule(painter, model) -> None:
    published = diffusers.EulerDiscreteScheduler.from_pretrained(model, subfolder="scheduler")
    assert type(painter._pipeline.scheduler) is diffusers.EulerDiscreteScheduler
    assert dict(painter._pipeline.scheduler.config) == dict(published.config)
    assert published.config.prediction_type == "v_prediction"


def test_nothing_is_shown(capfd, model) -> None:
    DiffusersPainter(str(model), SIZE, 2, 7.5, CPU).paint(PROMPTS[:1], [0])
    assert capfd.readouterr() == ("", "")


def test_no_picture_is_blackened(painter, model, tmp_path) -> None:
    """By a safety checker, here one that objects to everything."""
    side = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    clip = CLIPConfig(text_config=side, vision_config={**side, "image_size": 32, "patch_size": 16}, projection_dim=8)
    module = importlib.import_module("diffusers.pipelines.stable_diffusion.safety_checker")
    checker = module.StableDiffusionSafetyChecker(clip)
    checker.concept_embeds_weights.data.fill_(-2.0)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    whole = diffusers.StableDiffusionPipeline.from_pretrained(
        model, safety_checker=checker, feature_extractor=processor
    )
    checked = whole(PROMPTS[0], height=16, width=32, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    assert np.asarray(checked.images[0]).max() == 0
    whole.save_pretrained(tmp_path / "checked")
    made, usual = DiffusersPainter(str(tmp_path / "checked"), SIZE, 3, 7.5, CPU), painter
    assert np.array_equal(made.paint(PROMPTS[:1], [0])[0], usual.paint(PROMPTS[:1], [0])[0])


def test_the_configuration_names_the_pipeline(painter, model) -> None:
    config = GeneratedConfig(generator=str(model), image_size=SIZE, inference_steps=3)
    (made,), (usual,) = painter_for(config, CPU).paint(PROMPTS[:1], [4]), painter.paint(PROMPTS[:1], [4])
    assert np.array_equal(made, usual)


def test_threads_paint_the_same_in_the_same_order() -> None:
    names = set()

    class Watched:
        def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image]:
            names.add(threading.current_thread().name)
            return [
                np.full((2, 2, 3), seed + len(prompt), np.uint8) for prompt, seed in zip(prompts, seeds, strict=True)
            ]

    asked = (["road", "street", "bridge"] * 4, range(12))
    threaded = Threaded(Watched()).paint(*asked)
    assert all(map(np.array_equal, threaded, Watched().paint(*asked)))
    assert names - {threading.current_thread().name}


def test_a_batch_too_large_for_the_memory_is_halved(model, painter, monkeypatch) -> None:
    usual, batches = painter._pipeline, []
    expected = painter.paint(PROMPTS, [0, 1, 2])

    def small(prompt: list[str], **options: Any) -> Any:
        if len(prompt) > most:
            raise torch.cuda.OutOfMemoryError("no room")
        batches.append(len(prompt))
        return usual(prompt=prompt, **options)

    monkeypatch.setattr(painter, "_pipeline", small)
    most = 1
    made = painter.paint(PROMPTS, [0, 1, 2])
    assert batches == [1, 1, 1]
    assert all(apart(one, other) <= 1 for one, other in zip(made, expected, strict=True))
    most = 0
    with pytest.raises(PrerequisiteError, match="memory is too small"):
        painter.paint(PROMPTS, [0, 1, 2])


def one_line(error: pytest.ExceptionInfo[Exception], *parts: str) -> None:
    assert "\n" not in str(error.value)
    assert all(part in str(error.value) for part in parts), str(error.value)


def test_a_size_that_the_pipeline_does_not_make(model) -> None:
    with pytest.raises(UserError) as error:
        DiffusersPainter(str(model), (17, 32), 2, 7.5, CPU).paint(PROMPTS[:1], [0])
    one_line(error, f"generator {model}", "divisible by 8")


def test_a_pipeline_that_takes_no_prompt(tmp_path) -> None:
    unet = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )
    diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(UserError) as error:
        DiffusersPainter(str(tmp_path / "ddpm"), SIZE, 2, 7.5, CPU)
    one_line(error, "a DDPMPipeline makes no images of prompts alone")


def test_without_diffusers_one_line_says_what_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(PrerequisiteError) as error:
        painter_for(GeneratedConfig(), CPU)
    one_line(error, "needs diffusers: pip install -e '.[clouds]'", "generator=streets")


def test_a_model_that_is_nowhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert not hub.hub_is_reachable()  # the tests ask it for nothing
    with pytest.raises(PrerequisiteError) as error:
        painter_for(GeneratedConfig(), CPU)
    one_line(error, "generator stabilityai/stable-diffusion-2: there is no such folder", "withdrawn", "sd2-community/")
    with pytest.raises(PrerequisiteError) as error:
        painter_for(GeneratedConfig(generator="nobody/nothing"), CPU)
    one_line(error, "generator nobody/nothing: there is no such folder", "name a text-to-image pipeline")


def test_a_folder_that_holds_no_pipeline(tmp_path) -> None:
    with pytest.raises(PrerequisiteError) as error:
        painter_for(GeneratedConfig(generator=str(tmp_path)), CPU)
    one_line(error, f"generator {tmp_path} cannot be loaded", "model_index.json")
