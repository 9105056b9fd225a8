"""`results validate`: what it finds in folders that are spoilt in one way each, and nothing in the committed one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.per_image import per_image_path
from bench.report.validate import validate
from bench.result import RunResult, read_result, result_path, write_result
from bench.spec import spec_hash

COMMITTED = Path(__file__).resolve().parent.parent / "results"


@pytest.fixture
def root(tmp_path: Path, make_result, per_image) -> Path:
    """Three seeds and their leaderboards."""
    folder = tmp_path / "results"
    made = make_result()
    targets = {  # each of a list of its own: those of one list have the same labels
        name: target.model_copy(update={"file_list_hash": f"{number:016}"})
        for number, (name, target) in enumerate(made.targets.items())
    }
    labels = made.model_copy(update={"targets": targets})
    for seed in range(3):
        spec = labels.spec.model_copy(update={"seed": seed})
        result = labels.model_copy(update={"spec": spec, "spec_hash": spec_hash(spec)})
        write_result(result, result_path(spec, folder), per_image(result))
    assert main(["report", "--results", str(folder)]) == 0
    return folder


def first(root: Path) -> Path:
    return sorted(root.rglob("*-s0.json"))[0]


def change(path: Path, edit: Callable[[dict], object]) -> None:
    """Edit a result and put it, with its counts, where it then belongs."""
    document = json.loads(path.read_text())
    edit(document)
    arrays = dict(np.load(per_image_path(path)))
    kept = {name: array for name, array in arrays.items() if name in document["targets"]}
    document["spec_hash"] = spec_hash(RunResult.model_fields["spec"].annotation.model_validate(document["spec"]))
    result = RunResult.model_validate(document)
    path.unlink()
    per_image_path(path).unlink()
    write_result(result, result_path(result.spec, root_of(path)), kept)


def root_of(path: Path) -> Path:
    return path.parents[3]


def test_the_committed_results_are_sound() -> None:
    found = validate(COMMITTED)
    assert found.problems == []
    assert found.files == found.archives == len(list(COMMITTED.glob("*/*/*/*.json"))) > 10


def test_a_sound_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "validate", str(root)]) == 0
    assert capsys.readouterr().out.endswith("3 result files, 3 with counts of single images: 0 problems\n")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def other_place(path: Path) -> None:
    shutil.copy(path, path.with_name("0123456789ab-s0.json"))


def other_counts(path: Path) -> None:
    arrays = dict(np.load(per_image_path(path)))
    arrays["west"][0, 1, 1] += 1
    np.savez_compressed(per_image_path(path), **arrays)


def one_image_less(path: Path) -> None:
    arrays = dict(np.load(per_image_path(path)))
    arrays["west"] = arrays["west"].sum(axis=0, keepdims=True)
    np.savez_compressed(per_image_path(path), **arrays)


def other_pixels(path: Path) -> None:
    document = json.loads(path.read_text())
    document["targets"]["west"]["confusion"][0][0] += 1
    path.write_text(json.dumps(document))


def incomplete(path: Path) -> None:
    change(path, lambda document: [document["targets"].pop("contrast"), document.update(state="partial", cost=None)])


def other_labels(path: Path) -> None:
    """A pixel of class 0 becomes one of class 1, in matrix and counts alike."""
    result = read_result(path)
    arrays = dict(np.load(per_image_path(path)))
    arrays["west"][0, 0, 0] -= 1
    arrays["west"][0, 1, 1] += 1
    west = result.targets["west"].model_copy(update={"confusion": arrays["west"].sum(axis=0)})
    write_result(result.model_copy(update={"targets": result.targets | {"west": west}}), path, arrays)


def other_group(path: Path) -> None:
    change(path, lambda document: document["targets"]["west"].update(group="weather"))


def too_few_images(path: Path) -> None:
    """Of a data set whose size its card says."""
    change(path, lambda document: document["spec"]["targets"][1].update(dataset="cityscapes-val"))


def edited_board(path: Path) -> None:
    board = root_of(path) / "leaderboard.csv"
    board.write_text(board.read_text().replace("toy", "joy"))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (truncate, "Invalid JSON"),
        (other_place, "its content belongs at"),
        (other_counts, "'west' does not add up"),
        (one_image_less, "'west' does not add up"),
        (other_pixels, "the bins of 'west' hold other pixels"),
        (lambda path: per_image_path(path).unlink(), "the counts of single images are not beside it"),
        (lambda path: path.unlink(), "no result of that name is beside it"),
        (incomplete, "it is not complete: contrast is missing"),
        (other_labels, "has other labels"),
        (other_group, "target 'west' is of group weather, in the specification of unseen"),
        (too_few_images, "target 'east' has 2 images, not 500"),
        (edited_board, "leaderboard.csv: not what the results give"),
        (lambda path: (root_of(path) / "leaderboard.tex").unlink(), "leaderboard.tex: not what the results give"),
    ],
)
def test_what_is_spoilt_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], what: str
) -> None:
    spoil(first(root))
    assert main(["results", "validate", str(root)]) == 1
    assert what in capsys.readouterr().err


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "validate", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"error: there is no folder {tmp_path / 'none'}\n"


def test_tox_validates_the_committed_results() -> None:
    import tomllib

    project = tomllib.loads((COMMITTED.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert ["python", "-m", "bench", "results", "validate"] in project["tool"]["tox"]["env"]["check"]["commands"]
