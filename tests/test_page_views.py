"""The static page in a real browser: slider, axe-core, colours, downloads, names that are no markup, 5,000 rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import DRAWER, MAIN, Open

from bench.report.board import leaderboard
from bench.report.page import write_page
from bench.result import RunResult, result_path, write_result


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
    assert slider.get_attribute("aria-valuenow") == "56"
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuenow") == "0"
    page.keyboard.press("End")
    assert page.evaluate("document.querySelector('img-comparison-slider').value") == 100
    page.locator("#pick-sample").select_option(index=1)
    page.locator("#pick-left").select_option(label="full on eva02-mini, seed 0")
    page.locator("#pick-show").select_option("error")
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
    "address",
    [
        "#protocol=",
        "#columns=classes",
        f"#run={MAIN}",
        "#protocol=&run=rein-2",
        "#view=gallery",
        "#view=gallery&show=error",
    ],
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
    page.locator("#fold > summary").click()
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
        | {
            "id": f"row-{number}",
            "rank": f"({number + 1})" if number > 20 else "1=",
            "method": f"method-{number % 700}",
            "runs": [f"run-{number}"],
        }
        | {"v": [[(mean * 7 + number * 13.7) % 100, std] for mean, std in row["v"]]}
        for number in range(5000)
        for row in [own[number % len(own)]]
    ]
    ids = [row["id"] for row in whole["rows"]]
    place = whole["places"]["streets/native"]
    place["ties"] = [[ids[one], ids[two], 0.1, -1.0, 1.2, 1.0] for one in range(20) for two in range(one + 1, 20)]
    place["missing"] = [[f"method-{number}", ["clip-mini"]] for number in range(200)]
    for name in ("index.html", "assets"):
        site.mkdir(exist_ok=True)
        (site / name).symlink_to(folder / name)
    (site / "data").mkdir()
    (site / "data" / "table.js").write_text(f"window.BENCH = {json.dumps(whole)};\n")
    return site


def test_five_thousand_rows_are_fast(visit: Open, large: Path) -> None:
    """Only what is in view is drawn, and sorting and filtering cost less than loading (time of the page's thread)."""
    tab = visit(large)
    client = tab.context.new_cdp_session(tab.page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        found = {each["name"]: each["value"] for each in client.send("Performance.getMetrics")["metrics"]}
        return float(found["TaskDuration"])

    page = tab.board()
    page.locator(".tabulator-row").first.wait_for()
    loaded = spent()
    # Not `tab.rows()`: to bring all of every row over here takes half a minute.
    assert page.evaluate("Board.table.getDataCount('active')") == 5000
    assert page.locator(".tabulator-row").count() < 200, "only what is in view is drawn"
    before = spent()
    page.get_by_role("columnheader", name="Source").get_by_role("button").click()
    tab.until("location.hash.includes('sort')")
    sorting = spent() - before
    found = page.evaluate("Board.table.getRows('active').map((row) => row.getData().v.source[0])")
    assert len(found) == 5000
    assert found == sorted(found, reverse=True)
    page.get_by_role("columnheader", name="Rank").get_by_role("button").click()
    tab.until("location.hash.includes('sort=rank')")
    ranks = page.evaluate("Board.table.getRows('active').map((row) => row.getData().rank)")
    assert ranks == ["1="] * 21 + [f"({place})" for place in range(22, 5001)]
    before = spent()
    page.get_by_label("Search methods, backbones, sources").fill("method-69")
    tab.until("Board.rows.length < 5000")
    filtering = spent() - before
    assert sorting < loaded, f"load {loaded:.2f} s, sort {sorting:.2f} s, filter {filtering:.2f} s"
    assert filtering < loaded, "rows are not made anew"
