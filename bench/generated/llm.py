"""Street prompts by a language model, as CLOUDS has them from Llama-2-70B-chat (arXiv 2312.09788, section 3.2).

Published are the answers: one hundred lines as "A photo of a busy road in daylight with sunny weather.", all of which
begin with "A photo of", "A picture of" or "A snapshot of" (`prompt_llama70b.txt` of the published code). The question
was not found, neither in the code nor in the paper's text: `QUESTION` is ours and asks for the same.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.errors import PrerequisiteError, UserError
from bench.generated.prompts import distinct
from bench.models.libraries import first_line, load_model, quiet

QUESTION = (
    "Write {count} short prompts for a text-to-image model. Each describes one photo of a street in a city, as seen "
    "from a car or from the sidewalk. Vary what is seen (roads, buildings, traffic lights, signs, trees, people, "
    "bicycles, motorcycles, cars, buses, trucks, trains), the kind of place, the weather, the season and the time of "
    'day. Begin each with "A photo of", "A picture of" or "A snapshot of". One sentence a line, a numbered list, '
    "nothing else."
)
AT_ONCE = 20
"""Prompts asked for in one question: small models lose count of more."""
PATIENCE = 3
"""Questions in a row whose answers hold nothing new, after which no more are asked."""
TOKENS = 40
"""Room for one prompt in an answer."""
TEMPERATURE, TOP_P = 0.9, 0.95
WORDS = range(4, 41)
"""A prompt has so many words: more would not fit the 77 tokens that Stable Diffusion reads."""

_LISTED = re.compile(r"^\s*(?:\(?\d{1,3}\s*[.):]|\d{1,3}\s+-|[-*\u2022\u2013])\s+")
_AROUND = " \t*_`\"'\u201c\u201d\u2018\u2019"


class Writer(NamedTuple):
    """A language model and its tokenizer."""

    model: Any
    tokenizer: Any


def ask(model: str, count: int, seed: int, device: torch.device) -> list[str]:
    """`count` different street prompts, written by a text-generation model of transformers (a folder or a hub's name).

    Sampled; the same seed on the same device gives the same prompts. Asks again until there are enough. Raises
    PrerequisiteError for a model that cannot be had, UserError when `PATIENCE` answers bring nothing new.
    """
    writer, found = _load(model, device), list[str]()
    rounds, in_vain = 0, 0
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), quiet():
        while len(found) < count and in_vain < PATIENCE:
            torch.manual_seed(seed + 1000 * rounds)
            wanted = min(AT_ONCE, count - len(found))
            before, found = len(found), list(distinct([*found, *parse(_answer(writer, wanted, device))]))
            rounds, in_vain = rounds + 1, 0 if len(found) > before else in_vain + 1
    if len(found) < count:
        raise UserError(
            f"llm {model} wrote {len(found)} different prompts, not {count}, and {PATIENCE} more answers brought "
            "nothing new: lower llm_prompts, name a larger model that follows instructions, or give prompts=FILE"
        )
    return found[:count]


def parse(answer: str) -> list[str]:
    """The prompts in an answer: the items of its list if it has one, else its lines, without marks and quotes.

    Lines that are no prompts (too short or long, headings, remarks between the items) are left out.
    """
    lines = answer.splitlines()
    items = [line for line in lines if _LISTED.match(line)]
    bare = (_LISTED.sub("", line).strip(_AROUND) for line in items or lines)
    return [line for line in bare if _is_prompt(line)]


def _is_prompt(line: str) -> bool:
    return len(line.split()) in WORDS and line[0].isalpha() and not line.endswith((":", "?", "!"))


def _load(model: str, device: torch.device) -> Writer:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32

    def loader(source: str, local: bool) -> Writer:
        tokenizer = cast(Any, AutoTokenizer).from_pretrained(source, local_files_only=local)
        return Writer(AutoModelForCausalLM.from_pretrained(source, dtype=dtype, local_files_only=local), tokenizer)

    advice = "name a text-generation model of transformers or its folder, or give prompts=FILE"
    writer = load_model("llm", model, loader, advice)
    try:
        return writer._replace(model=writer.model.to(device).eval())
    except torch.cuda.OutOfMemoryError as error:
        fewer = "name a smaller one, write on --device cpu, or give prompts=FILE"
        raise PrerequisiteError(f"llm {model}: the GPU's memory is too small for it; {fewer}") from error


@torch.inference_mode()
def _answer(writer: Writer, count: int, device: torch.device) -> str:
    """One sampled answer; its last line is dropped where the model was stopped in the middle of it."""
    tokenizer, question = writer.tokenizer, QUESTION.format(count=count)
    begin = "" if tokenizer.chat_template else "1."  # a model without a chat goes on with a list that has begun
    if tokenizer.chat_template:
        asked = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        encoded = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    else:
        encoded = tokenizer(f"{question}\n\n{begin}", return_tensors="pt")
    given, room = encoded["input_ids"].to(device), TOKENS * count
    try:
        written = writer.model.generate(
            given,
            attention_mask=torch.ones_like(given),
            do_sample=True,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            top_k=0,
            max_new_tokens=room,
            pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
        )[0, given.shape[1] :]
    except (ValueError, RuntimeError, IndexError) as error:
        raise UserError(f"llm cannot answer: {first_line(error)}; name another model, or give prompts=FILE") from error
    text = begin + str(tokenizer.decode(written, skip_special_tokens=True))
    return text if len(written) < room else text.rpartition("\n")[0]
