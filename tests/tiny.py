"""Real models of the hub's libraries at a size for tests: a text-to-image pipeline, and a writer of street prompts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from bench.generated import llm

THINGS = ("busy road", "narrow street", "wide square", "long bridge")
TIMES = ("at night", "in the morning", "at noon")
WEATHERS = ("in the rain", "in the snow", "under clouds")
PROMPTS = [f"A photo of a {thing} {time} {sky}." for thing in THINGS for time in TIMES for sky in WEATHERS]
ITEMS = 5
"""Of each answer that the writer has learnt to give."""


def save_pipeline(folder: Path) -> Path:
    """An untrained StableDiffusionPipeline of about 40,000 parameters, with Stable Diffusion 2's kind of schedule."""
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install -e '.[clouds]'")
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    files = [folder.parent / name for name in ("vocab.json", "merges.txt")]
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    files[0].write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    files[1].write_text("#version: 0.2\n")
    text = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        steps_offset=1,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(*map(str, files), model_max_length=77),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def save_writer(folder: Path, steps: int = 120) -> Path:
    """A causal language model, trained for seconds to answer the question with a numbered list of `ITEMS` prompts.

    Its folder is that of a model with a chat; `<folder>-bare` has the same one without.
    """
    torch.manual_seed(0)
    draws, tokenizer = random.Random(0), _tokenizer()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    question = llm.QUESTION.format(count=ITEMS) + "\n\n"
    for _ in range(steps):
        texts = [f"{question}{_answer(draws, ITEMS)}<eos>" for _ in range(8)]
        ids = tokenizer(texts, return_tensors="pt", padding=True)["input_ids"]
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for chat, target in ((None, folder.with_name(f"{folder.name}-bare")), (True, folder)):
        model.save_pretrained(target)
        if chat:
            tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}\n\n"
        tokenizer.save_pretrained(target)
    return folder


def _answer(draws: random.Random, items: int) -> str:
    return "".join(f"{number + 1}. {prompt}\n" for number, prompt in enumerate(draws.sample(PROMPTS, items)))


def _tokenizer() -> PreTrainedTokenizerFast:
    """A token for each word with the space before it, and for each end of line."""
    split = pre_tokenizers.Split(Regex(r"\n| ?[^\s]+"), "isolated")
    text = llm.QUESTION.format(count=ITEMS) + "\n\n" + "".join(_answer(random.Random(n), 20) for n in range(20))
    words = sorted({word for word, _ in split.pre_tokenize_str(text)})
    tokens = {word: number for number, word in enumerate(["<unk>", "<eos>", *words])}
    tokenizer = Tokenizer(models.WordLevel(tokens, "<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>", pad_token="<eos>")
