"""The page's tables of classes and corruptions, what stands below them, and what can be taken away, in a browser."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import COMMITTED, Open

from bench.data.labels import CLASSES
from bench.report.board import Board, leaderboard
from bench.report.frame import CLASS
from bench.report.missing import missing
from bench.report.series import place_of
from bench.report.standings import named
from bench.result import RunResult

PLACE = ("streets", "native")
RGB = re.compile(r"[\d.]+")


@pytest.fixture(scope="module")
def board(results: list[RunResult]) -> Board:
    return leaderboard(results, COMMITTED)


def cell(page: Any, row: int, field: str) -> Any:
    return page.locator(".tabulator-row").nth(row).locator(f"[tabulator-field='{field}']")


def luminance(colour: str) -> float:
    """WCAG's relative luminance of `rgb(...)` or `color(srgb ...)`."""
    parts = np.array([float(part) for part in RGB.findall(colour.replace("srgb", ""))[:3]])
    parts = parts / 255 if colour.startswith("rgb") else parts
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_classes_are_the_leaderboards(visit: Open, board: Board) -> None:
    tab = visit()
    page = tab.board()
    page.get_by_label("Columns").select_option("classes")
    tab.until("location.hash.includes('columns=classes')")
    rows = [row for row in board.rows if place_of(row) == PLACE]
    for place, row in enumerate(rows):
        for name in ("unseen_mean", CLASS + "road", CLASS + "wall", CLASS + "bicycle"):
            stat = row.stats[name]
            spread = "" if np.isnan(stat.std) else f"±{stat.std:.1f}"
            assert re.sub(r"\s", "", cell(page, place, f"v.{name}").inner_text()) == f"{stat.mean:.1f}{spread}"
    fields = page.evaluate("Board.table.getColumns().map((column) => column.getField())")
    assert [field.removeprefix("v.class:") for field in fields if ":" in field] == list(CLASSES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_corruptions_are_a_heat_map_that_can_be_read(visit: Open, board: Board, scheme: str) -> None:
    tab = visit(color_scheme=scheme)
    page = tab.board("#columns=corruptions")
    rows = [row for row in board.rows if place_of(row) == PLACE]
    shades, scores = [], []
    for place, row in enumerate(rows):
        for name in ("gaussian_noise", "snow", "brightness"):
            found = cell(page, place, f"v.corruption:{name}@3")
            (score,) = row.grid[name].values()
            assert found.inner_text() == f"{score:.1f}"
            text, behind = found.evaluate("(e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
            light, dark = sorted((luminance(text), luminance(behind)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {behind}"
            shades.append(luminance(behind))
            scores.append(score)
    order = np.argsort(scores)
    turned = -1 if scheme == "light" else 1
    assert (turned * np.diff(np.array(shades)[order]) > -1e-3).all(), "the stronger the colour, the higher the score"
    assert len({round(shade, 3) for shade in shades}) > 10
    assert "at severity 3" in page.locator("#scale").inner_text()
    assert tab.accessible() == []


def test_published_corruptions_stand_under_their_severity(visit: Open) -> None:
    tab = visit()
    page = tab.board("#protocol=city2c&columns=corruptions")
    row = next(place for place, each in enumerate(tab.rows()) if each["v"].get("corruption:fog@5"))
    assert cell(page, row, "v.corruption:fog@5").inner_text() == tab.rows()[row]["v"]["target:fog-5"][2]
    assert "at severity 5" in page.locator("#scale").inner_text()
    page = tab.board("#protocol=gta2cbm&columns=corruptions")
    assert "No row shown has figures of corruptions" in page.locator("#scale").inner_text()


def test_ties_and_missing_runs_stand_below(visit: Open, board: Board, results: list[RunResult]) -> None:
    tab = visit()
    page = tab.board()
    rows = [row for row in board.rows if place_of(row) == PLACE]
    standing, lacks = board.standings[PLACE], missing(rows, board.scored, PLACE)
    below = page.locator("#below")
    text = below.inner_text()
    assert f"{len(standing.ties)} of {standing.comparisons} pairs" in text
    lines = [line.locator("th, td").all_inner_texts() for line in below.locator("tbody tr").all()]
    assert [line[:2] for line in lines] == [[named(rows[t.ahead]), named(rows[t.behind])] for t in standing.ties]
    for line, tie in zip(lines, standing.ties, strict=True):
        numbers = [float(part.replace("−", "-")) for part in (line[2], *line[3].split(" to "))]
        assert numbers == pytest.approx(tie.difference[:3], abs=0.006)
        assert float(line[4].lstrip("< ")) == pytest.approx(tie.adjusted, abs=1.1e-3)
    for method, backbone in lacks.pairs:
        assert f"{method} on {backbone}: no result" in text
    for place, row in enumerate(rows):
        if lacks.seeds[row.series]:
            assert f"{named(row)}: seeds " in text
            every = row.seeds + len(lacks.seeds[row.series])
            assert cell(page, place, "seeds").inner_text() == f"{row.seeds} of {every}"
    page.evaluate("location.hash = '#protocol=streets-weather@streets'")
    tab.until("document.querySelector('#below h2').textContent.startsWith('streets-weather')")
    page.evaluate("location.hash = '#protocol=gta2cbm'")
    tab.until("!document.querySelector('#below h2')")


def test_bold_is_the_best_and_all_that_tie_with_it(visit: Open, board: Board) -> None:
    tab = visit()
    page = tab.board()
    rows = [row for row in board.rows if place_of(row) == PLACE]
    tied = {0, *(tie.behind for tie in board.standings[PLACE].ties if tie.ahead == 0)}
    assert len(tied) > 1, "a tie is part of the test"
    bold = {place for place in range(len(rows)) if cell(page, place, "v.unseen_mean").locator("strong").count()}
    assert bold == tied
    best = max(round(row.stats["source"].mean, 1) for row in rows)
    bold = {place for place in range(len(rows)) if cell(page, place, "v.source").locator("strong").count()}
    assert bold == {place for place, row in enumerate(rows) if round(row.stats["source"].mean, 1) == best}
    page = tab.board("#protocol=streets-weather@streets")
    assert len({row["v"]["gflops"][0] for row in tab.rows()}) > 1
    assert page.locator(".tabulator-row [tabulator-field='v.gflops']").count() == 4
    assert page.locator("[tabulator-field='v.gflops'] strong").count() == 0, "all read the same: none is best"


def test_the_marks_of_ranks_are_explained(visit: Open) -> None:
    text = visit().board().get_by_label("How to read it").inner_text()
    assert "1=" in text
    assert "(151)" in text


def taken(page: Any, path: Path) -> list[dict[str, str]]:
    """The lines of the CSV file that the page gives."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    waiting.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def test_the_csv_is_what_is_shown(visit: Open, board: Board, tmp_path: Path) -> None:
    tab = visit()
    page = tab.board("#protocol=streets&sort=v.source")
    lines, shown = taken(page, tmp_path / "board.csv"), tab.rows()
    assert [line["Runs"].split() for line in lines] == [row["runs"] for row in shown]
    names = [tuple(line[key] for key in ("Method", "Variant", "Backbone", "Weights")) for line in lines]
    assert len(set(names)) == len(lines), "no two rows read the same"
    of = {row.series[:12]: row for row in board.rows}
    for line, row in zip(lines, shown, strict=True):
        stat = of[row["id"]].stats["unseen_mean"]
        spread = float(line["Unseen mean std"] or "nan")
        assert [float(line["Unseen mean"]), spread] == pytest.approx([*stat], rel=1e-6, nan_ok=True)
        assert line["Variant"] == row["variant"]
    assert any("," in line["Variant"] for line in lines), "a comma is part of the test"
    lines = taken(tab.board("#protocol=gta2cbm&origin=reported"), tmp_path / "reported.csv")
    printed = [(row["v"].get("unseen_mean") or ["", "", ""])[2] for row in tab.rows()]
    assert [line["Unseen mean"] for line in lines] == printed
    assert all(line["Citation"] for line in lines)
