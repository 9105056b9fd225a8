"""Files are read in order while the next ones are fetched: a hint that changes nothing but the time."""

from __future__ import annotations

import os

import pytest

from bench import reading
from bench.reading import AHEAD, read_ahead


@pytest.mark.parametrize("count", [0, 1, AHEAD - 1, AHEAD, 2 * AHEAD, 3 * AHEAD + 5])
def test_each_file_is_hinted_at_once_and_before_it_is_read(tmp_path, monkeypatch, count) -> None:
    paths = [tmp_path / f"{number}.json" for number in range(count)]
    hinted: list[object] = []
    monkeypatch.setattr(reading, "_hint", hinted.append)
    for number, path in enumerate(read_ahead(paths)):
        assert path == paths[number]
        assert hinted[: number + 1] == paths[: number + 1]
        assert len(hinted) <= number + 2 * AHEAD
    assert hinted == paths


def test_what_cannot_be_opened_is_left_to_its_reader(tmp_path) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    os.mkfifo(tmp_path / "pipe.json")  # opening one for reading waits for a writer
    paths = [tmp_path / "gone.json", tmp_path, tmp_path / "pipe.json", there]
    assert list(read_ahead(paths)) == paths


def test_without_the_system_call_it_is_the_same(tmp_path, monkeypatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert list(read_ahead([tmp_path / "a.json"])) == [tmp_path / "a.json"]
