"""A real Chromium for tests of the static page: opened from disk, watched for errors and for requests that leave it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.report.board import leaderboard
from bench.report.page import write_page
from bench.report.reported import published
from bench.reported import load_reported
from bench.result import RunResult, load_all

COMMITTED = Path(__file__).resolve().parent.parent / "results"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MAIN = "6942e68c829a-s0"
"""The main job's run."""
DRAWER = "#drawer"
PATIENCE = 60_000  # ms; CI machines may be busy
HOME = ("file:", "data:", "blob:")


def executable() -> str:
    """Chromium's path; skips the test where there is none."""
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: install your system's package `chromium`, or name one in CHROME")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser with an empty profile."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it is in the extra `test`")
    path = executable()
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS), headless=True)
        yield browser
        browser.close()


class Visit:
    """One tab on a page from disk, and what went wrong in it."""

    def __init__(self, browser: Any, folder: Path, **options: Any) -> None:
        size = options.pop("viewport", {"width": 1440, "height": 900})
        self.folder = folder
        self.context = browser.new_context(viewport=size, **options)
        self.context.set_default_timeout(PATIENCE)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(HOME):
            self.outside.append(request.url)

    def open(self, address: str = "") -> Any:
        """Open the page at a permalink; returns Playwright's page."""
        self.page.goto("about:blank")  # else only what follows the # changes
        self.page.goto(f"{(self.folder / 'index.html').as_uri()}{address}")
        return self.page

    def board(self, address: str = "") -> Any:
        """Open the leaderboard there and wait for its rows."""
        page = self.open(address)
        self.until("Board.ready")
        return page

    def until(self, expression: str, arg: object = None) -> None:
        """Wait until an expression, or a function of `arg`, holds: Playwright's own wait needs eval."""
        ends = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(expression, arg):
            assert time.monotonic() < ends, f"never came true: {expression}"
            self.page.wait_for_timeout(20)

    def methods(self) -> list[str]:
        """The methods of the rows, from the top, all of them and not only those in view."""
        return [row["method"] for row in self.rows()]

    def rows(self) -> list[dict[str, Any]]:
        """The rows that the table holds, as they are sorted and filtered."""
        rows: list[dict[str, Any]] = self.page.evaluate("Board.table.getRows('active').map((row) => row.getData())")
        return rows

    def sound(self) -> None:
        """Nothing went wrong so far, and nothing was asked from outside."""
        assert self.errors == []
        assert self.outside == []

    def accessible(self) -> list[str]:
        """What axe-core finds wrong with the page as it is now."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it is in the extra `test`")
        # Without `preload`: for it axe fetches style sheets, which a page from disk does not let it do.
        found = axe.Axe().run(self.page, options={"preload": False}).response["violations"]
        return [f"{each['id']}: {json.dumps([node['html'][:160] for node in each['nodes']])}" for each in found]


Open = Callable[..., Visit]
"""What the fixture `visit` gives."""


def values(rows: list[dict[str, Any]], key: str) -> list[float | None]:
    """A column of the page's rows."""
    return [row["v"].get(key, [None])[0] for row in rows]


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
def visit(browser: Any, folder: Path) -> Iterator[Callable[..., Visit]]:
    """Tabs that are checked when the test is over: no error, no request that leaves the folder."""
    made: list[Visit] = []

    def make(place: Path = folder, **options: Any) -> Visit:
        made.append(Visit(browser, place, **options))
        return made[-1]

    yield make
    for each in made:
        each.sound()
        each.context.close()
