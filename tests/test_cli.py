"""The command line: quick help, one-line errors with status 2, JSON and nothing else on stdout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import cli
from bench.errors import DamagedFile
from bench.per_image import per_image_path
from bench.result import announce, result_path, write_result

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def saved(tmp_path, make_result, per_image):
    """A results folder with one complete run, one interrupted run, and one damaged file."""
    root = tmp_path / "results"
    results = [make_result(), make_result(state="partial", done=1, seed=1)]
    for result in results:
        write_result(result, result_path(result.spec, root), per_image(result))
    damaged = result_path(results[0].spec, root).with_name("ffffffffffff-s9.json")
    damaged.write_text("{")
    return root, results, damaged


@pytest.fixture
def canned(monkeypatch, tmp_path, make_spec, make_result):
    """``run`` without training: resolving and running are replaced, what they were asked for is kept."""
    monkeypatch.chdir(tmp_path)  # the default folder of results is below here
    asked = {}

    def resolve(*arguments, corruptions=None):
        asked["resolve"], asked["corruptions"] = arguments, corruptions
        return make_spec()

    def run(spec, **options):
        asked["run"] = options
        print("a library talks on stdout")
        if "raise" in asked:
            raise asked["raise"]
        return make_result()

    for name, function in (("bench.resolve", resolve), ("bench.run", run)):
        module = type(sys)(name)
        setattr(module, name.rpartition(".")[2], function)
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def test_help_is_quick_and_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['bench', '--help']; from bench.cli import main; status = main(); "
        "heavy = {'torch', 'timm', 'numpy', 'pandas', 'cv2'} & set(sys.modules); "
        "print('heavy:', *heavy, file=sys.stderr); sys.exit(status)"
    )
    times = []
    for _ in range(5):  # the best of five: other work on the machine is not the question
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - began)
    assert all(verb in done.stdout for verb in ("run", "ls", "report"))
    assert done.stderr == "heavy:\n"
    assert min(times) < 0.5


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run"], ["Missing option '--method'", "run --help"]),
        (["run", "--metod", "rein"], ["No such option: --metod", "--method"]),
        (["rnu"], ["'rnu'", "Did you mean 'run'?"]),
        (["run", "--method", "rein", "--backbone", "eva02", "--seed", "x"], ["'--seed'", "valid integer"]),
        (["run", "--method", "rein", "--backbone", "eva02", "--seed", "-1"], ["'--seed'"]),
        (["run", "--method", "rein", "--backbone", "eva02", "stray"], ["unexpected extra argument", "stray"]),
        (["run", "--method", "rein", "--backbone", "eva02", "--set"], ["'--set'", "argument"]),
        (["run", "--method", "rein", "--backbone", "b", "--on-existing", "skp"], ["did you mean 'skip'?"]),
        (["run", "--method", "rein", "--backbone", "b", "--precision", "bf61"], ["did you mean 'bf16'?"]),
        (["run", "--method", "rein", "--backbone", "b", "--device", "cdua"], ["did you mean 'cuda'?"]),
        (["run", "--method", "rein", "--backbone", "b", "--device", "cuda:x"], ["--device", "known: auto"]),
        (["ls", "metods"], ["did you mean 'methods'?"]),
        (["ls"], ["Missing argument"]),
        (["report", "--results", "nowhere"], ["there is no folder nowhere"]),
        (["report", "--results", "docs"], ["no result files below docs"]),
        (["report", "--html", "--out", "tables"], ["--html needs a value", "--out"]),
        (["report", "--html", "--strict"], ["--html needs a value", "--strict"]),
        (["data", "check", "toyland", "--data-root", "--json"], ["--data-root needs a value", "--json"]),
    ],
)
def test_mistakes_end_in_one_line(capsys, arguments, parts) -> None:
    assert cli.main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("error: ")
    assert all(part in output.err for part in parts), output.err


def test_a_mistake_shows_no_traceback_in_a_real_process() -> None:
    command = [sys.executable, "-m", "bench", "ls", "metods"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_run_passes_its_options_on(capsys, canned, tmp_path) -> None:
    options = "--method m --backbone b --protocol p --track t --seed 4 --device cuda:1 --precision bf16 --compile"
    more = ["--on-existing", "rerun", "--set", "recipe.lr=1", "--set", "rank=2", "--quiet", "--weights", "w.pth"]
    more += ["--data-root", "d", "--workers", "3", "--corruptions", "L5"]
    assert cli.main(["run", *options.split(), *more, "--results", str(tmp_path)]) == 0
    sets = ["recipe.lr=1", "rank=2", "compile=true"]
    assert canned["resolve"] == ("m", "b", "p", "t", 4, "bf16", sets, Path("w.pth"))
    assert canned["corruptions"] == "L5"
    observer = canned["run"].pop("observer")
    assert type(observer).__name__ == "Silent"
    paths = {"results": tmp_path, "weights": Path("w.pth"), "data_root": Path("d")}
    assert canned["run"] == paths | {"device": "cuda:1", "on_existing": "rerun", "workers": 3}


def test_run_defaults_and_table(capsys, canned, make_spec, tmp_path) -> None:
    assert cli.main(["run", "--method", "rein", "--backbone", "eva02", "--results", str(tmp_path)]) == 0
    assert canned["resolve"] == ("rein", "eva02", "streets", "native", 0, None, [], None)
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == f"result: {result_path(make_spec(), tmp_path)}"
    wanted = ("east", "mean of unseen", "worst unseen", "mean of weather", "mean of corruptions", "images/s")
    assert all(word in output.out for word in wanted)
    assert "talks" in output.err


def test_run_json_is_one_document_and_nothing_else(capsys, canned, make_spec) -> None:
    assert cli.main(["run", "--method", "rein", "--backbone", "eva02", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["spec"] == make_spec().model_dump(mode="json")
    assert document["path"] == str(result_path(make_spec(), Path("results")))


def test_a_dry_run_shows_the_spec_and_runs_nothing(capsys, canned, make_spec, tmp_path) -> None:
    assert cli.main(["run", "--method", "m", "--backbone", "b", "--results", str(tmp_path), "--dry-run"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["spec"] == make_spec().model_dump(mode="json")
    assert (shown["path"], shown["exists"]) == (str(result_path(make_spec(), tmp_path)), False)
    assert "run" not in canned


def test_ctrl_c_says_how_to_go_on(capsys, canned) -> None:
    canned["raise"] = KeyboardInterrupt()
    assert cli.main(["run", "--method", "rein", "--backbone", "eva02", "--quiet"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == ("interrupted: the same command goes on where this one stopped")


def test_errors_of_the_engine_are_one_line(capsys, canned) -> None:
    canned["raise"] = DamagedFile(Path("x.json"), "two\nlines")
    assert cli.main(["run", "--method", "rein", "--backbone", "eva02", "--quiet"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: damaged file x.json: two lines"


@pytest.mark.parametrize("kind", ["methods", "backbones", "protocols", "datasets"])
def test_ls_json(capsys, kind) -> None:
    assert cli.main(["ls", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["name"] and row["summary"] for row in rows)
    assert cli.main(["ls", kind]) == 0
    table = capsys.readouterr().out
    assert all(row["name"] in table for row in rows)


def test_ls_runs(capsys, saved) -> None:
    root, results, damaged = saved
    assert cli.main(["ls", "runs", "--results", str(root), "--json"]) == 0
    output = capsys.readouterr()
    rows = json.loads(output.out)
    keys = {"path", "protocol", "track", "backbone", "method", "seed", "state", "source", "unseen_mean"}
    assert all(keys <= set(row) for row in rows)
    assert {(row["seed"], row["state"], row["unseen_mean"] is None) for row in rows} == {
        (0, "complete", False),
        (1, "partial", True),
    }
    assert {row["path"] for row in rows} == {str(result_path(result.spec, root)) for result in results}
    assert output.err.startswith(f"warning: damaged file {damaged}")


def test_ls_runs_shortens_nothing(capsys, saved, monkeypatch) -> None:
    """Its hashes are to be copied into `compare`, and settings tell one from another."""
    root, (result, *_), _ = saved
    path = result_path(result.spec, root)
    document = json.loads(path.read_text()) | {"settings": {"method_config.images": 0, "recipe.iterations": 7}}
    path.write_text(json.dumps(document))
    for wide in ("40", "200"):
        monkeypatch.setenv("COLUMNS", wide)
        assert cli.main(["ls", "runs", "--results", str(root)]) == 0
        lines = capsys.readouterr().out.splitlines()
        (row,) = [line for line in lines if result.spec_hash[:12] in line]
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells[1:8] == ["toyland", "native", "toy", "images=0, iterations=7", "vit-toy", "0", "complete"]


def test_ls_runs_lists_a_run_interrupted_in_training(capsys, saved, make_spec) -> None:
    root, results, _ = saved
    for seed in (0, 5):  # seed 0 has its result already
        announce(make_spec(seed=seed), root)
    assert cli.main(["ls", "runs", "--results", str(root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["seed"], row["state"]) for row in rows][-1] == (5, "partial")
    assert len(rows) == len(results) + 1
    assert rows[-1]["path"] == str(result_path(make_spec(seed=5), root))
    assert rows[-1]["source"] is None


def test_ls_runs_without_results(capsys, tmp_path) -> None:
    assert cli.main(["ls", "runs", "--results", str(tmp_path / "none"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_report_warns_of_damaged_files(capsys, saved) -> None:
    root, _, damaged = saved
    assert cli.main(["report", "--results", str(root)]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [str(root / f"leaderboard.{kind}") for kind in ("md", "csv", "tex")]
    assert str(damaged) in output.err
    assert damaged.read_text() == "{"
    assert cli.main(["report", "--results", str(root), "--strict"]) == 1
    damaged.unlink()
    assert cli.main(["report", "--results", str(root), "--strict"]) == 0


@pytest.mark.parametrize("where", ["copy.json", "deep/er/and/deeper/copy.json"])
def test_report_names_results_that_lie_elsewhere(capsys, saved, where) -> None:
    root, results, damaged = saved
    damaged.unlink()
    copy = root / where
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(result_path(results[0].spec, root), copy)
    assert cli.main(["report", "--results", str(root), "--strict"]) == 1
    assert f"{copy}: its content belongs at {result_path(results[0].spec, root)}" in capsys.readouterr().err


def test_report_leaves_out_a_result_whose_images_do_not_add_up(capsys, saved) -> None:
    root, results, damaged = saved
    damaged.unlink()
    arrays = per_image_path(result_path(results[0].spec, root))
    arrays.write_bytes(arrays.read_bytes()[:-40])
    assert cli.main(["report", "--results", str(root), "--strict"]) == 1
    assert f"damaged file {arrays}" in capsys.readouterr().err
    assert len((root / "leaderboard.csv").read_text().splitlines()) == 1  # the header: the other run is unfinished


def test_report_says_that_a_folder_is_not_there(capsys, tmp_path) -> None:
    assert cli.main(["report", "--results", str(tmp_path / "resutls")]) == 2
    assert capsys.readouterr().err.strip() == f"error: there is no folder {tmp_path / 'resutls'}"


def test_every_option_of_the_issue_is_there() -> None:
    environment = os.environ | {"COLUMNS": "120"}
    command = [sys.executable, "-m", "bench", "run", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    options = "method backbone protocol track seed results device precision compile on-existing set json quiet"
    assert all(f"--{option}" in done.stdout for option in options.split())
