"""What a sweep of corruptions adds up to, with numbers known beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import main
from bench.errors import DamagedFile, UserError
from bench.protocols.corruptions import COMMON, Corrupted, corrupted
from bench.report import corruptions as report
from bench.report.scores import scores
from bench.result import RunResult, result_path, write_result
from bench.spec import Target, View, spec_hash


@pytest.fixture
def whole_sweep(make_result) -> RunResult:
    """All 16 at all severities on toy-east: mIoU falls with the severity and with the place in the list."""
    spec_targets = [Target(name="source", dataset="toy-home", group="source")]
    spec_targets += [Target(name="east", dataset="toy-east", group="unseen")]
    pairs = [(name, severity) for name in COMMON for severity in range(1, 6)]
    spec_targets += corrupted([Corrupted(*pair) for pair in pairs], "toy-east")
    result = make_result(targets=tuple(spec_targets), done=len(spec_targets))
    found = {}
    for target in spec_targets:
        hits = 90 if target.corruption is None else 80 - 10 * (target.severity or 0) - COMMON.index(target.corruption)
        matrix = [[hits, 100 - hits], [0, 0]]
        counts = {"confusion": matrix, "reliability": {"bins": [(100, 50.0, hits)], "nll_sum": 1.0}}
        of_home = {"file_list_hash": "2" * 16} if target.dataset == "toy-home" else {}
        found[target.name] = result.targets[target.name].model_dump() | counts | of_home
    return RunResult.model_validate(result.model_dump() | {"targets": found})


def test_every_figure_of_a_whole_sweep(whole_sweep: RunResult) -> None:
    found = report.sweep(whole_sweep, scores(whole_sweep))
    assert found is not None
    assert found.clean == pytest.approx(90)
    assert found.at_5 == pytest.approx(30 - 7.5)
    assert found.over_all == pytest.approx(50 - 7.5)
    assert found.groups == pytest.approx({"noise": 28.5, "blur": 24.5, "weather": 20.5, "digital": 16.5})
    assert found.drop == pytest.approx(100 * (1 - 42.5 / 90))
    assert report.figures(found) == pytest.approx(
        dict(zip(report.FIGURES, (22.5, 42.5, 28.5, 24.5, 20.5, 16.5, found.drop), strict=True))
    )
    assert list(report.summary(found)) == [
        *("clean, the same images", "16 corruptions, severity 5 (L5)", "16 corruptions, severities 1 to 5"),
        *("noise, severity 5", "blur, severity 5", "weather, severity 5", "digital, severity 5"),
        "lost of clean, percent",
    ]


def test_what_is_lost_is_of_the_same_images_and_of_a_whole_sweep(whole_sweep: RunResult) -> None:
    east = whole_sweep.targets["east"].model_copy(update={"file_list_hash": "1" * 16})
    other = whole_sweep.model_copy(update={"targets": whole_sweep.targets | {"east": east}})
    lacking = {name: target for name, target in whole_sweep.targets.items() if name != "fog-5"}
    part = whole_sweep.model_copy(update={"targets": lacking, "state": "partial"})
    for result in (other, part):
        found = report.sweep(result, scores(result))
        assert found is not None
        assert (found.clean, found.drop) == (None, None)
    assert report.sweep(part, scores(part)).at_5 is None


@pytest.fixture
def part_sweep(make_result) -> RunResult:
    """The first image of toy-east in the fog, and in the snow; both of its images are scored clean."""
    targets = (
        Target(name="source", dataset="toy-home", group="source"),
        Target(name="east", dataset="toy-east", group="unseen"),
        *corrupted([Corrupted("fog", 3), Corrupted("snow", 3)], "toy-east", images=1, numbered=False),
    )
    result = make_result(targets=targets, done=len(targets))
    found = {}
    for name, images, hits in (("source", 2, 150), ("east", 2, 120), ("fog", 1, 60), ("snow", 1, 40)):
        matrix = [[hits, 100 * images - hits], [0, 0]]
        counts = {"confusion": matrix, "reliability": {"bins": [(100 * images, 50.0, hits)], "nll_sum": 1.0}}
        known = {"images": images, "file_list_hash": str(images) * 16}
        found[name] = result.targets[name].model_dump() | counts | known
    return RunResult.model_validate(result.model_dump() | {"targets": found})


ONE_BY_ONE = {
    "source": [[[90, 10], [0, 0]], [[60, 40], [0, 0]]],
    "east": [[[80, 20], [0, 0]], [[40, 60], [0, 0]]],
    "fog": [[[60, 40], [0, 0]]],
    "snow": [[[40, 60], [0, 0]]],
}


def saved(result: RunResult, root: Path, counts: dict[str, Any]) -> Path:
    path = result_path(result.spec, root)
    write_result(result, path, {name: np.array(each) for name, each in counts.items()})
    return path


def test_the_clean_score_of_the_first_images_is_read_from_the_counts_beside_the_result(
    part_sweep: RunResult, tmp_path: Path
) -> None:
    from bench.report.series import series
    from bench.report.single import document
    from bench.report.tables import comma_separated

    assert report.sweep(part_sweep, scores(part_sweep)).drop is None, "there is no file to read them from"
    path = saved(part_sweep, tmp_path, ONE_BY_ONE)
    found = report.sweep(part_sweep, scores(part_sweep), path)
    assert found is not None
    assert found.clean == pytest.approx(80), "of the first image; 60 of both"
    assert found.drop == pytest.approx(100 * (1 - 50 / 80))
    assert document(part_sweep, path)["corruptions"]["drop"] == found.drop
    (row,) = series([part_sweep], tmp_path)
    assert row.stats["corruption_drop"].mean == found.drop
    assert "37.5000" in comma_separated([row])
    path.with_suffix(".npz").unlink()
    assert "corruption_drop" not in series([part_sweep], tmp_path)[0].stats


@pytest.mark.parametrize(
    ("east", "target"),
    [
        ([[[70, 20], [5, 5]], [[50, 60], [-5, -5]]], {}),  # other pixels of each class than the fog's
        (ONE_BY_ONE["east"], {"dataset": "toy-west"}),
        (ONE_BY_ONE["east"], {"view": View(halve=True)}),
    ],
)
def test_other_images_are_no_measure_of_what_is_lost(
    east: Any, target: dict[str, Any], part_sweep: RunResult, tmp_path: Path
) -> None:
    spec = part_sweep.spec
    targets = tuple(t.model_copy(update=target) if t.name == "east" else t for t in spec.targets)
    changed = spec.model_copy(update={"targets": targets})
    result = part_sweep.model_copy(update={"spec": changed, "spec_hash": spec_hash(changed)})
    path = saved(result, tmp_path, ONE_BY_ONE | {"east": east})
    found = report.sweep(result, scores(result), path)
    assert found is not None
    assert (found.clean, found.drop) == (None, None)


@pytest.mark.parametrize(
    "east",
    [
        [[[80, 20], [0, 0]], [[40, 61], [0, 0]]],  # not the result's counts
        [[[80, 20], [0, 0]], [[20, 30], [0, 0]], [[20, 30], [0, 0]]],  # nor its number of images
    ],
)
def test_counts_of_another_run_are_named(east: Any, part_sweep: RunResult, tmp_path: Path, capsys) -> None:
    from bench.report.single import document

    path = saved(part_sweep, tmp_path, ONE_BY_ONE | {"east": east})
    with pytest.raises(DamagedFile, match="'east' does not add up"):
        report.sweep(part_sweep, scores(part_sweep), path)
    assert document(part_sweep, path)["corruptions"]["drop"] is None, "the run itself is still shown"
    for options in ([], ["--strict"]):
        assert main(["report", "--results", str(tmp_path), *options]) == 2, "nothing is left to report"
        both = f"{path.with_suffix('.npz')} and {path.name} do not fit each other"
        assert f"{both}: 'east' does not add up" in capsys.readouterr().err


def test_sweeps_of_other_corruptions_are_told_apart_and_not_ranked_together(
    whole_sweep: RunResult, make_result, tmp_path: Path, per_image
) -> None:
    from bench.report.board import write_leaderboard
    from bench.report.series import series
    from bench.report.tables import markdown

    spec = whole_sweep.spec
    kept = [target for target in spec.targets if target.group != "unseen" and target.corruption in (None, "brightness")]
    only = [target for target in spec.targets if target.group != "unseen"]
    easy_spec = spec.model_copy(update={"method": "easy", "targets": tuple(kept)})
    rows = []
    for method, part in (("a", only), ("b", only), ("easy", kept)):
        changed = easy_spec.model_copy(update={"method": method, "targets": tuple(part)})
        targets = {target.name: whole_sweep.targets[target.name] for target in part}
        rows.append(
            RunResult.model_validate(
                whole_sweep.model_dump() | {"spec": changed, "spec_hash": spec_hash(changed), "targets": targets}
            )
        )
    ranked = series(rows)
    assert [row.keys["method"] for row in ranked] == ["a", "b", "easy"], "an easier sweep is below, whatever its mean"
    twice = [rows[0], rows[2].model_copy(update={"spec": rows[2].spec.model_copy(update={"method": "a"})})]
    twice[1] = RunResult.model_validate(twice[1].model_dump() | {"spec_hash": spec_hash(twice[1].spec)})
    text = markdown(series(twice), twice)
    assert max(map(len, text.splitlines())) < 700, "80 targets are one setting"
    plain = make_result(targets=spec.targets[:2], done=2)
    with pytest.raises(UserError, match="no complete result of it has corruptions"):
        write_leaderboard([plain], tmp_path, reference="toy")
