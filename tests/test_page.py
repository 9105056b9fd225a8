"""The static page in a real browser: sorting, filters, permalinks, drawer, slider, keyboard, axe-core, 5,000 rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, chromium

from bench.report.board import leaderboard
from bench.report.page import write_page
from bench.report.reported import published
from bench.report.scores import scores
from bench.report.series import series
from bench.reported import load_reported
from bench.result import RunResult, load_all, result_path, write_result

COMMITTED = Path(__file__).resolve().parent.parent / "results"
MAIN = "6942e68c829a-s0"
DRAWER = "#drawer"
Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def results() -> list[RunResult]:
    return load_all(COMMITTED).results


@pytest.fixture(scope="module")
def folder(results: list[RunResult], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the committed results, with published figures."""
    target = tmp_path_factory.mktemp("page") / "site"
    assert write_page(leaderboard(results, COMMITTED), target, COMMITTED, published(load_reported())).problems == []
    return target


@pytest.fixture
def visit(browser: Any, folder: Path) -> Iterator[Open]:
    """Tabs that are checked when the test is over: no error, no request that leaves the folder."""
    made: list[Visit] = []

    def make(place: Path = folder, **options: Any) -> Visit:
        made.append(Visit(browser, place, **options))
        return made[-1]

    yield make
    for each in made:
        each.sound()
        each.context.close()


def values(rows: list[dict[str, Any]], key: str) -> list[float | None]:
    return [row["v"].get(key, [None])[0] for row in rows]


def test_the_board_is_the_leaderboard(visit: Open, results: list[RunResult]) -> None:
    tab = visit()
    page = tab.board()
    expected = [row for row in series(results, COMMITTED) if row.keys["protocol"] == "streets"]
    assert tab.methods() == [row.keys["method"] for row in expected]
    first = page.locator(".tabulator-row").first
    assert first.locator("[tabulator-field='rank']").inner_text() == "1"
    stat = expected[0].stats["unseen_mean"]
    figure = first.locator("[tabulator-field='v.unseen_mean']").inner_text()
    assert re.sub(r"\s", "", figure) == f"{stat.mean:.1f}±{stat.std:.1f}"
    assert (
        page.locator("#count").inner_text()
        == f"4 of {len(series(results)) + len(published(load_reported()).rows)} rows"
    )


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
        find = panel.get_by_label(f"Find in {facet}")
        if find.is_visible():
            find.fill(value)
        panel.get_by_label(value, exact=False).and_(panel.locator(f"[value='{value}']")).check()
        rows = tab.rows()
        assert 0 < len(rows) < len(whole)
        assert [row["id"] for row in rows] == [row["id"] for row in whole if keep(row)]
        times = panel.locator(f"label:has([value='{value}']) .times").inner_text()
        assert int(times) == len(rows)
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.textContent").startswith(facet)
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
    tab.until("Board.rows.length === 4")


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
    assert page.evaluate("document.activeElement.textContent") == "rein"
    assert MAIN not in page.url


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


def test_the_slider_compares_two_runs(visit: Open) -> None:
    tab = visit()
    page = tab.open("#view=gallery")
    slider = page.get_by_role("slider")
    slider.wait_for()
    tab.until("[...document.querySelectorAll('#gallery img')].every((picture) => picture.naturalWidth > 0)")
    assert slider.get_attribute("aria-valuenow") == "50"
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    tab.until("+document.querySelector('img-comparison-slider').ariaValueNow > 50")
    page.get_by_label("Sample").select_option(index=1)
    page.get_by_label("Left").select_option(label="full on eva02-mini, seed 0")
    page.get_by_label("Show").select_option("error")
    tab.until("[...document.querySelectorAll('#gallery img')].every((picture) => picture.naturalWidth > 0)")
    sources = [picture.get_attribute("src") for picture in page.locator("img-comparison-slider img.over").all()]
    assert sources[0].endswith("0337347422dd-s0.error.png")
    assert len(set(sources)) == 2
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20, steps=4)
    page.mouse.up()
    assert 70 < float(slider.get_attribute("aria-valuenow")) < 90
    other = visit()
    again = other.open("#" + page.url.partition("#")[2])
    again.get_by_role("slider").wait_for()
    assert [
        picture.get_attribute("src") for picture in again.locator("img-comparison-slider img.over").all()
    ] == sources


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "address", ["#protocol=", f"#run={MAIN}", "#protocol=&run=rein-2", "#view=gallery", "#view=gallery&show=error"]
)
def test_axe_finds_nothing(visit: Open, scheme: str, address: str) -> None:
    tab = visit(color_scheme=scheme)
    page = tab.board(address)
    if MAIN in address:
        page.locator(f"{DRAWER} canvas").first.wait_for()
    assert tab.accessible() == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 384) == (scheme == "dark")


