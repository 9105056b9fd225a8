"""`compare`, and the leaderboard's ranks: who is ahead, who ties, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import main
from bench.errors import UserError
from bench.per_image import per_image_path
from bench.report.board import leaderboard
from bench.report.compare import compare
from bench.report.latex import latex
from bench.report.paper import paper_tables
from bench.report.scored import read_scored, score
from bench.report.tables import comma_separated, markdown
from bench.result import RunResult, read_result, result_path, write_result
from bench.spec import RunSpec, spec_hash

IMAGES = 30


@pytest.fixture
def add(make_result, tmp_path: Path) -> Callable[..., Path]:
    """Write a result whose every image has so many wrong pixels of 100 a class, give or take; returns its path."""

    def write(wrong: float, lists: str = "0" * 16, per_image: bool = True, **fields: Any) -> Path:
        made = make_result(**fields)
        rng = np.random.default_rng([made.spec.seed, int(1000 * wrong)])
        counts, targets = {}, {}
        for name, target in made.targets.items():
            missed = rng.poisson(wrong, (IMAGES, 3)).clip(0, 100)
            array = np.zeros((IMAGES, 3, 3), dtype=np.int64)
            array[:, range(3), range(3)] = 100 - missed
            array[:, range(3), [1, 2, 0]] = missed
            counts[name] = array
            pixels = int(array.sum())
            reliability = {"bins": [(pixels, 0.8 * pixels, int(np.trace(array.sum(0))))], "nll_sum": 1.0}
            mine = {"images": IMAGES, "confusion": array.sum(0).tolist(), "file_list_hash": lists}
            targets[name] = target.model_dump() | mine | {"reliability": reliability}
        result = RunResult.model_validate(made.model_dump() | {"targets": targets})
        path = result_path(result.spec, tmp_path)
        write_result(result, path, counts)
        if not per_image:
            path.with_suffix(".npz").unlink()
        return path

    return write


def compared(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["compare", *map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["compare", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_who_is_ahead(add, capsys, tmp_path) -> None:
    good, bad = add(10, method="good"), add(20, method="bad")
    found = compared(capsys, good, bad)
    assert [line["what"] for line in found["means"]] == ["source", "unseen mean", "weather mean", "corruption mean"]
    assert [line["what"] for line in found["targets"]] == ["source", "east", "west", "mist", "contrast"]
    for line in found["means"] + found["targets"]:
        assert line["ahead"] == "first"
        assert line["difference"]["value"] == pytest.approx(line["first"] - line["second"])
        assert 0 < line["difference"]["low"] < line["difference"]["value"] < line["difference"]["high"]
        assert line["adjusted"] >= line["difference"]["p"]
    assert found["draws"] == 10_000
    back = compared(capsys, bad, good)
    assert {line["ahead"] for line in back["means"]} == {"second"}
    assert back["means"][0]["difference"]["value"] == -found["means"][0]["difference"]["value"]
    short = [path.name[:12] for path in (good, bad)]
    assert compared(capsys, *short, "--results", tmp_path) == found


def test_a_table_for_the_eyes(add, capsys) -> None:
    assert main(["compare", str(add(10, method="one")), str(add(10.001, method="two"))]) == 0
    out = capsys.readouterr().out
    assert "first:  one on vit-toy, toyland, track native, seed 0" in out
    assert "tie" in out
    assert "10,000 paired draws" in out
    assert "nothing of what another seed would give" in out


def test_all_seeds_of_both(add, capsys, tmp_path) -> None:
    first = [add(10, method="one", seed=seed) for seed in range(3)]
    second = [add(14, method="two", seed=seed) for seed in range(3)]
    found = compared(capsys, first[0], second[1], "--seeds", "--results", tmp_path)
    assert found["first"].endswith("seeds 0, 1, 2")
    scores = {run.path: run.found.summary["unseen_mean"] for run in read_scored(tmp_path).scored}
    (line,) = [line for line in found["means"] if line["what"] == "unseen mean"]
    assert line["first"] == pytest.approx(np.mean([scores[path] for path in first]))
    assert line["second"] == pytest.approx(np.mean([scores[path] for path in second]))


def test_two_protocols_are_compared_on_what_they_share(add, capsys, make_spec) -> None:
    one = add(10, method="one")
    less = [target for target in make_spec().targets if target.name in ("source", "east", "mist")]
    renamed = [less[2].model_copy(update={"dataset": "elsewhere"}), *less[:2]]
    found = compared(capsys, one, add(14, method="two", protocol="other", targets=tuple(renamed)))
    assert [line["what"] for line in found["targets"]] == ["source", "east"], "mist is of other images"
    assert [line["what"] for line in found["means"]] == ["source"], "of the unseen, west is missing"
    assert found["first"].endswith("toyland, track native, seed 0")
    assert found["second"].endswith("other, track native, seed 0")
    assert (found["seeds"], found["targets"][0]["ahead"]) == ([1, 1], "first")


def test_what_cannot_be_compared_is_said_in_one_line(add, capsys, tmp_path) -> None:
    one = add(10)
    assert "no result file begins with 'nothing'" in refused(capsys, one, "nothing", "--results", tmp_path)
    assert "are the same run" in refused(capsys, one, one)
    (tmp_path / "none").mkdir()
    assert "below" in refused(capsys, one, add(10, method="else"), "--seeds", "--results", tmp_path / "none")
    assert "are seeds of the same" in refused(capsys, one, add(10, seed=1), "--seeds", "--results", tmp_path)
    other = add(10, protocol="elsewhere", lists="2" * 16)
    assert "image by image (toyland, track native; elsewhere, track native)" in refused(capsys, one, other)
    first, second = ([score(read_result(path))._replace(path=path)] for path in (one, add(10, method="coarse")))
    coarse = second[0].spec.model_copy(update={"classes": "synthia-16"})
    with pytest.raises(UserError, match="other classes: cityscapes-19 and synthia-16"):
        compare(first, [second[0]._replace(spec=coarse)])
    bare = add(10, method="bare", per_image=False)
    assert f"{bare.with_suffix('.npz')} is not there" in refused(capsys, one, bare)
    assert "not scored on the same images" in refused(capsys, one, add(10, method="m", lists="1" * 16))
    spoilt = add(10, method="spoilt")
    spoilt.with_suffix(".npz").write_bytes(b"PK")
    assert "damaged file" in refused(capsys, one, spoilt)


def table(text: str) -> list[list[str]]:
    head = text.split("\nIoU of each class")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in head.splitlines() if line[:1] == "|"]


def test_rows_that_tie_share_a_rank(add, tmp_path) -> None:
    for wrong, method in ((10, "first"), (10.01, "second"), (20, "third"), (30, "fourth")):
        for seed in range(3):
            add(wrong, method=method, seed=seed)
    board = leaderboard(read_scored(tmp_path).scored)
    text = markdown(board.rows, board.scored, None, board.standings)
    ranks = {cells[1]: cells[0] for cells in table(text)[2:]}
    assert ranks == {"first": "1=", "second": "1=", "third": "3", "fourth": "4"}
    assert "Ties" in text
    (line,) = [line for line in text.splitlines() if line.startswith("Ties")]
    assert {"first on vit-toy", "second on vit-toy"} <= set(line.replace(": ", " = ").replace(" (", " = ").split(" = "))
    lines = comma_separated(board.rows, None, board.standings).splitlines()
    header = lines[0].split(",")
    cells = {line.split(",")[3]: line.split(",") for line in lines[1:]}
    assert cells["first"][header.index("rank")] == cells["second"][header.index("rank")] == "1"
    assert cells["first"][header.index("ties")] == "second on vit-toy"
    assert cells["third"][header.index("ties")] == ""


def test_rows_that_were_not_compared_stand_in_brackets(add, tmp_path) -> None:
    add(10, method="first")
    add(20, method="bare", per_image=False)
    add(30, method="others", lists="1" * 16)
    add(40, method="last")
    board = leaderboard(read_scored(tmp_path).scored)
    cells = table(markdown(board.rows, board.scored, None, board.standings))[2:]
    assert [(row[1], row[0]) for row in cells] == [("first", "1"), ("bare", "(2)"), ("last", "3"), ("others", "(4)")]


def fewer(path: Path, name: str, **changes: Any) -> None:
    """A copy of a run whose specification has other fields, under another method's name."""
    document = json.loads(path.read_text())
    document["spec"] |= {"method": name} | changes
    kept = [target["name"] for target in document["spec"]["targets"]]
    document["targets"] = {key: target for key, target in document["targets"].items() if key in kept}
    document["spec_hash"] = spec_hash(RunSpec.model_validate(document["spec"]))
    result = RunResult.model_validate(document)
    arrays = dict(np.load(per_image_path(path)))
    write_result(result, result_path(result.spec, path.parents[3]), {key: arrays[key] for key in result.targets})


