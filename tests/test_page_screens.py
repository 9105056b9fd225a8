"""The page on screens of any width, under links to what is not there, and without scripts, in a real browser."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from browser import DRAWER, Open

TELEPHONE = {"width": 390, "height": 844}
LADDERS = "9527dbccd6bc-s0"
"""A run that was scored at several severities."""


def box(locator: Any) -> tuple[float, float, float, float]:
    """Left, top, right and bottom."""
    found = locator.bounding_box()
    return found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]


def test_a_telephone_shows_names_and_scores_at_once(visit: Open) -> None:
    tab = visit(viewport=TELEPHONE)
    page = tab.board()
    row = page.locator(".tabulator-row").first
    row.wait_for()
    score = row.locator("[tabulator-field='v.unseen_mean'] .figure")
    left, _, right, bottom = box(score)
    assert left > 0
    assert right < TELEPHONE["width"]
    assert bottom < TELEPHONE["height"] / 2, "no filters fill the screen before the first row"
    assert box(row.get_by_role("link"))[2] <= left
    page.get_by_role("button", name="more →").click()
    tab.until("Sideways.holder().scrollLeft > 100")
    assert 0 <= box(row.get_by_role("link"))[0] < 100, "the name stays when figures are scrolled"
    assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
    rows = page.locator(".tabulator-row").filter(has_text="segmenter=none")
    assert "segmenter=none" in rows.first.locator(".variant").get_attribute("title")
    assert tab.accessible() == []


@pytest.mark.parametrize(("scheme", "columns"), [("light", "classes"), ("dark", "corruptions")])
def test_axe_finds_nothing_in_the_heat_maps_of_a_telephone(visit: Open, scheme: str, columns: str) -> None:
    tab = visit(viewport=TELEPHONE, color_scheme=scheme)
    page = tab.board(f"#columns={columns}")
    page.evaluate("Sideways.holder().scrollLeft = 400")
    assert tab.accessible() == []


def test_filters_are_folded_on_a_telephone_alone(visit: Open) -> None:
    tab = visit(viewport=TELEPHONE)
    page = tab.board()
    method = page.locator("details.facet > summary", has_text="Method")
    assert not method.is_visible()
    fold = page.locator("#fold > summary")
    assert "streets" in fold.inner_text(), "what is filtered by is said"
    fold.focus()
    page.keyboard.press("Enter")
    method.click()
    page.locator(".panel:visible").get_by_label("frozen").check()
    tab.until("Board.rows.length === 1")
    page.set_viewport_size({"width": 1400, "height": 900})
    tab.until("Board.ready && document.querySelector(`[tabulator-field='backbone']`).offsetWidth > 0")
    assert method.is_visible()
    assert not fold.is_visible()
    assert tab.methods() == ["frozen"]
    page.set_viewport_size(TELEPHONE)
    tab.until("Board.ready && document.querySelector('.tabulator-row').offsetHeight > 50")
    assert not method.is_visible()


def test_columns_beyond_the_edge_are_said_and_reached(visit: Open) -> None:
    tab = visit(viewport={"width": 1400, "height": 900})
    page = tab.board("#columns=targets")
    button = page.locator("#sideways")
    button.wait_for()
    beyond = page.evaluate(
        """(() => {
          const edge = Sideways.holder().getBoundingClientRect().right + 1;
          const columns = [...document.querySelectorAll('#table .tabulator-headers > .tabulator-col')];
          return columns.filter((each) => each.getBoundingClientRect().right > edge).length; })()"""
    )
    assert beyond > 5
    assert button.inner_text() == f"{beyond} more columns →"
    assert page.evaluate("getComputedStyle(document.getElementById('table'), '::after').width") == "32px"
    for _ in range(12):
        if "first" in button.inner_text():
            break
        before = page.evaluate("Sideways.holder().scrollLeft")
        button.click()
        tab.until("(before) => Sideways.holder().scrollLeft > before", before)
        page.wait_for_timeout(50)
    assert button.inner_text() == "← first columns"
    assert "has-more" not in page.locator("#table").get_attribute("class")
    button.click()
    tab.until("Sideways.holder().scrollLeft === 0")
    page.locator("#search").fill("no such method")
    page.set_viewport_size({"width": 3800, "height": 900})
    tab.until("document.getElementById('sideways').hidden")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("sort=nope", "sort “nope”"),
        ("sort=-v.target:nope", "sort “-v.target:nope”"),
        ("protocol=nope", "protocol “nope”"),
        ("columns=nope", "columns “nope”"),
        ("run=0123456789ab-s0", "run “0123456789ab-s0”"),
        ("view=nope", "view “nope”"),
        ("view=gallery&sample=nope", "sample “nope”"),
        ("colour=red", "“colour”"),
    ],
)
def test_what_a_link_asks_for_and_is_not_there_is_said_and_dropped(visit: Open, asked: str, said: str) -> None:
    tab = visit()
    page = tab.board(f"#method=rein&{asked}&origin=measured&origin=nothing")
    head, _, listed = page.locator("#notice").text_content().removesuffix(".").partition(": ")
    assert head == "Not here, and left out of the link"
    assert sorted(listed.split(", ")) == sorted([said, "origin “nothing”"])
    assert "nope" not in page.url
    assert "nothing" not in page.url
    assert "origin=measured" in page.url
    assert {row["method"] for row in tab.rows()} == {"rein"}, "what is there holds"
    if "view" not in page.url:
        page.get_by_label("Columns").select_option("all")
        tab.until("document.getElementById('notice').textContent === ''")


def test_an_order_by_a_column_that_is_not_shown_shows_it(visit: Open) -> None:
    tab = visit()
    page = tab.board("#sort=-v.target:hills")
    heading = page.get_by_role("columnheader", name="hills")
    assert heading.get_attribute("aria-sort") == "descending"
    found = [row["v"]["target:hills"][0] for row in tab.rows()]
    assert found == sorted(found, reverse=True)


def test_the_gallery_begins_with_two_methods_and_says_whose_each_picture_is(visit: Open) -> None:
    tab = visit()
    page = tab.open("#view=gallery")
    strip = page.locator("#gallery .strip figcaption")
    strip.first.wait_for()
    captions = strip.all_inner_texts()
    assert len(set(captions)) == len(captions) == 6
    left, right = page.evaluate("[Gallery.asked(State.now).left, Gallery.asked(State.now).right]")
    assert left["method"] != right["method"]
    assert left["backbone"] == right["backbone"]
    ablation = page.evaluate(
        "BENCH.gallery[0].runs.find(({ run }) => Board.byRun.get(run).variant.includes('segmenter=none')).run"
    )
    other = page.evaluate("(left) => Gallery.asked({ ...State.now, left }).right", ablation)
    assert (other["method"], other["backbone"]) == ("rein", "clip-mini"), "not the method that it is an ablation of"
    names = page.locator("#pick-left option").all_inner_texts()
    variant = next(name for name in names if "segmenter=none" in name)
    page.locator("#pick-left").select_option(label=variant)
    page.locator("#pick-right").select_option(label=next(n for n in names if n.startswith("clouds on clip-mini")))
    tab.until("document.querySelectorAll('#gallery .strip figure').length === 6")
    captions = strip.all_inner_texts()
    assert sum(variant in caption for caption in captions) == 2
    assert all(one != two for one, two in combinations(captions, 2))


@pytest.mark.parametrize("width", [390, 1400])
def test_the_gallerys_rows_line_up(visit: Open, width: int) -> None:
    tab = visit(viewport={"width": width, "height": 900})
    page = tab.open("#view=gallery")
    tab.until("[...document.querySelectorAll('#gallery img')].every((picture) => picture.naturalWidth > 0)")
    places = [box(figure)[:2] for figure in page.locator("#gallery .strip figure").all()]
    image, truth, *runs = places
    pairs = [(image, truth), *zip(runs[::2], runs[1::2], strict=True)]
    for one, other in pairs:  # prediction and error of one run
        assert (one[1] == pytest.approx(other[1], abs=1)) == (width == 390)
        assert (one[0] == pytest.approx(other[0], abs=1)) == (width == 1400)
    across = [pair[0][1] for pair in pairs]
    assert (max(across) - min(across) < 1) == (width == 1400)


def test_without_scripts_a_link_leads_to_the_tables(visit: Open) -> None:
    tab = visit(java_script_enabled=False)
    page = tab.open()
    link = page.locator("noscript a")
    assert link.is_visible()
    assert (tab.folder / link.get_attribute("href")).read_text(encoding="utf-8").startswith("# Leaderboard")


def test_severity_begins_with_the_clean_images(visit: Open) -> None:
    tab = visit()
    page = tab.board(f"#run={LADDERS}")
    chart = page.locator(f"{DRAWER} figure", has_text="mIoU by severity")
    chart.locator("canvas").wait_for()
    said = chart.get_by_role("img").get_attribute("aria-label")
    clean = page.evaluate(f"Drawer.cache.get('{LADDERS}').targets.find((target) => target.group === 'reference').miou")
    assert said.count(f"{clean:.1f} at 0") == 4, "fog, night, rain and snow"
    assert "0: the same images clean" in chart.inner_text()
    assert "1 thread." in page.locator(DRAWER).inner_text()


def test_a_heading_that_has_the_focus_is_in_view_over_its_column(visit: Open) -> None:
    tab = visit(viewport={"width": 1400, "height": 900})
    page = tab.board("#columns=targets")
    headings = page.locator("#table .tabulator-col:not(.tabulator-frozen) .sorts")
    frozen = box(page.locator(".tabulator-col[tabulator-field='method']"))[2]
    headings.first.focus()
    for key in (*["Tab"] * (headings.count() - 1), *["Shift+Tab"] * 9):
        page.keyboard.press(key)
        page.wait_for_timeout(30)
        field = page.evaluate("document.activeElement.closest('.tabulator-col').getAttribute('tabulator-field')")
        left, _, right, _ = box(page.locator(f".tabulator-col[tabulator-field='{field}']"))
        assert frozen - 1 <= left < right <= 1401, f"{field} is hidden"
        column = box(page.locator(".tabulator-row").first.locator(f"[tabulator-field='{field}']"))
        assert (column[0], column[2]) == pytest.approx((left, right), abs=1), "rows go with their headings"
