"""Prompts from a list, a file and a language model: what is kept of them, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from pydantic import ValidationError

from bench.api import GeneratedConfig
from bench.errors import PrerequisiteError, UserError
from bench.generated import llm, prompts
from bench.generated.prompts import distinct, listed, prompts_of, shipped

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def writer(tmp_path_factory) -> Path:
    return tiny.save_writer(tmp_path_factory.mktemp("writers") / "writer")


@pytest.fixture
def rain(tmp_path, monkeypatch) -> str:
    """A folder of shipped lists with one list in it."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "rain.txt").write_text("A street in the rain.\nA bridge in the rain.\n")
    monkeypatch.setattr(prompts, "SHIPPED", tmp_path / "lists")
    return "rain"


def test_a_file_is_replaced_by_its_prompts(tmp_path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(
        "\ufeffA street  at night.\n\n  a STREET at night \nA tram in fog\r\nÉté, a road\n", encoding="utf-8"
    )
    config = GeneratedConfig(prompts=str(path))
    assert config.prompts == ("A street at night.", "A tram in fog", "Été, a road")
    again = GeneratedConfig.model_validate(config.model_dump(mode="json"))
    assert again == config
    assert str(tmp_path) not in config.model_dump_json()
    assert prompts_of(config, CPU) == list(config.prompts)


def test_a_shipped_list_keeps_its_name(rain) -> None:
    config = GeneratedConfig(prompts=rain)
    assert (config.prompts, shipped()) == ("rain", ["rain"])
    assert listed(config.prompts) == ("A street in the rain.", "A bridge in the rain.")
    with pytest.raises(UserError, match=r"no list of prompts 'snow' \(shipped: rain\)"):
        listed("snow")


def test_prompts_can_be_given_as_they_are() -> None:
    assert GeneratedConfig(prompts=["A road.", "a road", "A path"]).prompts == ("A road.", "A path")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no file .*mine.txt, and no such list .shipped: rain."),
        (b"", "there is no prompt in .*mine.txt: write one a line"),
        (b" \n\t\n", "there is no prompt in"),
        (b"\x89PNG\xff\xfe", "mine.txt is no text file"),
    ],
)
def test_a_file_without_prompts_is_named(tmp_path, rain, content, says) -> None:
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValidationError, match=says):
        GeneratedConfig(prompts=str(path))


@pytest.mark.parametrize("value", [[], [" "], 3, ["A road", 3]])
def test_what_is_no_list_of_prompts_is_refused(value) -> None:
    with pytest.raises(ValidationError):
        GeneratedConfig(prompts=value)


def test_a_folder_is_no_file_of_prompts(tmp_path, rain) -> None:
    with pytest.raises(ValidationError, match="cannot be read"):
        GeneratedConfig(prompts=str(tmp_path))


def test_of_prompts_that_say_the_same_the_first_is_kept() -> None:
    lines = ["A road at night.", "a road at night", " A  road at NIGHT. ", "", "A road by night"]
    assert distinct(lines) == ("A road at night.", "A road by night")


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (
            'Sure! Here are 3 short prompts:\n\n1. A photo of a road at dusk.\n 2) "A picture of a tram stop."\n'
            "(3) **A snapshot of a wet bridge**\n\nI hope that these help you!",
            ["A photo of a road at dusk.", "A picture of a tram stop.", "A snapshot of a wet bridge"],
        ),
        (
            "- A photo of a road in fog\n* A photo of a road in rain\n\u2022 \u201cA photo of a road in snow\u201d",
            ["A photo of a road in fog", "A photo of a road in rain", "A photo of a road in snow"],
        ),
        (
            "A photo of a road in fog\n\nA photo of a 4-lane road at 5.30 in the morning\nShort one\n",
            ["A photo of a road in fog", "A photo of a 4-lane road at 5.30 in the morning"],
        ),
        (
            "1. Weather prompts for you:\n2. " + "very " * 60 + "long\n3. ...\n4. A photo of a road",
            ["A photo of a road"],
        ),
        ("", []),
    ],
)
def test_answers_are_read(answer, kept) -> None:
    assert llm.parse(answer) == kept


@pytest.mark.parametrize("kind", ["writer", "writer-bare"])
def test_a_language_model_writes_prompts(writer, kind) -> None:
    """With a chat and without; asked until there are enough, more than one answer holds."""
    model, count = str(writer.with_name(kind)), 3 * tiny.ITEMS
    state = torch.random.get_rng_state()
    found = llm.ask(model, count, 0, CPU)
    assert len(set(found)) == count
    assert len(set(found) & set(tiny.PROMPTS)) >= count - 3, found
    assert found == llm.ask(model, count, 0, CPU) != llm.ask(model, count, 1, CPU)
    assert torch.equal(state, torch.random.get_rng_state()), "training draws from it"


def test_the_configuration_asks_its_model(writer) -> None:
    config = GeneratedConfig(llm=str(writer), llm_prompts=4)
    assert prompts_of(config, CPU) == llm.ask(str(writer), 4, prompts.SEED, CPU)


def test_a_model_that_has_no_more_to_say_is_given_up(writer) -> None:
    with pytest.raises(UserError, match=r"wrote \d+ different prompts, not 400, and 3 more answers") as caught:
        llm.ask(str(writer), 400, 0, CPU)
    assert "\n" not in str(caught.value)


def test_an_answer_cut_short_loses_its_last_line(writer, monkeypatch) -> None:
    monkeypatch.setattr(llm, "TOKENS", 4)  # 20 in all: in the middle of the second prompt
    torch.manual_seed(0)
    answer = llm._answer(llm._load(str(writer), CPU), tiny.ITEMS, CPU)
    assert llm.parse(answer) == [answer.strip().removeprefix("1. ")]
    assert answer.strip().removeprefix("1. ") in tiny.PROMPTS


@pytest.mark.parametrize("there", [True, False])
def test_a_model_that_is_not_there_is_one_line(tmp_path, there) -> None:
    model = str(tmp_path) if there else "nobody/no-model"
    with pytest.raises(PrerequisiteError, match="prompts=FILE") as caught:
        llm.ask(model, 3, 0, CPU)
    assert str(caught.value).startswith(f"llm {model}")
    assert "\n" not in str(caught.value)
