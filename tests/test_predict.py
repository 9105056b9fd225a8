"""Predictions as files: pictures of anyone's, and folders for servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import fake_data
import numpy as np
import pytest
import torch
from engine import TinyBackbone, TinyHead

from bench import cli, predict
from bench.api import Segmenter
from bench.data import cards
from bench.data.decoders import read_grey
from bench.data.labels import PALETTE
from bench.errors import BenchError, UserError
from bench.predict import Predictor, pictures, submit
from bench.resolve import resolve
from bench.run import make_fabric
from bench.spec import View

SETS = ["weights=random", "recipe.crop=32,32"]


class ByColour(Segmenter):
    """Finds the classes of `fake_data`'s pictures by their colours."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        palette = torch.tensor(PALETTE).float() / 255
        return -(images[:, None] - palette[None, :, :, None, None]).square().sum(2)


class Case(NamedTuple):
    predictor: Predictor
    spec: object
    data: Path


@pytest.fixture
def case(fake_cards: Path, tmp_path: Path) -> Case:
    spec = resolve("rein", "eva02-mini", "city2acdc", sets=SETS)
    data = tmp_path / "data"
    fake_data.FAMILIES["acdc"].make(data)
    segmenter = ByColour(TinyBackbone(), TinyHead())
    return Case(Predictor(segmenter, spec, make_fabric("cpu", "fp32")), spec, data)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Path]:
    """A folder of two pictures in pure class colours."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, suffix in (("a", "png"), ("b", "PNG")):
        label = np.repeat(np.array([[0, 13, 10]], np.uint8), 40, axis=0).repeat(20, axis=1)
        assert cv2.imwrite(str(folder / f"{name}.{suffix}"), np.array(PALETTE, np.uint8)[label][..., ::-1])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize(("ids", "expected"), [("train-ids", {0, 13, 10}), ("cityscapes-ids", {7, 26, 23})])
def test_pictures_become_ids_and_overlays(
    ids: predict.Ids, expected: set[int], case: Case, street: Path, tmp_path: Path
) -> None:
    files, others = pictures([street])
    assert others == 1
    assert [path.name for path in files] == ["a.png", "b.PNG"]
    written = predict.predict(case.predictor, files, tmp_path / "out", ids)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("a_colour.png", "a_ids.png", "b_colour.png", "b_ids.png")
    ]
    assert written.damaged == []
    found = read_grey(written.written[0].files[0])
    assert found.shape == (40, 60)
    assert set(np.unique(found).tolist()) == expected
    overlay = cv2.imread(str(written.written[0].files[1]))[..., ::-1]
    np.testing.assert_allclose(overlay[0, 0], PALETTE[0], atol=1)


def test_views_change_what_is_shown_and_not_what_is_written(case: Case, street: Path) -> None:
    image = cv2.imread(str(street / "a.png"))[..., ::-1].copy()
    for view in (View(), View(short_edge=80), View(fit=(20, 30))):
        found = case.predictor(image, view)
        assert found.shape == (40, 60)
        assert (found[:, 10], found[:, 30]) == (pytest.approx(0), pytest.approx(13))


def test_pictures_that_are_none_are_told(street: Path, tmp_path: Path, case: Case) -> None:
    with pytest.raises(UserError, match="there is no such file or folder"):
        pictures([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="no picture"):
        pictures([street / "notes.txt"][:0] or [_empty(tmp_path)])
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.png").write_bytes(b"")
    with pytest.raises(UserError, match="would be written to the same files"):
        pictures([street, other])
    done = predict.predict(case.predictor, [other / "a.png", street / "a.png"], tmp_path / "out")
    assert [file.reason for file in done.damaged] == ["it is empty"]
    assert len(done.written) == 1
    with pytest.raises(UserError, match="the pictures are in there"):
        predict.predict(case.predictor, [street / "a.png"], street)


def _empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_a_submission_is_what_the_server_takes(case: Case, tmp_path: Path) -> None:
    out = tmp_path / "out"
    count = submit(case.predictor, case.spec, "acdc-test", out, case.data)
    card = cards.load_files_card("acdc-test")
    assert card.submission is not None
    expected = fake_data.EXPECTED["acdc-test"]
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert count == len(expected) == len(names)
    folder = card.submission.file.partition("/")[0]
    assert names == {image.replace("rgb_anon/", f"{folder}/", 1) for image, _ in expected}
    for image, _ in expected:
        ids = read_grey(out / image.replace("rgb_anon/", f"{folder}/", 1))
        truth = fake_data.train_ids("acdc-test", image)
        assert ids.shape == truth.shape
        assert ids.max() <= 18
        scored, light = truth != 255, fake_data.FAMILIES["acdc"].LIGHT[image.split("/")[1]]
        right = (ids[scored] == truth[scored]).mean()
        assert right > 0.7 or light < 0.7, "the labels of the pictures it was made from, but for dark ones"


def test_only_sets_with_a_server_are_submitted(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no server"):
        submit(case.predictor, case.spec, "acdc-fog-val", tmp_path / "out", case.data)
    with pytest.raises(UserError, match="is rendered"):
        submit(case.predictor, case.spec, "streets-fog", tmp_path / "out", case.data)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match="there is something already"):
        predict.require_empty(tmp_path / "old")


def test_what_was_written_wrongly_is_found(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "_take", lambda table, classes: classes + 100)
    with pytest.raises(BenchError, match="written wrongly"):
        submit(case.predictor, case.spec, "acdc-test", tmp_path / "out", case.data)


def test_the_commands_say_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    for verb, *rest in (["predict", "0123", str(picture)], ["submit", "acdc-test", "0123"]):
        arguments = [verb, *rest, "--out", str(tmp_path / "out"), "--results", str(tmp_path)]
        assert cli.main(arguments) == 2
        assert capsys.readouterr().err == (
            f"error: no run begins with '0123' below {tmp_path}; see `python -m bench ls runs`\n"
        )
    assert cli.main(["predict", "0123", str(picture), "--out", "x", "--ids", "mine"]) == 2
    assert "--ids value" in capsys.readouterr().err
