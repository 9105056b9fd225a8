"""`results validate`: likelihoods in bounds, lists that follow from cards, which of several files is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.per_image import per_image_path
from bench.report.agreement import Agreement
from bench.report.checks import BINS, FLOOR, nll_bounds
from bench.report.validate import validate
from bench.result import each_result, result_path

COMMITTED = Path(__file__).resolve().parent.parent / "results"
ONE = "streets/eva02-mini/rein/6942e68c829a-s0.json"


def copied(to: Path, name: str = ONE) -> Path:
    """One of the committed results, alone."""
    path = to / name
    path.parent.mkdir(parents=True)
    for source in (COMMITTED / name, per_image_path(COMMITTED / name)):
        shutil.copy(source, path.with_suffix(source.suffix))
    return path


def test_a_list_of_the_embedded_world_follows_from_its_card(tmp_path: Path) -> None:
    path = copied(tmp_path)
    assert validate(tmp_path).problems == []
    document = json.loads(path.read_text())
    document["targets"]["harbour"]["file_list_hash"] = "0" * 64
    path.write_text(json.dumps(document))
    (problem,) = validate(tmp_path).problems
    assert problem == f"{path}: target 'harbour' has another list than that of the first 40 images of streets-harbour"


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_the_odd_one_is_named_wherever_it_stands(make_result, per_image, odd: int) -> None:
    agreement, paths = Agreement(), []
    for seed in range(3):
        result = make_result(seed=seed)
        cost = result.cost.model_copy(update={"gflops": 1.5 * (1 + (seed == odd))})
        paths.append(result_path(result.spec, Path("r")))
        agreement.add(result.model_copy(update={"cost": cost, "targets": {}}), paths[-1], None)
    (problem,) = agreement.problems()
    right = paths[odd == 0]
    assert problem == f"{paths[odd]}: has 3 GFLOPs: the same model has another number in {right} and 1 more"


def test_other_models_may_cost_otherwise(make_result) -> None:
    agreement = Agreement()
    for method, gflops in (("a", 1.5), ("b", 3.0), ("a", 1.501)):  # the last: another release of torch
        result = make_result(method=method)
        cost = result.cost.model_copy(update={"gflops": gflops})
        agreement.add(result.model_copy(update={"cost": cost, "targets": {}}), Path(method), None)
    assert list(agreement.problems()) == []


def test_every_committed_likelihood_is_well_inside_its_bounds() -> None:
    for result in each_result(COMMITTED):
        for target in result.targets.values():
            least, most = nll_bounds(target.reliability.bins, len(target.confusion))
            assert 1.2 * least < target.reliability.nll_sum < most / 2
            assert least > 0.1 * target.reliability.nll_sum, "a bound that says something"


@pytest.mark.parametrize("sharpness", [0.0, 0.3, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("agree", [0.0, 0.5, 1.0])
def test_counted_likelihoods_are_inside_their_bounds(sharpness: float, agree: float) -> None:
    torch = pytest.importorskip("torch")
    from bench.reliability import calibration

    random = torch.Generator().manual_seed(int(10 * sharpness + agree))
    scores = sharpness * torch.randn(2, 19, 40, 50, generator=random)
    labels = torch.randint(0, 19, (2, 40, 50), generator=random)
    right = torch.rand(labels.shape, generator=random) < agree
    labels = torch.where(right, scores.argmax(1), labels).to(torch.uint8)
    found = calibration(scores.softmax(1), labels)
    least, most = nll_bounds(found.bins(), 19)
    assert least <= found.nll_sum() <= most


def test_the_bounds_are_reached() -> None:
    pixels, confidence = 1000, 0.9
    bins = [(0, 0.0, 0)] * BINS
    place = int(np.ceil(BINS * confidence)) - 1
    bins[place] = (pixels, pixels * confidence, pixels)
    assert nll_bounds(bins, 19).least == pytest.approx(-pixels * np.log(confidence), rel=1e-4)
    bins[place] = (pixels, pixels * confidence, 0)
    least, most = nll_bounds(bins, 19)
    assert least == pytest.approx(-pixels * np.log(1 - confidence), rel=1e-3)  # all that is left is the true class's
    assert most == pytest.approx(-pixels * np.log(FLOOR), rel=1e-4)


def test_the_constants_are_those_of_the_counts() -> None:
    pytest.importorskip("torch")
    from bench import reliability

    assert (BINS, FLOOR) == (reliability.BINS, reliability.FLOOR)


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        (lambda root: root / "streets", "{root}/streets is only a part of a folder of results: give {root}"),
        (lambda root: root / "streets/eva02-mini/rein", "/rein is only a part of a folder of results: give {root}"),
        (lambda root: root.parent, "is around the results: give {root}"),
        (lambda root: root / ONE, f"{ONE} is a file: give its folder"),
    ],
)
@pytest.mark.parametrize("verb", [["results", "validate"], ["report", "--results"]])
def test_another_folder_than_that_of_the_results(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folder: Callable[[Path], Path],
    line: str,
    verb: list[str],
) -> None:
    root = tmp_path / "results"
    copied(root)
    assert main([*verb, str(folder(root))]) == 2
    output = capsys.readouterr()
    assert output.err.removesuffix("\n").endswith(line.format(root=root))
    assert (output.err.count("\n"), output.out) == (1, "")


def test_relative_folders_are_named_as_they_are_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(tmp_path / "results")
    cases = (("", "results/streets", "results"), ("results/streets", ".", ".."), ("", ".", "results"))
    for here, folder, other in cases:
        monkeypatch.chdir(tmp_path / here)
        assert main(["results", "validate", folder]) == 2
        assert capsys.readouterr().err.endswith(f": give {other}\n")


def test_a_folder_without_results_is_not_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.json").write_text("{}")
    assert main(["results", "validate", str(tmp_path)]) == 1  # not a result: said so
    (tmp_path / "notes.json").unlink()
    capsys.readouterr()
    assert main(["results", "validate", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: no result files below {tmp_path}: nothing was checked\n"
