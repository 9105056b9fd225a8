"""`report` writes beside the results what is of all results, and nothing else there; nor half of what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import main
from bench.result import result_path, write_result

NAMES = ("leaderboard.csv", "leaderboard.md", "leaderboard.tex")
SELECTIONS = [["--protocol", "toyland"], ["--reported"], ["--reference", "toy"]]


@pytest.fixture
def root(tmp_path: Path, make_result, per_image) -> Path:
    """Two protocols and their leaderboards."""
    folder = tmp_path / "results"
    for protocol in ("toyland", "elsewhere"):
        result = make_result(protocol=protocol)
        write_result(result, result_path(result.spec, folder), per_image(result))
    assert main(["report", "--results", str(folder)]) == 0
    return folder


def boards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("leaderboard.*"))}


@pytest.mark.parametrize("options", SELECTIONS)
def test_a_selection_is_printed_and_leaves_the_files_alone(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], tmp_path: Path
) -> None:
    before = boards(root)
    assert tuple(before) == NAMES
    capsys.readouterr()
    assert main(["report", "--results", str(root), *options]) == 0
    printed = capsys.readouterr().out
    assert boards(root) == before
    assert printed.encode() != before["leaderboard.md"]
    out = tmp_path / "tables"
    assert main(["report", "--results", str(root), *options, "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(out / f"leaderboard.{kind}") for kind in ("md", "csv", "tex")]
    assert (out / "leaderboard.md").read_text(encoding="utf-8") == printed
    assert boards(root) == before


@pytest.mark.parametrize("options", SELECTIONS)
def test_a_selection_is_not_written_beside_results(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = boards(root)
    monkeypatch.chdir(root.parent)
    for out in (str(root), "results", "results/../results"):
        assert main(["report", "--results", str(root), *options, "--out", out]) == 2
        assert "is of all results below it, and of nothing else; choose another folder" in capsys.readouterr().err
    assert boards(root) == before


def test_nor_is_that_of_other_results(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = boards(root)
    mine = tmp_path / "mine"
    mine.mkdir()
    (root / "elsewhere").rename(mine / "elsewhere")
    assert main(["report", "--results", str(mine), "--out", str(root)]) == 2
    assert boards(root) == before
    assert main(["report", "--results", str(mine), "--out", str(mine)]) == 0
    assert tuple(boards(mine)) == NAMES


@pytest.mark.parametrize("options", SELECTIONS)
def test_a_page_of_a_selection_leaves_the_results_files_alone(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    before, site = boards(root), tmp_path / "site"
    capsys.readouterr()
    assert main(["report", "--results", str(root), *options, "--html", str(site)]) == 0
    assert capsys.readouterr().out == f"{site / 'index.html'}\n"
    assert boards(root) == before
    assert tuple(boards(site)) == NAMES, "the page's own, of what it shows"


def test_a_page_of_everything_comes_with_the_files(root: Path, tmp_path: Path) -> None:
    before = boards(root)
    for name in NAMES:
        (root / name).unlink()
    assert main(["report", "--results", str(root), "--html", str(tmp_path / "site")]) == 0
    assert boards(root) == before


@pytest.mark.parametrize("where", ["results", "taken", "file", "file/site"])
def test_nothing_is_written_where_the_page_cannot_be(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in NAMES:
        (root / name).unlink()
    out = tmp_path / "tables"
    for more in ([], ["--out", str(out)], ["--protocol", "toyland", "--out", str(out)]):
        assert main(["report", "--results", str(root), "--html", str(tmp_path / where), *more]) == 2
        assert str(tmp_path / where) in capsys.readouterr().err
        assert boards(root) == {}
        assert not out.exists()


def test_page_and_tables_do_not_share_a_folder(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = tmp_path / "site"
    assert main(["report", "--results", str(root), "--html", str(both), "--out", str(both)]) == 2
    assert "leave --out out" in capsys.readouterr().err
    assert not both.exists()
