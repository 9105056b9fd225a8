"""Cost reports as CSV, as a table and as a picture of accuracy against cost."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from rich.console import Console

from bench import cli
from bench.cost.figures import DOES_NOT_FIT
from bench.cost.profile import Worker, report
from bench.cost.records import ORDER, CostReport, Job
from bench.cost.table import WIDTH, markdown, render, row, write
from bench.cost.worker import work
from bench.errors import PrerequisiteError
from bench.report.pareto import draw_pareto, front, points
from bench.spec import Track

TIMES = {"median_ms": 4.0, "p25_ms": 3.5, "p75_ms": 5.0, "p95_ms": 9.0, "runs": 20, "warm_up": 3}
MEMORY = {"peak_mb": 40.0, "model_mb": 10.0, "baseline_mb": 300.0, "counted": "resident set"}
COUNTS = {
    "trainable": 2_000_000,
    "total": 9_000_000,
    "backbone": 7_000_000,
    "head": 1_500_000,
    "adapter": 500_000,
    "trainable_backbone": 0,
    "trainable_head": 1_500_000,
    "trainable_adapter": 500_000,
}
FOUND: dict[str, Any] = {
    "parameters": COUNTS,
    "gflops": 12.5,
    "latency": TIMES,
    "clocks": {"cores": 2500.0},
    "throughput": [
        {"batch": 1, "images_per_s": 250.0, "times": TIMES},
        {"batch": 2, "images_per_s": 300.0, "times": TIMES},
        {"batch": 4, "note": f"{DOES_NOT_FIT}: CUDA out of memory"},
    ],
    "memory": MEMORY,
    "training": {"step": TIMES, "memory": MEMORY | {"peak_mb": 90.0}},
    "missing": {"energy": "no counter"},
}


@pytest.fixture
def made(make_spec):
    def make(found: dict[str, Any] | None = None, size: tuple[int, int] = (16, 32), **fields: Any) -> CostReport:
        return report(Job(spec=make_spec(**fields), size=size), FOUND if found is None else found)

    return make


def test_csv_and_json_hold_every_report(made, tmp_path: Path) -> None:
    lacking = made({"missing": {"latency": f"{DOES_NOT_FIT}: killed", "memory": f"{DOES_NOT_FIT}: killed"}}, (64, 32))
    written = write([made(), lacking], tmp_path / "new")
    rows = list(csv.DictReader(written[0].open(encoding="utf-8")))
    assert [path.name for path in written] == ["cost.csv", "cost.json"]
    assert [(one["height"], one["width"]) for one in rows] == [("16", "32"), ("64", "32")]
    assert rows[0]["latency_median_ms"] == "4.0"
    assert rows[0]["best_images_per_s"] == "300.0"
    assert (rows[0]["best_batch"], rows[0]["train_memory_mb"], rows[0]["adapter_params"]) == ("2", "90.0", "500000")
    assert rows[0]["missing"] == "energy: no counter"
    assert rows[1]["latency_median_ms"] == rows[1]["total_params"] == rows[1]["best_batch"] == ""
    assert rows[1]["missing"].startswith(f"latency: {DOES_NOT_FIT}")
    again = [CostReport.model_validate(one) for one in json.loads(written[1].read_text(encoding="utf-8"))]
    assert again == [made(), lacking]
    assert set(row(lacking)) == set(rows[0])


def test_a_folder_that_cannot_be_written_is_one_line(made, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="choose another with --out"):
        write([made()], tmp_path / "file" / "below")


def shown(reports: Sequence[CostReport]) -> str:
    console = Console(width=WIDTH, record=True)
    with console.capture() as captured:
        console.print(render(reports))
    return captured.get()


def test_the_table_says_what_does_not_fit(made) -> None:
    lacking = made({"missing": {"latency": f"{DOES_NOT_FIT}: killed", "energy": "no counter"}}, method="full")
    text = shown([made(), lacking])
    assert "300 (2)" in text
    assert DOES_NOT_FIT in next(line for line in text.splitlines() if " full " in line)
    assert "- energy: no counter" in text, "the same reason everywhere is said once"
    assert f"- latency, full on vit-toy at 16x32, fp32: {DOES_NOT_FIT}: killed" in text
    assert "batch 4: does not fit: CUDA out of memory" in text
    assert "J/image" not in text, "a column that nothing fills is left out"
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "step" in text
    assert "…" not in text, "nothing is cut off"
    assert "step" not in shown([made({"latency": TIMES})])


def test_what_cannot_be_built_is_said_once(made) -> None:
    nothing = {"missing": dict.fromkeys(ORDER, "cannot be built: no attention here")}
    several = [made(), *(made(nothing, size, method="lora") for size in ((16, 32), (32, 64)))]
    lines = [line.strip() for line in shown(several).splitlines()]
    assert [line for line in lines if "cannot be built" in line] == [
        "- lora on vit-toy: cannot be built: no attention here"
    ]
    assert "- energy: no counter" in lines, "what all others lack is still said of all"
    ended = nothing["missing"] | {"training": "not asked for (--train)"}
    assert "- lora on vit-toy at 32x64, fp32: cannot be built: no attention here" in [
        line.strip() for line in shown([several[1], made({"missing": ended}, (32, 64), method="lora")]).splitlines()
    ], "of two that lack different figures each is named"


def test_the_table_says_how_busy_the_machine_was(made) -> None:
    one = shown([made(FOUND | {"load": 3.87, "busy_elsewhere": 1.26, "cores": 2})])
    assert "load in the minute before 3.9; other processes took 1.3 of 2 cores" in " ".join(one.split())
    assert "load" not in shown([made()])


def test_the_markdown_is_the_same_table(made) -> None:
    lacking = made({"missing": {"latency": f"{DOES_NOT_FIT}: killed", "energy": "no counter"}}, method="full")
    lines = markdown([made({**FOUND, "load": 0.25, "busy_elsewhere": 0.04, "cores": 2}), lacking]).splitlines()
    assert lines[0].endswith("; load in the minute before 0.2 at most; other processes took 0.0 of 2 cores at most")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert {len(row) for row in rows} == {len(rows[0])}
    first, second = (dict(zip(rows[0], row, strict=True)) for row in rows[2:])
    assert (first["images/s (batch)"], first["latency, ms"], first["quartiles"]) == ("300 (2)", "4", "3.5-5")
    assert second["latency, ms"] == DOES_NOT_FIT
    assert lines[-1].startswith("- ")


def test_the_front_is_what_nothing_beats() -> None:
    assert front([3.0, 1.0, 2.0, 2.0, 4.0], [50.0, 40.0, 45.0, 47.0, 49.0]) == [1, 3, 0]
    assert front([1.0, 1.0], [40.0, 40.0]) == [0]
    assert front([float("nan"), 2.0], [90.0, 10.0]) == [1]


def test_points_join_cost_with_the_runs_of_the_same_model(made, make_result) -> None:
    results = [make_result(seed=seed) for seed in (0, 1, 2)]
    joined = points([made(), made(method="full")], results)
    assert [(point.report.method, point.seeds, point.windows) for point in joined.points] == [
        ("toy", 3, "windows of 16x32")
    ]
    assert 0 < joined.points[0].unseen < 100
    assert joined.points[0].spread > 0
    assert joined.left_out == ["full on vit-toy at 16x32, fp32: no measured result of toyland/native"]


@pytest.mark.parametrize(
    "fields",
    [
        {"method_config": {"rank": 8}},
        {"backbone_config": {"patch_size": 16}},
        {"backbone": "other"},
        {"protocol": "elsewhere"},
        {"track": Track(name="large")},
        {"weights": "random"},
    ],
)
def test_runs_of_another_model_do_not_count(fields: dict[str, Any], made, make_result) -> None:
    assert not points([made()], [make_result(**fields)]).points
    assert points([made()], [make_result(), make_result(**fields)]).points[0].seeds == 1


def test_a_partial_run_does_not_count_and_neither_does_a_cost_that_could_not_be_measured(made, make_result) -> None:
    assert not points([made()], [make_result("partial", 3)]).points
    assert points([made({})], [make_result()]).left_out == [
        "toy on vit-toy at 16x32, fp32: its cost could not be measured"
    ]


def test_the_picture_names_what_the_runs_chose(made, make_result, tmp_path: Path) -> None:
    """Of a method's options too, which the cost shares; what changes no score is left out."""
    settings = {"recipe.iterations": 500, "method_config.rank": 8, "method_config.save_labels": 3}
    plain, changed = make_result(), make_result(method="full").model_copy(update={"settings": settings})
    joined = points([made(), made(method="full")], [plain, changed]).points
    assert [point.name for point in joined] == ["toy, vit-toy", "full, vit-toy, rank=8, recipe.iterations=500"]
    draw_pareto(joined, tmp_path / "pareto")
    drawn = (tmp_path / "pareto.svg").read_text(encoding="utf-8")
    assert all(point.name in drawn for point in joined)


