"""Writes the page's folder: assets as they are, the table as one script, one script for each run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from bench import __version__, protocols
from bench.byproducts import Byproducts
from bench.data.labels import CLASSES, PALETTE
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.report import reported
from bench.report.board import Board, write_board
from bench.report.frame import TARGET, targets_of
from bench.report.memory import no_collection
from bench.report.page import rows as table
from bench.report.page.command import trainings
from bench.report.page.details import detail
from bench.report.page.gallery import read_gallery
from bench.report.page.places import lacking, places
from bench.report.scored import Known, Scored
from bench.result import read_result

ASSETS = Path(__file__).resolve().parent / "assets"
MARK = "dgss-bench leaderboard"
"""What the page's index.html says of itself: a folder with it may be written over."""
OURS = ("assets", "data", "gallery")


class Page(NamedTuple):
    """What was written."""

    file: Path
    """Its index.html."""
    problems: list[DamagedFile]
    """Pictures of the gallery that were left out."""


@no_collection()
def write_page(board: Board, folder: Path, root: Path, published: reported.Published | None = None) -> Page:
    """Write the page of all complete runs of a leaderboard into `folder`, and the leaderboard's own files beside it.

    The same results give the same bytes.
    `root` is where the results were read from: the gallery lies there. Raises UserError for a folder that holds
    something else, PrerequisiteError where it cannot be written, DamagedFile for a result that changed meanwhile.
    """
    complete = [run for run in board.scored if run.complete]
    gallery = read_gallery(root)
    known: Known = {}
    whole = _document(board, complete, published, known) | {"gallery": gallery.samples}
    require_ours(folder)
    try:
        for name in OURS:
            shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(ASSETS, folder / "assets", ignore=shutil.ignore_patterns("index.html", "README.md"))
        (folder / "data" / "runs").mkdir(parents=True)
        for sample in gallery.samples:
            (folder / sample["folder"]).mkdir(parents=True)
            for name in sample.pop("files"):
                shutil.copyfile(root / sample["folder"] / name, folder / sample["folder"] / name)
        trained = trainings(run.spec for run in complete)
        for run in complete:
            if run.path is None:
                continue
            byproducts = Byproducts()
            found = detail(run, read_result(run.path, byproducts), byproducts, trained, known)
            _script(folder / "data" / "runs" / f"{found['run']}.js", f"BENCH.loaded({_json(found)});")
        write_board(board, folder, published)
        _script(folder / "data" / "table.js", f"window.BENCH = {_json(whole)};")
        index = (ASSETS / "index.html").read_text(encoding="utf-8")
        _script(folder / "index.html", index.removesuffix("\n"))
    except OSError as error:
        raise PrerequisiteError(f"cannot write the page to {folder}: {error.strerror or error}") from error
    return Page(folder / "index.html", gallery.problems)


def require_ours(folder: Path) -> None:
    """Raise UserError unless `folder` is new, empty, or a page that was written before."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--html {folder}: that is a file; name a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    index = folder / "index.html"
    if not index.is_file() or MARK not in index.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise UserError(f"--html {folder}: there is something else already; choose a new folder")


def _document(
    board: Board, complete: list[Scored], published: reported.Published | None, known: Known
) -> dict[str, Any]:
    lacks = lacking(board)
    rows = table.measured(board, lacks, known) + (table.published(published) if published else [])
    targets = targets_of(run.spec for run in complete)
    order = [TARGET + name for groups in targets.values() for names in groups.values() for name in names]
    order += published.columns(published.rows) if published else []
    return {
        "version": __version__,
        "runs": len(complete),
        **packed(rows),
        "columns": table.columns(rows, [name for name in order if name.startswith(TARGET)]),
        "protocols": {name: _summary(name) for name in dict.fromkeys(row["protocol"] for row in rows)},
        "tracks": _tracks(complete, published),
        "places": places(board, lacks),
        "classes": [
            [name, "#{:02x}{:02x}{:02x}".format(*colour)] for name, colour in zip(CLASSES, PALETTE, strict=True)
        ],
    }


def packed(rows: list[table.Row]) -> dict[str, Any]:
    """The rows with their figures as lists, and once the names that these have: thousands of rows share a few sets."""
    names: dict[tuple[str, ...], int] = {}
    small = [row | {"keys": names.setdefault((*row["v"],), len(names)), "v": [*row["v"].values()]} for row in rows]
    return {"rows": small, "keys": list(names)}


def _summary(name: str) -> str:
    """What a protocol says of itself; of one scored with another's training both names tell enough."""
    scored = name.partition("@")[0]
    return protocols.load_protocol(scored).summary if scored in protocols.names() else ""


def _tracks(runs: list[Scored], published: reported.Published | None) -> dict[str, str]:
    found = {f"{run.spec.protocol}/{run.spec.track.name}": run.tested for run in reversed(runs)}
    for protocol, track in published.places() if published else ():
        found.setdefault(f"{protocol}/{track}", published.tracks.get(track, "") if published else "")
    return dict(sorted(found.items()))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _script(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")
