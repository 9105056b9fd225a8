"""`results validate`: what it finds in folders that are spoilt in one way each, and nothing in the committed one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.per_image import per_image_path
from bench.report.checks import BINS
from bench.report.validate import validate
from bench.result import CurvePoint, Reliability, RunResult, TargetResult, read_result, result_path, write_result
from bench.spec import spec_hash

COMMITTED = Path(__file__).resolve().parent.parent / "results"


@pytest.fixture
def root(tmp_path: Path, make_result, per_image) -> Path:
    """Three seeds and their leaderboards."""
    folder = tmp_path / "results"
    made = make_result()
    curve = [CurvePoint(iteration=number, loss=2.5, lr=1e-3) for number in (1, 2)]
    for seed in range(3):
        targets = {
            target.name: sound(other(made.targets[target.name], seed), target.dataset) for target in made.spec.targets
        }
        targets["contrast"] = targets["east"].model_copy(update={"group": "corruption"})  # of the same images
        spec = made.spec.model_copy(update={"seed": seed})
        changes = {"spec": spec, "spec_hash": spec_hash(spec), "targets": targets, "curve": curve}
        result = made.model_copy(update=changes)
        write_result(result, result_path(result.spec, folder), per_image(result))
    assert main(["report", "--results", str(folder)]) == 0
    return folder


def other(target: TargetResult, seed: int) -> TargetResult:
    """As another training predicts: in each image as many more pixels of the first class are taken for the second."""
    counts, wrong = target.confusion.copy(), 2 * seed  # of two images
    counts[0, 0], counts[0, 1] = counts[0, 0] - wrong, counts[0, 1] + wrong
    return target.model_copy(update={"confusion": counts})


def sound(target: TargetResult, dataset: str) -> TargetResult:
    """With a list of images that is the data set's, and bins of confidence as predictions give them."""
    right = int(target.confusion.trace())
    wrong = int(target.confusion.sum()) - right
    bins = [(0, 0.0, 0)] * BINS
    bins[7], bins[13] = (wrong, 0.5 * wrong, 0), (right, 0.9 * right, right)
    reliability = Reliability(bins=bins, nll_sum=1.2 * wrong + 0.11 * right)
    digest = hashlib.sha256(dataset.encode()).hexdigest()
    return target.model_copy(update={"reliability": reliability, "file_list_hash": digest})


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


def write(path: Path, edit: Callable[[dict], object]) -> None:
    """Edit the text of a result, whatever its schema says."""
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def merged_images(path: Path) -> None:
    """The counts of the second image are added to the first's."""
    arrays = dict(np.load(per_image_path(path)))
    arrays["west"] = np.stack([arrays["west"].sum(axis=0), np.zeros_like(arrays["west"][0])])
    np.savez_compressed(per_image_path(path), **arrays)


def bin_of(document: dict, change: Callable[[list], object]) -> None:
    change(document["targets"]["west"]["reliability"]["bins"])


def cost_of(document: dict, **parameters: int) -> None:
    document["cost"]["parameters"].update(parameters)


SPOILT_NUMBERS = [
    (lambda d: d["cost"]["latency"].update(median_ms=-5), "cost.schema 3.latency.median_ms: Input should be greater"),
    (lambda d: d["seconds"].update(train=-1), "seconds.train: Input should be greater"),
    (lambda d: d["targets"]["west"].update(seconds=-1), "targets.west.seconds: Input should be greater"),
    (lambda d: cost_of(d, trainable=1), "the trainable parameters of backbone, head and adapter do not add up"),
    (lambda d: cost_of(d, total=6000), "the parameters of backbone, head and adapter do not add up to the total"),
    (lambda d: cost_of(d, trainable=2000, trainable_head=2000), "more parameters of the head train than it has"),
    (lambda d: cost_of(d, trainable=1, trainable_head=1), "has 1 trainable parameters: the same model has another"),
    (lambda d: cost_of(d, total=6000, backbone=5000), "has 6,000 parameters: the same model has another number in"),
    (lambda d: cost_of(d, backbone=3000, adapter=1000), "other parameters in backbone, head and adapter than the same"),
    (lambda d: d["cost"].update(gflops=1.0), "has 1 GFLOPs: the same model has another number in"),
    (lambda d: d["targets"]["west"].update(file_list_hash="0" * 64), "'west' is of another list of as many images"),
    (lambda d: d["targets"]["west"]["reliability"].update(nll_sum=1.0), "'west' has a negative log-likelihood"),
    (lambda d: d["targets"]["west"]["reliability"].update(nll_sum=1e6), "'west' has a negative log-likelihood"),
    (lambda d: bin_of(d, lambda bins: bins.pop(0)), "'west' has 14 bins of confidence, not 15"),
    (lambda d: bin_of(d, lambda bins: bins.insert(0, bins.pop())), "'west' has a bin of confidence, 0.533 to 0.600"),
    (lambda d: bin_of(d, lambda bins: bins[13].__setitem__(2, bins[13][2] - 1)), " right pixels in its bins"),
    (lambda d: bin_of(d, lambda bins: bins[7].__setitem__(2, 10**6)), "'west' has a bin of confidence, 0.467 to 0.533"),
    (lambda d: d["curve"].clear(), "its training curve is empty: 2 iterations are to be trained"),
    (lambda d: d["curve"].pop(), "its training curve ends at iteration 1, not 2"),
    (lambda d: d["curve"].insert(0, d["curve"][1]), "the iterations of its training curve do not rise"),
]


@pytest.mark.parametrize(("edit", "what"), SPOILT_NUMBERS)
def test_numbers_that_cannot_be_are_named(
    root: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[dict], object], what: str
) -> None:
    for board in root.glob("leaderboard.*"):
        board.unlink()
    write(first(root), edit)
    assert main(["results", "validate", str(root)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert what in line
    assert str(first(root)) in line


def test_what_is_imported_was_not_trained_here(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(first(root), lambda document: document["spec"].update(checkpoint="sha256:" + "0" * 64))
    assert main(["results", "validate", str(root)]) == 1
    assert "it was imported, and has a training curve" in capsys.readouterr().err
    path = next(path for path in root.rglob("*-s0.json"))
    write(path, lambda document: document["curve"].clear())
    assert main(["report", "--results", str(root)]) == 0
    assert main(["results", "validate", str(root)]) == 0


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
        (other_labels, "names the same images and has other labels than in"),
        (merged_images, "target 'west' has other labels in single images than in"),
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