def test_a_picture_for_each_size(made, make_result, tmp_path: Path) -> None:
    methods = ("toy", "full", "frozen")
    results = [make_result(method=method, seed=seed) for method in methods for seed in (0, 1)]
    reports = [made(size=size, method=method) for size in ((16, 32), (32, 64)) for method in methods]
    drawn = draw_pareto(points(reports, results).points, tmp_path / "pareto")
    assert [path.name for path in drawn] == ["pareto.png", "pareto.svg", "pareto-2.png", "pareto-2.svg"]
    for path in drawn[::2]:
        height, width = matplotlib.image.imread(path).shape[:2]
        assert width > 2 * height > 600
    assert draw_pareto([], tmp_path / "none") == []


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is measured, but in this process: starting others takes most of the time."""

    class Here(Worker):
        def ask(self, job: Job) -> Iterator[dict[str, Any]]:
            lines: list[dict[str, Any]] = []
            work(job, lines.append)
            yield from json.loads(json.dumps(lines))

    monkeypatch.setattr("bench.cost.matrix.Worker", Here)


@pytest.mark.usefixtures("here")
def test_several_combinations_write_their_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    chosen = ["--method", "rein", "--method", "frozen", "--backbone", "eva02", "--size", "32x64", "--seconds", "0.01"]
    chosen += [word for name in ("parameters", "gflops", "latency") for word in ("--figure", name)]
    outputs = ["--out", str(tmp_path / "cost"), "--results", str(tmp_path / "no-results"), "--quiet"]
    assert cli.main(["profile", *chosen, *outputs, "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "cost" / "cost.csv").open(encoding="utf-8")))
    assert [(one["method"], one["height"], one["weights"]) for one in rows] == [
        ("rein", "32", "random"),
        ("frozen", "32", "random"),
    ]
    assert float(rows[0]["gflops"]) > float(rows[1]["gflops"]) > 0
    assert rows[0]["train_step_median_ms"] == "", "a training step is measured on request"
    assert "not in the picture: rein on eva02-mini at 32x64, fp32: no measured result" in captured.err
    assert not (tmp_path / "cost" / "pareto.png").exists()
    assert "cost.csv" in captured.out


@pytest.mark.usefixtures("here")
def test_without_latency_and_memory_no_picture_is_missed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    chosen = ["--method", "rein", "--method", "frozen", "--backbone", "eva02", "--figure", "parameters"]
    outputs = ["--out", str(tmp_path / "cost"), "--results", str(tmp_path / "no-results"), "--quiet"]
    assert cli.main(["profile", *chosen, *outputs, "--device", "cpu"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "no picture: it shows latency and memory, which were not asked for (--figure)"
    ]
    assert (tmp_path / "cost" / "cost.csv").exists()
