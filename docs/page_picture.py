"""Make README's picture of the leaderboard's page: `python docs/page_picture.py`.

It writes the page of the committed results and takes the picture in a headless Chromium (`CHROME` names another one),
light, at 1200 x 690. A checksum of the leaderboard is kept in the picture: a test tells when it is to be taken anew.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import sync_playwright

from bench.report.board import leaderboard
from bench.report.page import write_page
from bench.report.scored import read_scored

ROOT = Path(__file__).resolve().parent.parent
SIZE = {"width": 1200, "height": 690}


def main() -> None:
    chrome = os.environ.get("CHROME") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        results = ROOT / "results"
        page = write_page(leaderboard(read_scored(results).scored), Path(folder) / "site", results)
        browser = driver.chromium.launch(executable_path=chrome, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=SIZE, color_scheme="light")
        tab.goto(page.file.as_uri())
        tab.locator(".tabulator-row").first.wait_for()
        with Image.open(io.BytesIO(tab.screenshot())) as taken:
            path = ROOT / "docs" / "images" / "page.png"
            about = PngInfo()
            about.add_text("leaderboard", hashlib.sha256((results / "leaderboard.csv").read_bytes()).hexdigest())
            taken.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=about)
        browser.close()
    print(path)


if __name__ == "__main__":
    main()
