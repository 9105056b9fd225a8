"""The folder of generated images: made once, gone on with, checked, and opened as a stream without labels."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.api import GeneratedConfig
from bench.data.decoders import read_image
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.generated import folder_name, llm, painter, place, revision
from bench.generated.folder import IMAGES, INDEX, Made, make, open_generated

CPU = torch.device("cpu")
PROMPTS = ("A road at noon.", "A road in snow.", "A bridge in fog.")
CONFIG = GeneratedConfig(images=7, prompts=PROMPTS, image_size=(12, 20), generator="nobody/noise")


class Noise:
    """A painter whose pictures are noise of the prompt and the seed; it keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.stop_after = 10**6

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        if len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked += zip(prompts, seeds, strict=True)
        return [self.picture(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def picture(self, prompt: str, seed: int) -> np.ndarray:
        return np.random.default_rng([seed, *prompt.encode()]).integers(0, 256, (12, 20, 3), np.uint8)


@pytest.fixture
def noise(monkeypatch) -> Iterator[Noise]:
    """The generator `nobody/noise`, two pictures at a time."""
    made = Noise()
    monkeypatch.setattr(painter, "painter_for", lambda config, device: made)
    monkeypatch.setattr(painter, "batch_size", lambda config, device: 2)
    return made


@pytest.fixture
def nobody(monkeypatch) -> None:
    """No generator at all."""

    def none(config: GeneratedConfig, device: torch.device) -> painter.Painter:
        raise AssertionError("nothing was missing")

    monkeypatch.setattr(painter, "painter_for", none)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / IMAGES).read_text().splitlines()]


def test_images_are_made_of_the_prompts_in_turn(tmp_path, noise) -> None:
    folder = tmp_path / "new" / "images"
    assert make(CONFIG, folder, CPU) == Made(folder, 7, 7, PROMPTS)
    assert noise.asked == [(PROMPTS[number % 3], number) for number in range(7)]
    assert sorted(contents(folder)) == [*(f"{number:06d}.png" for number in range(7)), IMAGES, INDEX]
    for number, record in enumerate(records(folder)):
        path = folder / f"{number:06d}.png"
        assert np.array_equal(read_image(path), noise.picture(PROMPTS[number % 3], number))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        assert record == {"file": path.name, "prompt": number % 3, "seed": number, "sha256": sha256}
    index = json.loads((folder / INDEX).read_text())
    assert index["prompts"] == list(PROMPTS)
    known = {"generator": "nobody/noise", "image_size": [12, 20], "inference_steps": 50, "guidance": 7.5}
    assert index["settings"].items() >= known.items()


def test_a_whole_folder_needs_no_generator(tmp_path, noise, monkeypatch, request) -> None:
    make(CONFIG, tmp_path, CPU)
    before = contents(tmp_path)
    request.getfixturevalue("nobody")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert make(CONFIG, tmp_path, CPU) == Made(tmp_path, 7, 0, PROMPTS)
    assert make(CONFIG.model_copy(update={"images": 3}), tmp_path, CPU) == Made(tmp_path, 3, 0, PROMPTS)
    assert contents(tmp_path) == before
    assert len(open_generated(CONFIG, tmp_path)) == 7


def test_more_images_are_added(tmp_path, noise) -> None:
    make(CONFIG.model_copy(update={"images": 3}), tmp_path, CPU)
    noise.asked.clear()
    assert make(CONFIG, tmp_path, CPU).new == 4
    assert [seed for _, seed in noise.asked] == [3, 4, 5, 6]


