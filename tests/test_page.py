"""The static page in a real browser: sorting, filters, permalinks, drawer, slider, keyboard, axe-core, 5,000 rows."""

from __future__ import annotations

import json
import re

import pytest
from browser import COMMITTED, DRAWER, MAIN, Open, values

from bench.report.board import leaderboard
from bench.report.reported import published
from bench.report.scores import scores
from bench.report.standings import rank_cells
from bench.reported import load_reported
from bench.result import RunResult


def test_the_board_is_the_leaderboard(visit: Open, results: list[RunResult]) -> None:
    tab = visit()
    page = tab.board()
    board = leaderboard(results, COMMITTED)
    expected = [row for row in board.rows if row.keys["protocol"] == "streets"]
    assert tab.methods() == [row.keys["method"] for row in expected]
    first = page.locator(".tabulator-row").first
    (rank,) = rank_cells(expected, board.standings["streets", "native"])[:1]
    assert first.locator("[tabulator-field='rank']").inner_text() == rank
    stat = expected[0].stats["unseen_mean"]
    figure = first.locator("[tabulator-field='v.unseen_mean']").inner_text()
    assert re.sub(r"\s", "", figure) == f"{stat.mean:.1f}±{stat.std:.1f}"
    whole = len(board.rows) + len(published(load_reported()).rows)
    assert page.locator("#count").inner_text() == f"{len(expected)} of {whole} rows"


@pytest.mark.parametrize("by", ["click", "keyboard"])
def test_a_heading_sorts_both_ways_and_back(visit: Open, by: str) -> None:
    tab = visit()
    page = tab.board("#protocol=gta2cbm")
    before = [row["id"] for row in tab.rows()]
    heading = page.get_by_role("columnheader", name="Unseen mean")
    assert heading.get_attribute("aria-sort") == "none"
    seen = []
    for state in ("descending", "ascending", "none"):
        if by == "click":
            heading.click()
        else:
            heading.get_by_role("button").focus()
            page.keyboard.press("Enter")
        tab.until("(now) => document.querySelector(`[tabulator-field='v.unseen_mean']`).ariaSort === now", arg=state)
        seen.append(tab.rows())
    for rows, turned in zip(seen, (True, False), strict=False):
        found = values(rows, "unseen_mean")
        known = [value for value in found if value is not None]
        assert None in found, "rows without a figure are part of the test"
        assert known == sorted(known, reverse=turned)
        assert found[len(known) :] == [None] * (len(found) - len(known)), "what is missing stands last"
    assert [row["id"] for row in seen[2]] == before


def test_every_facet_filters(visit: Open) -> None:
    tab = visit()
    page = tab.board("#protocol=")
    whole = tab.rows()
    for facet, value, keep in (
        ("Protocol", "city2acdc", lambda row: row["protocol"] == "city2acdc"),
        ("Track", "rein-512", lambda row: row["track"] == "rein-512"),
        ("Method", "Rein", lambda row: row["method"] == "Rein"),
        ("Backbone", "dinov2-large", lambda row: row["backbone"] == "dinov2-large"),
        ("Origin", "measured", lambda row: row["origin"] == "measured"),
        ("Seen in pre-training", "some targets seen", lambda row: row["seen"] == "some"),
    ):
        panel = page.locator(f"details.facet:has(summary:text-is('{facet}'))")
        panel.locator("summary").click()
        panel.locator(".options label").first.wait_for()
        find = panel.get_by_label(f"Find in {facet}")
        if find.is_visible():
            find.fill(value)
        panel.get_by_label(value, exact=False).and_(panel.locator(f"[value='{value}']")).check()
        tab.until("(count) => Board.rows.length < count", arg=len(whole))
        rows = tab.rows()
        assert 0 < len(rows) < len(whole)
        assert [row["id"] for row in rows] == [row["id"] for row in whole if keep(row)]
        times = panel.locator(f"label:has([value='{value}']) .times").inner_text()
        assert int(times) == len(rows)
        page.keyboard.press("Escape")
        tab.until("(facet) => document.activeElement.textContent.startsWith(facet)", facet)
        page.evaluate("location.hash = '#protocol='")
        tab.until("(count) => Board.rows.length === count", arg=len(whole))


def test_facets_and_words_are_taken_together(visit: Open) -> None:
    tab = visit()
    page = tab.board("#protocol=gta2cbm&origin=reported")
    page.get_by_label("Search methods, backbones, sources").fill("rein dinov2-large")
    rows = tab.rows()
    assert rows
    for row in rows:
        text = json.dumps(row).lower()
        assert "rein" in text
        assert "dinov2-large" in text
    page.get_by_label("Search methods, backbones, sources").fill("no such method")
    page.get_by_text("No row fits these filters.").wait_for()
    page.get_by_role("button", name="Reset").click()
    tab.until("Board.rows.length === BENCH.rows.filter((row) => row.protocol === 'streets').length")


