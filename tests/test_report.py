"""The leaderboard is a pure function of the result files; one run's table and document say the same."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
import statistics
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from bench import metrics
from bench.cli import main
from bench.cost.figures import COLUMNS, OF_A_DEVICE
from bench.report.board import write_leaderboard
from bench.report.scores import SUMMARY, scores
from bench.report.series import series
from bench.report.single import document, render
from bench.report.tables import comma_separated, markdown
from bench.result import load_all, result_path, write_result
from bench.spec import Recipe

COMMITTED = Path(__file__).resolve().parent.parent / "results"


def read_csv(text: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text))
    assert len(set(rows.fieldnames)) == len(rows.fieldnames)
    return list(rows)


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]


def scores_of(text: str) -> list[list[str]]:
    """The rows of the first table, without its head."""
    return table(text.split("\nIoU of each class")[0])[2:]


@pytest.fixture
def three_seeds(make_result):
    return [make_result(seed=seed) for seed in range(3)]


def test_scores_come_from_the_matrices(make_result) -> None:
    result = make_result()
    found = scores(result)
    east, west = (100 * metrics.miou(result.targets[name].confusion) for name in ("east", "west"))
    assert list(found.targets) == ["source", "east", "west", "mist", "contrast"]
    assert found.targets["east"].miou == pytest.approx(east)
    assert found.summary["unseen_mean"] == pytest.approx((east + west) / 2)
    assert found.summary["unseen_worst"] == pytest.approx(min(east, west))
    assert found.summary["source"] == found.targets["source"].miou
    assert found.summary["weather_mean"] == found.targets["mist"].miou
    assert found.summary["corruption_mean"] == found.targets["contrast"].miou


def test_a_partial_run_has_partial_scores(make_result) -> None:
    found = scores(make_result(state="partial", done=1))
    assert list(found.targets) == ["source"]
    assert [key for key in SUMMARY if found.summary[key] is None] == list(SUMMARY[1:])


def test_document_has_the_promised_keys(make_result) -> None:
    result = make_result()
    whole = json.loads(json.dumps(document(result, Path("results/x.json")), allow_nan=False))
    promised = {"spec", "spec_hash", "path", "targets", "summary", "cost", "seconds", "seen_in_pretraining", "track"}
    promised |= {"state", "missing", "corruptions"}
    assert set(whole) == promised
    assert whole["path"] == "results/x.json"
    accuracies = {"pixel_accuracy", "mean_accuracy"}
    assert set(whole["targets"]["east"]) == {"group", "miou", "images", "iou", "ece", "nll", "anomaly"} | accuracies
    assert tuple(whole["summary"]) == SUMMARY
    costs = {"trainable_params", "total_params", "backbone_params", "head_params", "gflops", "latency_ms"}
    assert costs | {"best_images_per_s", "peak_mb", "train_step_ms", "train_peak_mb"} <= set(whole["cost"])
    assert (whole["cost"]["latency_ms"], whole["cost"]["latency"]["p95_ms"]) == (2.0, 9.5)
    assert set(whole["seconds"]) == {"train", "evaluate", "profile", "total"}


@pytest.mark.parametrize("weights", ["random", "sha256:" + "0" * 64])
def test_every_table_marks_random_weights(make_result, weights) -> None:
    result = make_result(weights=weights)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(result))
    text = console.export_text()
    assert text.count("random weights") == (2 if weights == "random" else 0)
    assert ("random weights" in markdown(series([result]), [result])) == (weights == "random")
    assert read_csv(comma_separated(series([result])))[0]["weights"] == (
        "random" if weights == "random" else "pretrained"
    )
    for name, target in scores(result).targets.items():
        assert any(name in line and f"{target.miou:.1f}" in line for line in text.splitlines())


def test_seeds_are_averaged(three_seeds) -> None:
    (row,) = read_csv(comma_separated(series(three_seeds)))
    for key in ("source", "unseen_mean", "unseen_worst", "weather_mean", "corruption_mean"):
        values = [scores(result).summary[key] for result in three_seeds]
        assert float(row[f"{key}_mean"]) == pytest.approx(statistics.mean(values), abs=1e-4)
        assert float(row[f"{key}_std"]) == pytest.approx(statistics.stdev(values), abs=1e-4)
    east = [scores(result).targets["east"].miou for result in three_seeds]
    assert float(row["target:east_mean"]) == pytest.approx(statistics.mean(east), abs=1e-4)
    assert (row["seeds"], row["method"], row["variant"]) == ("3", "toy", "")
    header, _, cells = table(markdown(series(three_seeds), three_seeds))[:3]
    unseen = [scores(result).summary["unseen_mean"] for result in three_seeds]
    assert cells[header.index("unseen mean")] == f"{statistics.mean(unseen):.1f} ± {statistics.stdev(unseen):.1f}"
    assert cells[header.index("seeds")] == "3"
    assert cells[header.index("measured on")] == "toy cpu"
    assert {"east", "west"} <= set(header)
    assert "contrast" not in header


def test_one_seed_claims_no_deviation(make_result) -> None:
    result = make_result()
    (row,) = read_csv(comma_separated(series([result])))
    assert row["unseen_mean_std"] == ""
    assert "±" not in " ".join(table(markdown(series([result]), [result]))[2])


def test_rows_are_ranked_by_the_unseen_mean_within_a_track(make_result, make_spec) -> None:
    track = make_spec().track.model_copy(update={"name": "other"})
    results = [make_result(method="m" * n) for n in range(1, 6)] + [make_result(method="x", track=track)]
    text = markdown(series(results), results)
    native, other = text.split("## toyland, track ")[1:]
    values = [float(cells[4]) for cells in scores_of(native)]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    assert [cells[1] for cells in scores_of(other)] == ["x"]


def test_different_settings_are_different_rows_and_say_so(make_result) -> None:
    short = Recipe(iterations=1, crop=(16, 32), short_edges=(16,))
    results = [make_result(seed=0), make_result(seed=1), make_result(seed=0, recipe=short)]
    rows = read_csv(comma_separated(series(results)))
    assert sorted((row["variant"], row["seeds"]) for row in rows) == [
        ("recipe.iterations=1", "1"),
        ("recipe.iterations=2", "2"),
    ]
    assert "toy (recipe.iterations=1)" in markdown(series(results), results)


def test_a_lone_row_says_what_is_not_the_protocols_choice(make_result) -> None:
    result = make_result().model_copy(update={"settings": {"recipe.iterations": 7, "head.hidden": 32}})
    assert series([result])[0].keys["variant"] == "head.hidden=32, recipe.iterations=7"
    assert table(markdown(series([result]), [result]))[2][1].endswith("(head.hidden=32, recipe.iterations=7)")


def test_names_are_no_markup(make_result) -> None:
    settings = {"method.note": "*two*\nlines", "method.more": "[a](b)<i>"}
    made = make_result(method="a`b").model_copy(update={"settings": settings})
    header, _, cells = table(markdown(series([made]), [made]))[:3]
    assert cells[header.index("method")] == r"a\`b (method.more=\[a](b)\<i>, method.note=\*two\* lines)"


def test_latency_is_not_averaged_over_devices(make_result) -> None:
    results = [make_result(seed=0), make_result(seed=1, device="big gpu")]
    header, _, cells = table(markdown(series(results), results))[:3]
    assert cells[header.index("latency, ms")] == "3.0; 2.0"
    assert cells[header.index("measured on")] == "big gpu; toy cpu"
    (row,) = series(results)
    assert row.stats.keys() & set(COLUMNS) == {
        *(f"{name}_params" for name in ("trainable", "total", "backbone", "head", "adapter")),
        "gflops",
    }
    assert series(results[:1])[0].stats.keys() & OF_A_DEVICE == {"latency_ms", "latency_p95_ms"}


def test_unfinished_runs_are_left_out_and_counted(make_result) -> None:
    results = [make_result(), make_result(state="partial", done=2, seed=1)]
    text = markdown(series(results), results)
    assert table(text)[2][-2:] == ["1 (missing: 1)", "unknown"]
    assert "Left out: 1 unfinished run." in text


def test_the_table_of_classes(three_seeds) -> None:
    text = markdown(series(three_seeds), three_seeds)
    assert "IoU of each class, mean over unseen targets:" in text
    header, _, cells = table(text.split("IoU of each class")[1].split("\nmIoU under each corruption")[0])
    assert header == ["method", "backbone", "road", "sidewalk", "building"]
    found = [scores(result).targets for result in three_seeds]
    walks = [(targets["east"].iou["sidewalk"] + targets["west"].iou["sidewalk"]) / 2 for targets in found]
    assert cells[3] == f"{statistics.mean(walks):.1f} ± {statistics.stdev(walks):.1f}"
    (row,) = read_csv(comma_separated(series(three_seeds)))
    assert float(row["class:sidewalk_mean"]) == pytest.approx(statistics.mean(walks), abs=1e-4)


def test_missing_runs_are_shown_as_missing(make_result) -> None:
    there = [("a", "one", 0), ("a", "one", 1), ("a", "two", 0), ("b", "one", 0), ("b", "one", 1)]
    results = [make_result(method=method, backbone=backbone, seed=seed) for method, backbone, seed in there]
    results += [make_result(method="b", backbone="two", seed=2, state="partial", done=1)]  # none of this pair is whole
    results += [make_result(method="c", backbone="one", seed=0, weights="random")]  # a control needs no partner
    rows = scores_of(markdown(series(results), results))
    seeds = {(cells[1], cells[2]): cells[-2] for cells in rows}
    assert seeds == {
        ("a", "one"): "2 (missing: 2)",
        ("a", "two"): "1 (missing: 1, 2)",
        ("b", "one"): "2 (missing: 2)",
        ("c", "one (random weights)"): "1 (missing: 1, 2)",
        ("b", "two"): "0",
    }
    (lacking,) = [cells for cells in rows if cells[1:3] == ["b", "two"]]
    assert lacking[3:6] == ["missing"] * 3
    assert lacking[0] == ""
    assert rows[-1] == lacking, "below all that have results"


def test_only_the_wanted_protocols_into_another_folder(tmp_path, make_result, per_image, capsys) -> None:
    root, out = tmp_path / "results", tmp_path / "new" / "folder"
    for protocol in ("toyland", "elsewhere"):
        result = make_result(protocol=protocol)
        write_result(result, result_path(result.spec, root), per_image(result))
    assert main(["report", "--results", str(root), "--protocol", "elsewhere", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["leaderboard.csv", "leaderboard.md", "leaderboard.tex"]
    assert not (root / "leaderboard.md").exists()
    assert "elsewhere" in (out / "leaderboard.md").read_text()
    assert all("toyland" not in path.read_text() for path in out.iterdir())
    capsys.readouterr()
    for name, what in (("elswhere", "did you mean 'elsewhere'?"), ("gta2cbm", "is of protocol gta2cbm")):
        assert main(["report", "--results", str(root), "--protocol", name]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert what in line


def test_same_files_same_bytes(tmp_path, make_result, per_image) -> None:
    results = [make_result(seed=seed, method=method) for seed in range(3) for method in ("a", "bb", "ccc")]
    for result in results:
        write_result(result, result_path(result.spec, tmp_path), per_image(result))
    paths = write_leaderboard(load_all(tmp_path).results, tmp_path)
    before = [path.read_bytes() for path in paths]
    random.Random(0).shuffle(results)
    write_leaderboard(results, tmp_path)
    assert [path.read_bytes() for path in paths] == before
    assert [path.name for path in paths] == ["leaderboard.md", "leaderboard.csv", "leaderboard.tex"]
    assert b"\r" not in b"".join(before)
    assert all(text.endswith(b"\n") for text in before)


def test_the_committed_leaderboard_is_what_the_committed_results_give(tmp_path) -> None:
    loaded = load_all(COMMITTED)
    assert loaded.problems == []
    complete = [result for result in loaded.results if result.state == "complete"]
    pretrained = [result.spec for result in complete if result.spec.weights != "random"]
    assert {(spec.method, spec.seed) for spec in pretrained} >= set(product(("rein", "full", "frozen"), range(3)))
    assert len(complete) > len(pretrained)  # what random weights give is shown beside them
    for path in write_leaderboard(complete, COMMITTED, into=tmp_path):
        assert path.read_bytes() == (COMMITTED / path.name).read_bytes(), f"run `python -m bench report`: {path.name}"


def test_the_readme_shows_the_committed_leaderboard() -> None:
    text = (COMMITTED.parent / "README.md").read_text(encoding="utf-8")
    header, _, *rows = table(text.split("## Leaderboard")[1].split("What these rows show")[0])
    known = read_csv((COMMITTED / "leaderboard.csv").read_text(encoding="utf-8"))
    streets = [row for row in known if row["protocol"] == "streets"]
    assert [cells[:5] for cells in rows] == [
        [row["rank"] + "=" * bool(row["ties"]), _method(row), row["backbone"], _weights(row), row["seeds"]]
        for row in streets
    ]
    columns = {title: title.replace(" ", "_") for title in header[5:]}
    columns |= {"lost to corruptions": "corruption_drop", "trainable": "trainable_params"}
    for cells, row in zip(rows, streets, strict=True):
        for title, cell in zip(header[5:], cells[5:], strict=True):
            mean, std = (row[f"{columns[title]}_{kind}"] for kind in ("mean", "std"))
            if title == "trainable":
                assert cell == f"{float(mean) / 1e6:.2f} M"
            else:
                shown = f"{float(mean):.1f}" + (f" ± {float(std):.1f}" if std else "")
                assert cell.removesuffix(" %") == shown, (cells[1], title)


def _method(row) -> str:
    return row["method"] + (f" ({row['variant']})" if row["variant"] else "")


def _weights(row: dict[str, str]) -> str:
    return {"random": "random", "pretrained": "pre-trained"}[row["weights"]]


def test_a_bench_report_needs_no_arrays(tmp_path, make_result, per_image) -> None:
    result = make_result()
    path = result_path(result.spec, tmp_path)
    write_result(result, path, per_image(result))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "toyland", copy / "toyland", ignore=shutil.ignore_patterns("*.npz"))
    assert load_all(copy).results == [result]