def test_axe_finds_nothing_on_a_telephone_with_a_filter_open(visit: Open) -> None:
    tab = visit(viewport={"width": 390, "height": 844})
    page = tab.board("#protocol=")
    page.locator("summary", has_text="Method").click()
    assert tab.accessible() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_colours_can_be_chosen_and_are_kept(visit: Open) -> None:
    tab = visit(color_scheme="light")
    page = tab.board()
    colours = page.get_by_role("button", name="Colours")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    colours.click()
    colours.click()
    assert colours.inner_text() == "Colours: dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert tab.board().get_by_role("button", name="Colours").inner_text() == "Colours: dark"


def test_the_table_can_be_taken_away_as_csv(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    page = tab.board()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    waiting.value.save_as(tmp_path / "board.csv")
    lines = (tmp_path / "board.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 5
    assert "Unseen mean" in lines[0]
    assert "rein" in lines[1]


def test_names_are_text_not_markup(
    visit: Open, tmp_path: Path, make_result: Callable[..., RunResult], per_image: Callable[[RunResult], Any]
) -> None:
    name, root = "<img src=x onerror=hit()>", tmp_path / "results"
    result = make_result(method=name)
    write_result(result, result_path(result.spec, root), per_image(result))
    write_page(leaderboard([result], root), tmp_path / "site", root)
    tab = visit(tmp_path / "site")
    page = tab.board()
    page.locator(".tabulator-row").get_by_role("link", name=name).click()
    page.locator(DRAWER).get_by_role("heading", name="Reproduce").wait_for()
    assert page.locator("img").count() == 0
    assert page.get_by_role("link", name="Gallery").is_hidden(), "no picture, no gallery"


@pytest.fixture
def large(folder: Path, tmp_path: Path) -> Path:
    """The page with 5,000 rows: those that there are, over and over, under other names and with other figures."""
    site = tmp_path / "site"
    text = (folder / "data" / "table.js").read_text(encoding="utf-8")
    whole = json.loads(text.removeprefix("window.BENCH = ").removesuffix(";\n"))
    own = [row for row in whole["rows"] if row["protocol"] == "streets"]
    whole["rows"] = [
        row
        | {"id": f"row-{number}", "rank": number + 1, "method": f"method-{number % 700}", "runs": [f"run-{number}"]}
        | {"v": {key: [(mean * 7 + number * 13.7) % 100, std] for key, (mean, std) in row["v"].items()}}
        for number in range(5000)
        for row in [own[number % len(own)]]
    ]
    for name in ("index.html", "assets"):
        site.mkdir(exist_ok=True)
        (site / name).symlink_to(folder / name)
    (site / "data").mkdir()
    (site / "data" / "table.js").write_text(f"window.BENCH = {json.dumps(whole)};\n")
    return site


def test_five_thousand_rows_are_fast(visit: Open, large: Path) -> None:
    """In processor time of the page's own thread, so that a busy machine does not decide."""
    tab = visit(large)
    client = tab.context.new_cdp_session(tab.page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        found = {each["name"]: each["value"] for each in client.send("Performance.getMetrics")["metrics"]}
        return float(found["TaskDuration"])

    page = tab.board()
    page.locator(".tabulator-row").first.wait_for()
    loaded = spent()
    assert len(tab.rows()) == 5000
    assert page.locator(".tabulator-row").count() < 200, "only what is in view is drawn"
    before = spent()
    page.get_by_role("columnheader", name="Source").get_by_role("button").click()
    tab.until("location.hash.includes('sort')")
    sorting = spent() - before
    found = values(tab.rows(), "source")
    assert found == sorted(found, reverse=True)
    before = spent()
    page.get_by_label("Search methods, backbones, sources").fill("method-69")
    tab.until("Board.rows.length < 5000")
    filtering = spent() - before
    print(f"load {loaded:.2f} s, sort {sorting:.2f} s, filter {filtering:.2f} s")
    assert loaded < 2
    assert sorting < 0.5
    assert filtering < 0.5
