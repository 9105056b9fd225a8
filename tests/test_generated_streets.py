"""The embedded generator in the folder of generated images: it needs no library besides the suite's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from bench import cli
from bench.api import GeneratedConfig
from bench.generated import revision, streets
from bench.generated.folder import make, open_generated
from bench.generated.prompts import distinct, listed, shipped
from bench.generated.streets import StreetsPainter

CPU = torch.device("cpu")
CONFIG = GeneratedConfig(generator="streets", images=5, image_size=(48, 96))


@pytest.fixture(autouse=True)
def _bare(monkeypatch) -> None:
    """No library of the hub."""
    for name in ("diffusers", "open_clip"):
        monkeypatch.setitem(sys.modules, name, None)


def test_a_hundred_prompts_ship() -> None:
    assert "streets" in shipped()
    prompts = listed("streets")
    assert len(prompts) == len(distinct(prompts)) == 100
    assert GeneratedConfig().prompts == "streets"


def test_the_embedded_world_is_painted_from_the_list(tmp_path) -> None:
    made = make(CONFIG, tmp_path, CPU)
    assert (made.new, made.prompts) == (5, listed("streets"))
    stream = open_generated(CONFIG, tmp_path)
    painted = StreetsPainter((48, 96)).paint(made.prompts[:5], range(5))
    assert all(np.array_equal(stream[number].image, painted[number]) for number in range(5))
    assert make(CONFIG, tmp_path, CPU).new == 0


def test_prompts_of_ones_own_are_painted(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("A street in the snow.\nA street at night.\n")
    config = CONFIG.model_copy(update={"prompts": GeneratedConfig(prompts=str(tmp_path / "mine.txt")).prompts})
    make(config, tmp_path / "images", CPU)
    stream = open_generated(config, tmp_path / "images")
    snow, night = ([float(stream[number].image.mean()) for number in numbers] for numbers in ((0, 2, 4), (1, 3)))
    assert min(snow) > max(night)


def test_the_painters_version_is_part_of_the_revision(monkeypatch) -> None:
    before = revision(CONFIG)
    assert revision(CONFIG.model_copy(update={"inference_steps": 2, "guidance": 1.0})) == before, "it has neither"
    monkeypatch.setattr(streets, "VERSION", "0")
    assert revision(CONFIG) != before


def test_the_verb_needs_no_diffusers(tmp_path, capsys) -> None:
    options = ["--images", "2", "--size", "32x64", "--device", "cpu", "--quiet", "--results", str(tmp_path)]
    assert cli.main(["generate", "--generator", "streets", *options]) == 0
    assert "2 images of 100 prompts" in capsys.readouterr().out
    assert cli.main(["generate", *options]) == 2
    assert "pip install -e '.[clouds]'" in capsys.readouterr().err