def test_a_mean_of_other_targets_stands_below_and_takes_no_rank(add, tmp_path) -> None:
    for wrong, method in ((20, "first"), (30, "second")):
        path = add(wrong, method=method)
    add(10, method="small", lists="1" * 16)
    targets = json.loads(path.read_text())["spec"]["targets"]
    fewer(add(1, method="whole"), "easy", targets=[target for target in targets if target["name"] != "west"])
    fewer(add(2, method="other"), "synthia", classes="cityscapes-19")
    board = leaderboard(read_scored(tmp_path).scored)
    ranks = {cells[1]: cells[0] for cells in table(markdown(board.rows, board.scored, None, board.standings))[2:]}
    assert list(ranks.items())[-2:] == [("easy", "(6)"), ("small", "(7)")]
    assert [ranks[name] for name in ("whole", "first", "second")] == ["1", "4", "5"]
    (line,) = [
        line
        for line in markdown(board.rows, board.scored, None, board.standings).splitlines()
        if line.startswith("Of other targets or images")
    ]
    assert line.endswith("below them: easy on vit-toy; small on vit-toy.")
    tex = latex(paper_tables(board.rows, board.standings, board.scored))
    (row,) = [line for line in tex.splitlines() if "easy" in line and line.count("&") > 8][:1]
    means = [cell.strip() for cell in row.split("&")]
    assert not any("textbf" in cell for cell in means[4:5]), "the unseen mean of fewer targets is not the best"


def test_damaged_counts_are_named_and_their_run_is_left_out(add, capsys, tmp_path) -> None:
    add(10, method="sound")
    add(12, method="also")
    path = add(20, method="spoilt")
    with np.load(path.with_suffix(".npz")) as archive:
        arrays = dict(archive)
    arrays["east"][0, 0, 0] += 1
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    assert main(["report", "--results", str(tmp_path)]) == 0
    both = f"{path.with_suffix('.npz')} and {path.name} do not fit each other"
    assert f"{both}: 'east' does not add up" in capsys.readouterr().err
    assert "spoilt" not in (tmp_path / "leaderboard.csv").read_text()
    assert main(["report", "--results", str(tmp_path), "--strict"]) == 1
