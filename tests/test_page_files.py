"""What the page's folder holds, read without a browser: rows, runs, pictures, same bytes, one-line errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import cli
from bench.errors import UserError
from bench.report.board import leaderboard, write_board
from bench.report.frame import CLASS, CLEAN, CORRUPTION, TARGET
from bench.report.page import sweeps, write_page
from bench.report.page.gallery import read_gallery
from bench.report.page.rows import kind_of_seen
from bench.report.reported import published
from bench.report.scores import scores
from bench.report.standings import rank_cells
from bench.reported import load_reported
from bench.result import load_all, result_path, write_result

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "results"
ASSETS = ROOT / "bench" / "report" / "page" / "assets"


def table_of(folder: Path):
    text = (folder / "data" / "table.js").read_text(encoding="utf-8")
    whole = json.loads(text.removeprefix("window.BENCH = ").removesuffix(";\n"))
    for row in whole["rows"]:
        row["v"] = dict(zip(whole["keys"][row["keys"]], row["v"], strict=True))
    return whole


def run_of(folder: Path, name: str):
    text = (folder / "data" / "runs" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("BENCH.loaded(").removesuffix(");\n"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def results():
    return load_all(COMMITTED).results


@pytest.fixture(scope="module")
def site(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "site"
    write_page(leaderboard(results, COMMITTED), folder, COMMITTED, published(load_reported()))
    return folder


def test_measured_rows_are_the_leaderboards_in_its_order(site, results) -> None:
    rows = [row for row in table_of(site)["rows"] if row["origin"] == "measured"]
    board = leaderboard(results, COMMITTED)
    expected = board.rows
    assert len(rows) == len(expected)
    for row, one in zip(rows, expected, strict=True):
        assert {key: row[key] for key in one.keys} == one.keys
        assert row["seeds"] == len(row["runs"]) == one.seeds
        own = {name: pair for name, pair in row["v"].items() if name in one.stats}
        shown = {name for name in one.stats if ":" not in name or name.startswith((CLASS, TARGET))}
        assert own.keys() - {CLEAN} == shown
        swept = {f"{CORRUPTION}{name}@{severity}" for name, scores in one.grid.items() for severity in scores}
        assert {name for name in row["v"] if "@" in name} == swept, "one severity each"
        assert [pair[0] for pair in own.values()] == pytest.approx([one.stats[name].mean for name in own], rel=1e-6)
    streets = [one for one in expected if one.keys["protocol"] == "streets"]
    ranks = [row["rank"] for row in rows if row["protocol"] == "streets"]
    assert ranks == rank_cells(streets, board.standings["streets", "native"])


def test_every_run_has_its_own_file_with_its_scores(site, results) -> None:
    names = {path.stem for path in (site / "data" / "runs").glob("*.js")}
    assert names == {result_path(result.spec, Path()).stem for result in results}
    for result in results[::7]:
        run, found = run_of(site, result_path(result.spec, Path()).stem), scores(result)
        assert run["spec"] == result.spec.model_dump(mode="json")
        assert run["provenance"]["commit"] == result.provenance.commit
        assert run["curve"]["loss"] == [point.loss for point in result.curve]
        for target in run["targets"]:
            assert target["miou"] == pytest.approx(found.targets[target["name"]].miou, abs=6e-4)
            assert target["iou"] == [
                value if value is None else pytest.approx(value, abs=6e-4)
                for value in found.targets[target["name"]].iou.values()
            ]


def test_severities_become_curves(site) -> None:
    run = run_of(site, "9527dbccd6bc-s0")
    ladders = run["severities"]
    assert {"fog", "night", "rain", "snow"} <= set(ladders)
    by_name = {target["name"]: target["miou"] for target in run["targets"]}
    clean = [0, by_name["fair"]]
    assert ladders["fog"] == [clean, *([severity, by_name[f"fog-{severity}"]] for severity in range(1, 6))]


def test_corruptions_of_other_severities_are_other_columns(results) -> None:
    row = next(row for row in leaderboard(results, COMMITTED).rows if row.grid)
    grids = ({"fog": {1: 40.0, 2: 30.0, 3: 20.0}}, {"fog": {1: 40.0, 3: 20.0}}, {"fog": {5: 10.0}, "ice": {5: 9.0}})
    stats = {f"{CORRUPTION}{name}": row.stats["source"] for name in ("fog", "ice")}
    found = [name for grid in grids for name in sweeps.measured(row._replace(grid=grid, stats=stats))]
    assert found == [f"{CORRUPTION}{key}" for key in ("fog@1-3", "fog@1, 3", "fog@5", "ice@5")]
    assert [str(key) for key in sweeps.keys([*reversed(found), CLEAN, "source"])] == [found[1], found[0], *found[2:]]
    assert sweeps.published(
        {"target:fog-5": "1.0", "target:fog": "2.0", "source": "3.0", "target:acdc-fog-5": "4.0"}
    ) == {f"{CORRUPTION}fog@5": "1.0"}


def test_published_rows_keep_what_was_printed(site) -> None:
    rows = [row for row in table_of(site)["rows"] if row["origin"] == "reported"]
    expected = published(load_reported()).rows
    assert len(rows) == len(expected) > 300
    assert len({row["id"] for row in rows}) == len(rows), "each has a permalink of its own"
    for row, theirs in zip(rows, expected, strict=True):
        assert row["citation"] == theirs.first.citation
        printed = {name: figure.printed.value for name, figure in theirs.scores.items()}
        assert {name: row["v"][name][2] for name in printed} == printed
        assert "rank" not in row
    dinov2 = [row for row in rows if row["backbone"] == "dinov2-large" and row["protocol"] == "gta2cbm"]
    seen = {tuple(sorted(key for key in row["v"] if ":" in key)): row["seen"] for row in dinov2}
    assert seen["target:cityscapes",] == "all", "DINOv2 saw Cityscapes"
    assert seen["target:bdd100k", "target:cityscapes", "target:mapillary"] == "some"


def test_what_was_seen_in_one_word() -> None:
    assert kind_of_seen(["no", "no"]) == "none"
    assert kind_of_seen(["yes", "no"]) == kind_of_seen(["yes", "unknown"]) == "some"
    assert kind_of_seen(["yes"]) == "all"
    assert kind_of_seen(["no", "unknown"]) == kind_of_seen([]) == "unknown"


def test_the_same_results_give_the_same_bytes(site, results, tmp_path) -> None:
    again = tmp_path / "again"
    board = leaderboard(results, COMMITTED)
    write_page(board, again, COMMITTED, published(load_reported()))
    (again / "data" / "runs" / "old.js").write_text("of a run that is gone")
    write_page(board, again, COMMITTED, published(load_reported()))
    assert files_of(again) == files_of(site)


def test_what_only_some_boards_have_is_in_the_table(results, tmp_path) -> None:
    board = leaderboard(results, COMMITTED, reference="frozen")
    trained = board._replace(rows=[row._replace(trained_on=place == 0) for place, row in enumerate(board.rows)])
    whole = table_of(write_page(trained, tmp_path / "site", COMMITTED).file.parent)
    (column,) = [column for column in whole["columns"] if "relative" in column["key"]]
    assert (column["title"], column["less"]) == ("Corruption error relative to frozen", True)
    assert whole["rows"][0]["v"][column["key"]][0] == pytest.approx(board.rows[0].stats[column["key"]].mean, rel=1e-6)
    assert [row["flags"] for row in whole["rows"][:2]] == [{"source": ["trained on"]}, {}]


def test_the_leaderboards_files_stand_beside_the_page(site, results, tmp_path) -> None:
    for path in write_board(leaderboard(results, COMMITTED), tmp_path, published(load_reported())):
        assert (site / path.name).read_bytes() == path.read_bytes()


def test_the_folder_is_whole_and_small(site) -> None:
    files = files_of(site)
    index = files["index.html"].decode()
    for name in re.findall(r'(?:src|href)="([^"#:,]+)"', index):
        assert name in files, name
    assert 'type="module"' not in index, "modules are not read from disk"
    bundle = sum(len(content) for name, content in files.items() if name.startswith("assets/"))
    assert bundle < 1_000_000
    for sample in table_of(site)["gallery"]:
        for run in sample["runs"]:
            assert f"{sample['folder']}/{run['run']}.error.png" in files


def test_libraries_are_named_with_version_and_licence() -> None:
    vendor = ASSETS / "vendor"
    words = (vendor / "README.md").read_text(encoding="utf-8")
    for path in vendor.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in words
    assert "v6.5.3" in (vendor / "tabulator.min.js").read_text(encoding="utf-8")[:100]
    assert "v1.6.32" in (vendor / "uPlot.iife.min.js").read_text(encoding="utf-8")[:200]


def test_our_scripts_are_short_and_write_no_markup() -> None:
    for path in [*ASSETS.glob("js/*.js"), *ASSETS.glob("css/*.css")]:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 300
        assert "innerHTML" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("kind", ["file", "full"])
def test_what_is_not_ours_stays(make_result, tmp_path, kind) -> None:
    folder = tmp_path / "site"
    if kind == "file":
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "index.html").write_text("my own page")
    before = folder.read_text() if kind == "file" else files_of(folder)
    with pytest.raises(UserError, match=r"^--html .*(name a folder|choose a new folder)$"):
        write_page(leaderboard([make_result()]), folder, tmp_path)
    assert (folder.read_text() if kind == "file" else files_of(folder)) == before


def test_a_runs_file_has_its_cost_by_the_names_of_the_columns(make_result, per_image, tmp_path) -> None:
    result = make_result()
    write_result(result, result_path(result.spec, tmp_path), per_image(result))
    folder = write_page(leaderboard(load_all(tmp_path).results, tmp_path), tmp_path / "site", tmp_path).file.parent
    cost = run_of(folder, result_path(result.spec, tmp_path).stem)["cost"]
    assert cost == result.cost.row()
    shown = {column["key"] for column in table_of(folder)["columns"] if column["kind"] == "cost"}
    assert {name for name in shown if cost[name] is not None} >= {"trainable_params", "total_params", "latency_ms"}


def test_the_verb_writes_it_and_names_broken_pictures(make_result, per_image, tmp_path, capsys) -> None:
    root, result = tmp_path / "results", make_result()
    write_result(result, result_path(result.spec, root), per_image(result))
    sample = root / "gallery" / "toyland" / "east-0"
    sample.mkdir(parents=True)
    (sample / "scores.csv").write_text("run,method\nx,y\n")
    assert cli.main(["report", "--results", str(root), "--html", str(tmp_path / "site")]) == 0
    said = capsys.readouterr()
    assert str(tmp_path / "site" / "index.html") in said.out
    assert "scores.csv" in said.err
    assert cli.main(["report", "--strict", "--results", str(root), "--html", str(tmp_path / "site")]) == 1
    (tmp_path / "taken").write_text("")
    assert cli.main(["report", "--results", str(root), "--html", str(tmp_path / "taken")]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: --html")


def test_a_sample_without_a_file_is_named_and_left_out(tmp_path) -> None:
    sample = tmp_path / "gallery" / "streets" / "harbour-0"
    sample.mkdir(parents=True)
    lines = "run,method,backbone,seed,miou,pixel_accuracy\n"
    (sample / "scores.csv").write_text(lines + "0123456789ab-s0,rein,eva02,0,50.0,80.0\n")
    found = read_gallery(tmp_path)
    assert found.samples == []
    assert "image.webp" in str(found.problems[0])
    (sample / "scores.csv").write_text(lines + "../../x,rein,eva02,0,50.0,80.0\n")
    assert "names no run" in str(read_gallery(tmp_path).problems[0])
