"""The verb `gallery`: what it writes is what a run predicts, and what the page shows; wrong input is told in a line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import quick
from killed_run import small_spec
from PIL import Image

from bench import cli, gallery
from bench.data.labels import IGNORE, PALETTE
from bench.data.reader import open_dataset
from bench.metrics import confusion, miou, pixel_accuracy
from bench.per_image import read_per_image
from bench.report.page.gallery import ERROR, IMAGE, SCORES, TRUTH, read_gallery
from bench.result import read_result, result_path
from bench.run import run
from bench.trained import weights_path

SAMPLES = {"source-1": ("source", 1), "shot_noise-0": ("shot_noise", 0)}
RUNS = [result_path(small_spec(seed), Path()).stem for seed in (0, 1)]
CHOSEN = [piece for target, number in SAMPLES.values() for piece in ("--sample", f"{target}:{number}")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of two small runs, seeds 0 and 1, with their weights."""
    results, threads = tmp_path_factory.mktemp("trained"), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        for seed in (0, 1):
            run(small_spec(seed), results=results, device="cpu")
    torch.set_num_threads(threads)
    return results


@pytest.fixture(scope="module")
def written(trained: Path) -> Path:
    """The folder of the pictures of both runs."""
    assert cli.main(["gallery", *(name[:12] for name in RUNS), *CHOSEN, "--results", str(trained)]) == 0
    return trained / "gallery" / "streets"


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened).copy()


def test_every_file_that_the_page_shows_is_there(trained: Path, written: Path) -> None:
    found = read_gallery(trained)
    assert found.problems == []
    assert [sample["id"] for sample in found.samples] == [f"streets/{name}" for name in sorted(SAMPLES)]
    pictures = [IMAGE, TRUTH, *(f"{name}{end}" for name in RUNS for end in (".png", ERROR))]
    for name in SAMPLES:
        assert {path.name for path in (written / name).iterdir()} == {*pictures, SCORES}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("seed", [0, 1])
def test_predictions_are_those_that_were_counted(trained: Path, written: Path, name: str, seed: int) -> None:
    target, number = SAMPLES[name]
    path = result_path(small_spec(seed), trained)
    counted = read_per_image(path, read_result(path))[target][number]
    truth, predicted = picture(written / name / TRUTH), picture(written / name / f"{RUNS[seed]}.png")
    assert np.array_equal(confusion(predicted, truth, len(PALETTE)), counted)
    error = picture(written / name / f"{RUNS[seed]}{ERROR}")
    assert np.array_equal(error == 2, truth == IGNORE)
    assert np.array_equal(error == 1, (truth != IGNORE) & (predicted != truth))
    with (written / name / SCORES).open(newline="") as stream:
        (line,) = (row for row in csv.DictReader(stream) if row["run"] == RUNS[seed])
    assert (line["method"], line["backbone"], int(line["seed"])) == ("rein", "eva02-mini", seed)
    assert float(line["miou"]) == pytest.approx(100 * miou(counted), abs=0.006)
    assert float(line["pixel_accuracy"]) == pytest.approx(100 * pixel_accuracy(counted), abs=0.006)


def test_the_image_is_what_the_model_saw_and_labels_have_the_classes_colours(written: Path) -> None:
    sample = open_dataset("streets-source-val", 2)[1]
    shown = picture(written / "source-1" / IMAGE).astype(int)
    assert np.abs(shown - sample.image).mean() < 4, "but for what WebP loses"
    clean = open_dataset("streets-harbour", 1)[0].image
    noisy = picture(written / "shot_noise-0" / IMAGE).astype(int)
    assert noisy.shape == clean.shape
    assert np.abs(noisy - clean).mean() > 8, "a corruption is seen"
    with Image.open(written / "source-1" / TRUTH) as opened:
        coloured = np.asarray(opened.convert("RGB"))
    labelled = sample.label != IGNORE
    assert np.array_equal(coloured[labelled], np.array(PALETTE, np.uint8)[sample.label[labelled]])
    assert not coloured[~labelled].any(), "black: not labelled"