def test_a_permalink_shows_the_same_again(visit: Open) -> None:
    tab = visit()
    page = tab.board("#protocol=gta2cbm")
    page.get_by_label("Search methods, backbones, sources").fill("rein")
    page.get_by_label("Columns").select_option("targets")
    page.get_by_role("columnheader", name="bdd100k").click()
    tab.until("location.hash.includes('sort')")
    shown = tab.rows()
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    other = visit()
    again = other.board("#" + link.partition("#")[2])
    assert [row["id"] for row in other.rows()] == [row["id"] for row in shown]
    assert len(shown) > 3
    assert again.get_by_label("Columns").input_value() == "targets"
    assert again.get_by_role("columnheader", name="bdd100k").get_attribute("aria-sort") == "descending"


def test_the_drawer_says_what_the_result_file_says(visit: Open, results: list[RunResult]) -> None:
    (result,) = [each for each in results if each.spec_hash.startswith(MAIN[:12])]
    found = scores(result)
    tab = visit()
    page = tab.board()
    page.locator(".tabulator-row").first.get_by_role("link").focus()
    page.keyboard.press("Enter")
    drawer = page.locator(DRAWER)
    drawer.get_by_role("heading", name="Reproduce").wait_for()
    assert MAIN in page.url
    text = drawer.inner_text()
    for piece in (result.spec_hash, result.provenance.commit, result.provenance.device_name):
        assert piece in text
    classes = drawer.locator(".shaded table")
    cells = classes.get_by_role("row", name="sky").get_by_role("cell").all_inner_texts()
    unseen = [name for name, target in found.targets.items() if target.group == "unseen"]
    assert cells == [f"{found.targets[name].iou['sky']:.1f}" for name in unseen]
    drawer.get_by_label("Targets shown").select_option("weather")
    assert classes.get_by_role("columnheader").all_inner_texts()[1:] == [
        name for name, target in found.targets.items() if target.group == "weather"
    ]
    settings = drawer.get_by_text(re.compile(r"^All \d+ settings"))
    settings.click()
    assert drawer.get_by_role("row", name="recipe.lr ").get_by_role("cell").inner_text() == str(result.spec.recipe.lr)
    drawer.get_by_role("button", name="Copy", exact=True).click()
    drawer.get_by_role("button", name="Copied").wait_for()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("python -m bench run --method rein --backbone eva02-mini --protocol streets")
    page.keyboard.press("Escape")
    tab.until("!document.getElementById('drawer').open")
    tab.until("document.activeElement.textContent === 'rein'")
    tab.until("(run) => !location.hash.includes(run)", MAIN)


def test_the_drawers_curves_are_drawn(visit: Open) -> None:
    tab = visit()
    page = tab.board(f"#run={MAIN}")
    page.locator(f"{DRAWER} .chart canvas").nth(2).wait_for()
    inked = page.evaluate(
        """[...document.querySelectorAll('#drawer .chart canvas')].map((canvas) => {
          const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          const colours = new Set();
          for (let at = 0; at < pixels.length; at += 4)
            if (pixels[at + 3] > 200) colours.add(pixels.slice(at, at + 3).join());
          return colours.size; })"""
    )
    assert len(inked) == 3, "loss, learning rate, calibration"
    assert min(inked) > 3
    assert re.match(
        r"Training loss: [\d.]+ at iteration \d+",
        page.locator(f"{DRAWER} [role='img']").first.get_attribute("aria-label"),
    )


def test_seeds_are_a_link_apart_and_the_back_button_works(visit: Open) -> None:
    tab = visit()
    page = tab.board(f"#run={MAIN}")
    page.get_by_role("link", name="seed 2").click()
    tab.until("location.hash.includes('-s2')")
    page.locator(DRAWER).get_by_text("--seed 2").wait_for()
    page.go_back()
    page.locator(DRAWER).get_by_text("--seed 0").wait_for()


def test_a_link_to_a_run_opens_the_board_of_its_protocol(visit: Open) -> None:
    tab = visit()
    page = tab.board()
    row = page.evaluate(
        "BENCH.rows.find((row) => row.runs && row.protocol !== State.first().facets.protocol.values().next().value)"
    )
    page = tab.board(f"#run={row['runs'][0]}")
    page.locator(DRAWER).get_by_role("heading", name="Reproduce").wait_for()
    assert {each["protocol"] for each in tab.rows()} == {row["protocol"]}
    page.keyboard.press("Escape")
    tab.until("!document.getElementById('drawer').open")
    tab.until("(method) => document.activeElement.textContent === method", row["method"])
    again = visit()
    again.board("#" + page.url.partition("#")[2])
    assert again.rows() == tab.rows(), "the address goes on saying which protocol is shown"
    again.board(f"#protocol=streets&run={row['runs'][0]}")
    assert {each["protocol"] for each in again.rows()} == {"streets"}, "what the link says itself holds"


def test_a_published_row_says_where_it_is_from(visit: Open) -> None:
    tab = visit()
    page = tab.board("#protocol=gta2cbm&q=rein+dinov2-large")
    row = tab.rows()[0]
    page.locator(".tabulator-row").first.get_by_role("link").click()
    text = page.locator(DRAWER).inner_text()
    assert row["citation"] in text
    assert row["seen_in"] in text
    assert all(figure[2] in text for figure in row["v"].values())
    assert "no specification" in text
