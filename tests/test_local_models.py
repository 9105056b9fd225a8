"""Models named by a folder: their content counts, their place does not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from bench.api import GeneratedConfig
from bench.generated import folder_name, revision
from bench.models.local import located, recorded


def test_a_models_folder_counts_by_its_content(tmp_path: Path) -> None:
    first = tmp_path / "first" / "painter"
    (first / "unet").mkdir(parents=True)
    (first / "model_index.json").write_text("{}")
    (first / "unet" / "model.safetensors").write_bytes(b"weights")
    second = shutil.copytree(first, tmp_path / "second" / "painter")
    (second / ".git").mkdir()
    for ignored in ("painter.safetensors", "unet/model.fp16.safetensors", "unet/model.bin", "README.md", ".git/x.json"):
        (second / ignored).write_bytes(b"what loaders pass over")
    one, other = (GeneratedConfig(generator=str(folder)) for folder in (first, second))
    assert one == other
    assert re.fullmatch("painter@[0-9a-f]{16}", one.generator), "a run's identity holds no path"
    assert revision(one) == revision(other)
    assert folder_name(one).startswith("painter_")
    assert located(one.generator) == str(second), "the last one named"
    (second / "unet" / "model.safetensors").write_bytes(b"weight")
    assert revision(one) != revision(GeneratedConfig(generator=str(second)))


def test_names_of_the_hub_and_of_what_ships_stay(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "streets").mkdir()
    monkeypatch.chdir(tmp_path)
    assert recorded("streets", embedded=("streets",)) == "streets"
    assert recorded("streets").startswith("streets@")
    assert recorded("owner/model") == located("owner/model") == "owner/model"
    assert located("streets@0000000000000000") == "streets@0000000000000000", "of another process"


def test_notes_on_how_a_model_was_made_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = recorded(str(tmp_path))
    (tmp_path / "provenance.json").write_text("{}")
    assert recorded(str(tmp_path)) == before