def test_the_page_has_them(trained: Path, written: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert cli.main(["report", "--results", str(trained), "--html", str(site), "--out", str(tmp_path)]) == 0
    table = json.loads((site / "data" / "table.js").read_text().removeprefix("window.BENCH = ").removesuffix(";\n"))
    assert [sample["id"] for sample in table["gallery"]] == [f"streets/{name}" for name in sorted(SAMPLES)]
    for name in SAMPLES:
        for path in (written / name).glob("*.*g"):
            assert (site / "gallery" / "streets" / name / path.name).read_bytes() == path.read_bytes()


def test_written_again_it_is_the_same(trained: Path, written: Path) -> None:
    before = {path: path.read_bytes() for path in written.rglob("*.*")}
    assert cli.main(["gallery", RUNS[1][:12], *CHOSEN, "--results", str(trained)]) == 0
    assert {path: path.read_bytes() for path in written.rglob("*.*")} == before


def test_wide_pictures_are_made_smaller_after_they_were_scored(
    trained: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "WIDEST", 100)
    command = ["gallery", RUNS[0][:12], "--sample", "source:1", "--results", str(trained), "--out", str(tmp_path)]
    assert cli.main(command) == 0
    folder = tmp_path / "streets" / "source-1"
    assert {picture(path).shape[:2] for path in folder.glob("*.*g")} == {(50, 100)}
    assert set(np.unique(picture(folder / TRUTH))) <= set(np.unique(picture(written / "source-1" / TRUTH)))
    lines = (written / "source-1" / SCORES).read_text().splitlines()
    assert (folder / SCORES).read_text().splitlines() == lines[:2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["RUN", "--sample", "source"], "write TARGET:NUMBER, for instance --sample harbour:0"),
        (["RUN", "--sample", "source:one"], "write TARGET:NUMBER"),
        (["RUN", "--sample", "source:-1"], "write TARGET:NUMBER"),
        (["RUN", "--sample", ":1"], "write TARGET:NUMBER"),
        (["RUN", "--sample", "sorce:1"], "unknown target of protocol streets: 'sorce'; did you mean 'source'?"),
        (["RUN", "--sample", "source:3"], "it has 3 images, numbered from 0"),
        (["RUN", "--sample", "source:1", "--device", "gpu"], "unknown --device 'gpu'"),
        (["123456", "--sample", "source:1"], "no run begins with '123456'"),
        (["", "--sample", "source:1"], "several runs begin with ''"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    given = [RUNS[0][:12] if piece == "RUN" else piece for piece in arguments]
    assert cli.main(["gallery", *given, "--results", str(trained), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not (tmp_path / "out").exists(), "nothing is written"


def test_a_run_without_weights_says_what_to_do(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = result_path(small_spec(), trained)
    command = ["gallery", str(path), "--sample", "source:0", "--results", str(tmp_path)]
    assert cli.main(command) == 2
    assert f"the weights of run {RUNS[0][:12]} are not at" in capsys.readouterr().err
    assert weights_path(small_spec(), trained).exists(), "they are elsewhere"


def test_pictures_of_other_data_are_not_mixed(
    trained: Path, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "streets" / "source-1"
    shutil.copytree(written / "shot_noise-0", folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    command = ["gallery", RUNS[0][:12], "--sample", "source:1", "--results", str(trained), "--out", str(tmp_path)]
    assert cli.main(command) == 2
    assert "holds another image, of other data: delete it and write it again" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "streets").write_text("in the way")
    command = ["gallery", RUNS[0][:12], "--sample", "source:1", "--results", str(trained), "--out", str(tmp_path)]
    assert cli.main(command) == 2
    assert f"cannot write {tmp_path / 'streets'}" in capsys.readouterr().err
