"""The gate in CI: what it shows on a page, and the documented workflow, whose commands are run as they stand there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from plants import freeze_all_but_one
from rich.console import Console
from test_gate import small_protocol

from bench import cli
from bench.gate.table import COLUMNS, Shown
from methods import frozen

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SMALL = ["--protocol", "small", "--iterations", "1", "--images", "1", "--corrupted", "1", "--seeds", "2"]
"""In place of the budget that a real baseline has."""


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with small_protocol(tmp_path_factory.mktemp("protocols")):
        yield


def commands(text: str) -> list[list[str]]:
    """Words of each command of the suite, without what its output goes to."""
    return [found.split("|")[0].split() for found in re.findall(r"python -m bench ([^\n]+)", text)]


def workflow() -> list[dict[str, Any]]:
    """Steps of the one job of the documented workflow."""
    yaml = pytest.importorskip("yaml")
    (text,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    steps: list[dict[str, Any]] = yaml.safe_load(text)["jobs"]["check"]["steps"]
    return steps


def value(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_documented_commands_have_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(commands(TEXT)) >= 6
    for command in commands(TEXT):
        assert cli.main([command[0], "--help"]) == 0
        helped = capsys.readouterr().out
        assert all(word in helped for word in command if word.startswith("--")), command


def test_the_workflow_is_one_of_its_kind() -> None:
    steps = workflow()
    assert all(("uses" in step) != ("run" in step) for step in steps)
    (check,) = [step for step in steps if "bench check" in step.get("run", "")]
    assert check["shell"] == "bash", "with pipefail"
    assert check["run"].endswith('| tee -a "$GITHUB_STEP_SUMMARY"')


@pytest.mark.usefixtures("protocol")
def test_what_the_documented_commands_write_the_workflow_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole page in order, with a method that is here for the user's own; where only the folder carries on."""
    monkeypatch.chdir(tmp_path)
    tested, checked = commands("\n".join(step.get("run", "") for step in workflow()))
    (mine,) = {value(tested, "--method")}
    updates = [command for command in commands(TEXT) if "--update" in command and mine in command]
    assert updates, "the page says how the baseline is written"
    for command in updates:
        assert value(command, "--baseline") == value(checked, "--baseline")
    wanted = [word if word != mine else "frozen" for word in updates[-1]]
    assert cli.main([*wanted, *SMALL, "--quiet", "--device", "cpu"]) == 0
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.json")] == [Path(value(checked, "--baseline"))]
    capsys.readouterr()
    assert cli.main([*checked, "--device", "cpu"]) == 0
    summary = capsys.readouterr().out
    assert summary.startswith("frozen on eva02, small/native, against baselines/bias.json\n\n| method |")
    again = next(line for line in re.findall(r"`check (--update [^`]*)`", TEXT) if "--baseline" in line).split()
    assert value(again, "--baseline") == value(checked, "--baseline"), "what writes it anew writes the same file"
    monkeypatch.setattr(frozen, "freeze", freeze_all_but_one)
    assert cli.main([*checked, "--device", "cpu"]) == 1, "and the job fails where something moved"
    moved_on_a_page(capsys.readouterr().out)


def moved_on_a_page(text: str) -> None:
    """Lines of a table, of equally many cells, and nothing drawn with box characters."""
    lines = text.splitlines()
    assert lines[1] == "", "a table begins after an empty line"
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert table[:2] == [["method", "quantity", *COLUMNS], ["---", "---", *["---:"] * 4]]
    assert {len(row) for row in table} == {6}
    (moved,) = [row for row in table if row[1] == "trainable parameters"]
    assert moved[4:] == ["160", "0"]
    assert lines[-1].startswith("**")
    assert lines[-1].endswith("quantities moved; if that is meant, --update**")
    assert not set(text) & set("│┃━┏└")


def test_a_setting_with_brackets_or_strokes_is_shown_as_it_is() -> None:
    rows = [["a", "b", "[128,256]", "x|y", "", ""]]
    shown = Shown("of [red]", ("method", "quantity", *COLUMNS), "llrrrr", rows, ["n [1]"], "v")
    console = Console(width=80)
    with console.capture() as captured:
        console.print(shown.rich())
    assert all(text in captured.get() for text in ("of [red]", "[128,256]", "n [1]"))
    assert "| a | b | [128,256] | x\\|y |  |  |" in shown.markdown().splitlines()


def test_one_form_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--markdown", "--json"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_tox_checks_after_the_tests() -> None:
    """The gate is slow, so last; the benchmarks are alone on the machine, and their closing line is not the last."""
    tox = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["tox"]
    commands = [" ".join(map(str, command[:4])) for command in tox["env"]["check"]["commands"]]
    places = [next(n for n, text in enumerate(commands) if text.startswith(start)) for start in ORDER]
    assert places == sorted(places)
    assert commands[-1].startswith(ORDER[-1])


ORDER = ("mypy", "pytest benchmarks", "pytest -n 2", "python -m bench check")


def test_the_table_of_hot_paths_has_the_floors_that_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each was measured above its floor."""
    pytest.importorskip("pytest_benchmark")
    monkeypatch.syspath_prepend(ROOT)  # the benchmarks are not installed
    floors = import_module("benchmarks.suite.test_ratios").LEAST
    (table,) = re.findall(r"^\| hot path .*?\n\n", TEXT + "\n", flags=re.MULTILINE | re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    assert sorted(float(row[3]) for row in rows) == sorted(floors.values())
    assert all(float(row[2]) > float(row[3]) for row in rows)
