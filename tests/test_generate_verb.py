"""`python -m bench generate`: real images by a real, tiny pipeline, and what is said of mistakes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny

from bench import cli, protocols, registry
from bench.api import GeneratedConfig
from bench.generated import folder_name, place, revision
from bench.generated.folder import open_generated
from bench.registry import Registry


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny.save_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny-diffusion")


def test_the_verb_makes_images_with_a_real_pipeline(tmp_path, capsys, model) -> None:
    (tmp_path / "mine.txt").write_text("A road at noon\nA road in snow\n")
    options = f"--generator {model} --prompts {tmp_path}/mine.txt --size 16x32 --steps 2 --device cpu --quiet".split()
    place_ = ["--results", str(tmp_path / "results")]
    assert cli.main(["generate", *options, *place_, "--images", "3"]) == 0
    config = GeneratedConfig(
        generator=str(model), prompts=str(tmp_path / "mine.txt"), image_size=(16, 32), inference_steps=2, images=3
    )
    folder = place(tmp_path / "results", config)
    assert capsys.readouterr().out == f"3 images of 2 prompts in {folder}, 3 of them made now\n"
    stream = open_generated(config, folder)
    assert [stream[number].image.shape for number in range(3)] == [(16, 32, 3)] * 3
    assert all(stream[number].image.std() > 5 for number in range(3))
    assert cli.main(["generate", *options, *place_, "--images", "4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "folder": str(folder),
        "images": 4,
        "new": 1,
        "prompts": 2,
        "revision": revision(config),
    }
    out = tmp_path / "elsewhere"
    assert cli.main(["generate", *options, "--images", "3", "--out", str(out)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"3 images of 2 prompts in {out}, 3 of them")
    assert second.endswith(folder_name(config))
    assert all((out / f"00000{n}.png").read_bytes() == (folder / f"00000{n}.png").read_bytes() for n in range(3))


@pytest.fixture
def method(tmp_path, monkeypatch) -> Iterator[str]:
    """A method that trains on generated images, and a protocol with settings of it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weather.py").write_text(
        '''"""A method."""
from bench.api import GeneratedConfig, MethodCard


class Config(GeneratedConfig):
    images: int = 3
    inference_steps: int = 2
    teacher: float = 0.9


CARD = MethodCard(name="weather", summary="", build=lambda *_: None, config=Config)
'''
    )
    (tmp_path / "protocols").mkdir()
    text = (protocols.FOLDER / "streets.toml").read_text(encoding="utf-8")
    more = "\n[methods.weather]\nimage_size = [16, 32]\nteacher = 0.5\n[methods.weather.recipe]\niterations = 5\n"
    (tmp_path / "protocols" / "streets.toml").write_text(text + more, encoding="utf-8")
    monkeypatch.setattr(protocols, "FOLDER", tmp_path / "protocols")
    monkeypatch.setattr(registry, "METHODS", Registry("method", tmp_path / "elsewhere", "dgss_bench.none"))
    monkeypatch.syspath_prepend(tmp_path)
    yield "weather"
    for name in [name for name in sys.modules if name.partition(".")[0] == "elsewhere"]:
        del sys.modules[name]


def test_the_verb_begins_with_what_a_run_would_use(tmp_path, capsys, model, method) -> None:
    """The method's defaults, the protocol's settings over them, options over both."""
    (tmp_path / "mine.txt").write_text("A road at noon\n")
    options = ["--method", method, "--protocol", "streets", "--generator", str(model), "--device", "cpu", "--quiet"]
    options += ["--prompts", str(tmp_path / "mine.txt"), "--results", str(tmp_path)]
    assert cli.main(["generate", *options, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    config = GeneratedConfig(
        generator=str(model), prompts=("A road at noon",), image_size=(16, 32), inference_steps=2, images=3
    )
    assert (said["images"], said["folder"]) == (3, str(place(tmp_path, config)))
    assert cli.main(["generate", *options, "--images", "1"]) == 0
    assert capsys.readouterr().out == f"1 images of 1 prompts in {place(tmp_path, config)}, 0 of them made now\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--method", "rein"], ["method rein trains on no generated images"]),
        (["--method", "rien"], ["did you mean 'rein'?"]),
        (["--protocol", "streets"], ["name it with --method"]),
        (["--size", "768"], ["--size 768", "768x768"]),
        (["--size", "0x8"], ["image_size", "greater than 0"]),
        (["--images", "-1"], ["images", "greater than or equal to 0"]),
        (["--images", "0"], ["nothing to make"]),
        (["--images", "x"], ["'--images'", "valid integer"]),
        (["--prompts", "nowhere.txt"], ["there is no file nowhere.txt"]),
        (["--guidance", "nan"], ["guidance", "finite"]),
        (["--device", "cdua"], ["did you mean 'cuda'?"]),
        (
            ["--prompts", "LICENSE", "--generator", "no/body", "--device", "cpu"],
            ["generator no/body: there is no such"],
        ),
    ],
)
def test_mistakes_end_in_one_line(capsys, tmp_path, arguments, parts) -> None:
    assert cli.main(["generate", *arguments, "--results", str(tmp_path), "--quiet"]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert all(part in output.err for part in parts), output.err