def test_an_interrupted_folder_is_gone_on_with(tmp_path, noise) -> None:
    make(CONFIG, tmp_path / "whole", CPU)
    noise.asked.clear()
    noise.stop_after = 4
    with pytest.raises(KeyboardInterrupt):
        make(CONFIG, tmp_path / "stopped", CPU)
    assert len(records(tmp_path / "stopped")) == 4
    noise.stop_after = 10**6
    assert make(CONFIG, tmp_path / "stopped", CPU).new == 3
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_what_a_killed_maker_left_is_sorted_out(tmp_path, noise) -> None:
    """A record cut short, an image without a record, half an image, a temporary file."""
    make(CONFIG, tmp_path, CPU)
    whole = contents(tmp_path)
    lines = (tmp_path / IMAGES).read_bytes().splitlines(keepends=True)
    (tmp_path / IMAGES).write_bytes(b"".join(lines[:4]) + lines[4][:30])
    (tmp_path / "000006.png").write_bytes(whole["000006.png"][:40])
    (tmp_path / ".000006.png.1.tmp").write_bytes(b"half")
    noise.asked.clear()
    assert make(CONFIG, tmp_path, CPU).new == 1
    assert noise.asked == [(PROMPTS[0], 6)]
    now = contents(tmp_path)
    assert all(now[name] == content for name, content in whole.items() if name.endswith(".png"))
    (tmp_path / "000004.png").write_bytes(whole["000003.png"])  # its record was made anew
    with pytest.raises(DamagedFile, match="000004"):
        make(CONFIG, tmp_path, CPU)


def test_a_changed_image_is_named_and_made_again_when_deleted(tmp_path, noise) -> None:
    make(CONFIG, tmp_path, CPU)
    whole = contents(tmp_path)
    (tmp_path / "000002.png").write_bytes(whole["000001.png"])
    with pytest.raises(DamagedFile, match=r"000002\.png: .*delete it to have it again"):
        make(CONFIG, tmp_path, CPU)
    (tmp_path / "000002.png").unlink()
    with pytest.raises(DamagedFile, match=r"000002\.png: the generated image is missing"):
        open_generated(CONFIG, tmp_path)
    assert make(CONFIG, tmp_path, CPU).new == 1
    assert {name: content for name, content in contents(tmp_path).items() if name != IMAGES} == {
        name: content for name, content in whole.items() if name != IMAGES
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"guidance": 5.0}, "guidance is 7.5, not 5.0"),
        ({"image_size": (12, 24)}, "image_size is [12, 20], not [12, 24]"),
        ({"generator": "nobody/else"}, "generator is nobody/noise, not nobody/else"),
        ({"prompts": ("A path.",)}, "prompts is sha256:"),
        ({"llm": "nobody/writer"}, "llm is None, not nobody/writer"),
    ],
)
def test_a_folder_of_other_settings_is_not_mixed_with(tmp_path, noise, change, says) -> None:
    make(CONFIG, tmp_path, CPU)
    other = CONFIG.model_copy(update=change)
    for use in (lambda: make(other, tmp_path, CPU), lambda: open_generated(other, tmp_path)):
        with pytest.raises(UserError) as error:
            use()
        assert says in str(error.value)
        assert str(error.value).endswith("choose another folder or delete it")


@pytest.mark.parametrize("content", ["{", '{"settings": {}}', "[]", ""])
def test_a_damaged_index_is_named(tmp_path, noise, content) -> None:
    make(CONFIG, tmp_path, CPU)
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(DamagedFile, match=r"index\.json"):
        make(CONFIG, tmp_path, CPU)


def test_prompts_changed_in_the_index_are_seen(tmp_path, noise) -> None:
    make(CONFIG, tmp_path, CPU)
    path = tmp_path / INDEX
    path.write_text(path.read_text().replace("snow", "rain"))
    with pytest.raises(DamagedFile, match="its prompts are not those of its settings"):
        make(CONFIG, tmp_path, CPU)


def test_two_makers_at_once_leave_one_sound_folder(tmp_path, noise, monkeypatch) -> None:
    """On GPUs two of them do not paint the same bits: of each image one of the two is kept, with its own record."""
    barrier, results = threading.Barrier(2), []

    def paint(prompts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        if not barrier.broken and set(seeds) <= {0, 1}:
            barrier.wait(10)
        return [noise.picture(prompt + threading.current_thread().name, 1) for prompt in prompts]

    monkeypatch.setattr(noise, "paint", paint)
    threads = [threading.Thread(target=lambda: results.append(make(CONFIG, tmp_path, CPU))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made.new for made in results) == 7
    sums = {record["file"]: record["sha256"] for record in records(tmp_path)}
    assert len(sums) == 7
    assert all(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha for name, sha in sums.items())
    assert not list(tmp_path.glob(".*"))
    assert make(CONFIG, tmp_path, CPU).new == 0


def test_an_image_of_one_colour_is_not_trained_on(tmp_path, noise, monkeypatch) -> None:
    monkeypatch.setattr(noise, "picture", lambda prompt, seed: np.zeros((12, 20, 3), np.uint8))
    with pytest.raises(UserError, match="painted image 0 in one colour"):
        make(CONFIG, tmp_path, CPU)


def test_a_folder_that_cannot_be_written(tmp_path, noise) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="cannot write to"):
        make(CONFIG, tmp_path / "file" / "images", CPU)


def test_no_images_need_no_folder(tmp_path, nobody) -> None:
    none = CONFIG.model_copy(update={"images": 0})
    assert make(none, tmp_path / "none", CPU) == Made(tmp_path / "none", 0, 0, ())
    assert not (tmp_path / "none").exists()


def test_the_stream_has_images_and_no_labels(tmp_path, noise) -> None:
    make(CONFIG, tmp_path, CPU)
    stream = open_generated(CONFIG.model_copy(update={"images": 5}), tmp_path)
    assert (len(stream), stream.keep, stream.labelled) == (5, False, False)
    for number in range(5):
        sample = stream[number]
        assert np.array_equal(sample.image, noise.picture(PROMPTS[number % 3], number))
        assert (sample.label.shape, sample.label.dtype, set(sample.label.flat)) == ((12, 20), np.uint8, {255})
        assert sample.name == stream.names[number] == f"{number:06d}"
    with pytest.raises(UserError, match="bench generate"):
        open_generated(CONFIG, tmp_path / "nowhere")


def test_the_stream_knows_its_pixels(tmp_path, noise) -> None:
    """Two devices paint not quite the same of the same settings: the stream's revision tells."""
    make(CONFIG, tmp_path / "one", CPU)
    make(CONFIG, tmp_path / "two", CPU)
    noise.picture = lambda prompt, seed: np.full((12, 20, 3), 9, np.uint8) + np.eye(12, 20, dtype=np.uint8)[..., None]
    make(CONFIG, tmp_path / "other", CPU)
    one, two, other = (open_generated(CONFIG, tmp_path / name).revision for name in ("one", "two", "other"))
    assert one == two != other
    fewer = open_generated(CONFIG.model_copy(update={"images": 2}), tmp_path / "one").revision
    assert fewer != one


def test_the_language_model_is_asked_once(tmp_path, noise, monkeypatch) -> None:
    asked = []

    def ask(model: str, count: int, seed: int, device: torch.device) -> list[str]:
        asked.append((model, count, seed))
        return [f"A road of kind {number}." for number in range(count)]

    monkeypatch.setattr(llm, "ask", ask)
    config = CONFIG.model_copy(update={"llm": "nobody/writer", "llm_prompts": 4, "images": 3})
    made = make(config, tmp_path, CPU)
    assert make(config.model_copy(update={"images": 7}), tmp_path, CPU).prompts == made.prompts
    assert asked == [("nobody/writer", 4, 0)]
    assert noise.asked[-1] == ("A road of kind 2.", 6)


def test_what_decides_the_images_decides_the_revision() -> None:
    changes = [
        {"generator": "nobody/else"},
        {"image_size": (20, 12)},
        {"inference_steps": 49},
        {"guidance": 7.0},
        {"prompts": PROMPTS[:2]},
        {"prompts": PROMPTS[::-1]},
        {"llm": "nobody/writer"},
        {"llm": "nobody/writer", "llm_prompts": 9},
    ]
    revisions = {revision(CONFIG.model_copy(update=change)) for change in [{}, *changes]}
    assert len(revisions) == len(changes) + 1
    for change in ({"images": 9}, {"generated_weight": 5}, {"warm_up": 1}, {"llm_prompts": 9}):
        assert revision(CONFIG.model_copy(update=change)) == revision(CONFIG)
    assert folder_name(CONFIG) == f"noise-{revision(CONFIG)[:12]}"
    assert place(Path("results"), CONFIG) == Path("results/.runs/generated") / folder_name(CONFIG)
