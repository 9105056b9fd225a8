"""The leaderboard: ``leaderboard.md`` and ``leaderboard.csv`` from result files alone, the same bytes each time."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import methodcaller
from pathlib import Path

from bench.errors import PrerequisiteError, UnknownName, UserError
from bench.report import reported
from bench.report.corruptions import FIGURES, Grid, pairs, relative
from bench.report.frame import TARGET, targets_of
from bench.report.scored import Scored, score_all
from bench.report.scores import SUMMARY
from bench.report.series import KEYS, Series, Stat, series
from bench.report.single import COST, backbone_title
from bench.result import RunResult
from bench.writing import write_atomically

INTRODUCTION = """\
# Leaderboard

Made by `python -m bench report` from the result files beside it; do not edit. mIoU in percent over the classes
present in the ground truth, mean ± standard deviation over seeds (ddof 1). Ranked by the mean of the unseen targets
(where a protocol has none: of weather, corruptions, reliability), within one protocol and one track only. Corruption
drop: percent of the clean mIoU of the very same images that corruptions take on average. Cost: one image of the
training crop's size on the device named.
"""


RELATIVE = "corruption_error_relative_to_"
SHOWN = ("unseen", "weather", "reliability")
"""The groups whose targets have columns of their own."""
SEEN = "seen in pre-training"


def write_leaderboard(
    results: Iterable[RunResult | Scored],
    root: Path,
    published: reported.Published | None = None,
    reference: str | None = None,
    into: Path | None = None,
) -> list[Path]:
    """Write both files, with published figures if given, into ``root``, where the results lie; returns their paths.

    `into` is another folder for them. With a `reference` method, each row has its corruption error relative to that
    method's on the same backbone. Raises PrerequisiteError when it cannot, UnknownName for a reference of no row.
    """
    scored = score_all(results, root)
    rows = series(scored)
    if reference is not None:
        rows = _against(rows, reference)
    texts = {
        "leaderboard.md": markdown(rows, scored, published),
        "leaderboard.csv": comma_separated(rows, published),
    }
    into = into or root
    try:
        for name, text in texts.items():
            write_atomically(into / name, methodcaller("write", text.encode("utf-8")))
    except OSError as error:
        raise PrerequisiteError(f"cannot write the leaderboard to {into}: {error.strerror or error}") from error
    return [into / name for name in texts]


def markdown(
    rows: Sequence[Series], results: Iterable[RunResult | Scored], published: reported.Published | None = None
) -> str:
    """One table for each protocol and track; published rows stand below measured ones, or alone."""
    results = score_all(results)
    targets = targets_of(result.spec for result in results if result.complete)
    parts = [INTRODUCTION, reported.INTRODUCTION if published else ""]
    for protocol, track in sorted({*targets, *(published.places() if published else ())}):
        theirs = published.at((protocol, track)) if published else []
        if published and (protocol, track) not in targets:
            parts.append(_reported_section(protocol, track, theirs, published))
            continue
        mine = [row for row in rows if (row.keys["protocol"], row.keys["track"]) == (protocol, track)]
        columns = _columns(mine, targets[protocol, track])
        columns += published.columns(theirs, known=columns) if published else []
        titles = [reported.title(name) for name in columns]
        header = ["method", "backbone", *titles, "trainable", "GFLOPs", "latency, ms", "measured on", "seeds", SEEN]
        lines = [_line(header), _line(["---", "---", *["---:"] * (len(header) - 5), "---", "---:", "---"])]
        lines += [_line(_cells(row, columns)) for row in mine]
        lines += [_line(cells) for cells in reported.cells(theirs, header)]
        head = f"\n## {protocol}, track {track}\n\n{_track(results, protocol, track)}\n\n"
        parts.append(head + "\n".join(lines) + "\n" + reported.footnotes(theirs))
    left_out = sum(not result.complete for result in results)
    if left_out:
        parts.append(f"\nLeft out: {left_out} unfinished run{'s' if left_out > 1 else ''}.\n")
    if published:
        parts.append(f"\nLeft out: {published.left_out} reported figures of no protocol here, or no mIoU.\n")
    return "".join(parts)


def _against(rows: Sequence[Series], reference: str) -> list[Series]:
    """The rows with their corruption error relative to the reference's row of the same protocol, track and backbone."""
    if reference not in {row.keys["method"] for row in rows}:
        raise UnknownName("reference method", reference, {row.keys["method"] for row in rows})
    same = ("protocol", "track", "backbone", "weights")
    grids: dict[tuple[object, ...], Grid] = {}
    for row in rows:  # of several the first, which is ranked highest
        if row.keys["method"] == reference and row.grid:
            grids.setdefault((*(row.keys[key] for key in same), pairs(row.grid)), row.grid)
    if not grids:
        raise UserError(f"--reference {reference}: no complete result of it has corruptions")
    found = []
    for row in rows:
        error = relative(row.grid, grids.get((*(row.keys[key] for key in same), pairs(row.grid)), {}))
        stats = row.stats if error is None else row.stats | {RELATIVE + reference: Stat(error, math.nan)}
        found.append(row._replace(stats=stats))
    return found


def _relatives(rows: Sequence[Series]) -> list[str]:
    return sorted({key for row in rows for key in row.stats if key.startswith(RELATIVE)})


def _columns(rows: Sequence[Series], groups: dict[str, list[str]]) -> list[str]:
    """What any row has: the source, the targets after the mean that they make, then the other means."""
    columns = []
    for key in (*SUMMARY, *FIGURES, *_relatives(rows)):
        if any(key in row.stats for row in rows):
            columns.append(key)
            group = key.removesuffix("_mean")
            columns += [TARGET + name for name in groups.get(group, [])] if group in SHOWN else []
    return columns


def _track(results: Sequence[Scored], protocol: str, track: str) -> str:
    """How the track's runs are tested; settings of their own stand in the rows."""
    mine = [result for result in results if (result.spec.protocol, result.spec.track.name) == (protocol, track)]
    found = Counter(result.tested for result in mine)
    return min(found, key=lambda text: (-found[text], text))


def _reported_section(protocol: str, track: str, rows: Sequence[reported.Row], published: reported.Published) -> str:
    titles = [reported.title(name) for name in published.columns(rows)]
    header = ["method", "backbone", *titles, "trainable", "origin"]
    lines = [_line(header), _line(["---", "---", *["---:"] * (len(header) - 3), "---"])]
    lines += [_line(cells) for cells in reported.cells(rows, header)]
    head = f"\n## {protocol}, track {track}, reported only\n\n{published.tracks.get(track, '')}\n\n"
    return head + "\n".join(lines) + "\n" + reported.footnotes(rows)


def comma_separated(rows: Sequence[Series], published: reported.Published | None = None) -> str:
    """Every number of the leaderboard and more: all targets, all costs, full names; four decimals.

    Published rows follow the measured ones, with the decimals that were printed and columns that say where.
    """
    metrics = [*SUMMARY, *FIGURES]
    for row in rows:
        metrics += [name for name in row.stats if ":" in name and name not in metrics]
    metrics += published.columns(published.rows, known=metrics) if published else []
    metrics += _relatives(rows)
    metrics += list(COST)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [f"{name}_{kind}" for name in metrics for kind in Stat._fields]
    header = [*KEYS, "seeds", "devices", "seen", *names, *(reported.EXTRA if published else ())]
    writer.writerow(header)
    for row in rows:
        stats = [row.stats.get(name, Stat(math.nan, math.nan)) for name in metrics]
        numbers = ["" if math.isnan(value) else f"{value:.4f}" for stat in stats for value in stat]
        more = reported.MEASURED if published else ()
        start = [*(row.keys[key] for key in KEYS), row.seeds, "; ".join(row.devices), row.seen]
        writer.writerow([*start, *numbers, *more])
    for theirs in published.rows if published else ():
        cells = reported.csv_cells(theirs)
        writer.writerow([cells.get(name, "") for name in header])
    return stream.getvalue()


def _cells(row: Series, columns: Sequence[str]) -> list[str]:
    variant = f" ({row.keys['variant']})" if row.keys["variant"] else ""
    devices = sorted(row.latency)
    return [
        row.keys["method"] + variant,
        backbone_title(row.keys["backbone"], row.keys["weights"]),
        *(
            _score(row.stats.get(name)) + (" (trained on)" if row.trained_on and name == "source" else "")
            for name in columns
        ),
        _millions(row.stats.get("trainable_params")),
        _plain(row.stats["gflops"].mean if "gflops" in row.stats else math.nan),
        "; ".join(_plain(row.latency[device]) for device in devices),
        "; ".join(devices),
        str(row.seeds),
        row.seen,
    ]


def _score(stat: Stat | None) -> str:
    if stat is None or math.isnan(stat.mean):
        return "n/a"
    return f"{stat.mean:.1f}" if math.isnan(stat.std) else f"{stat.mean:.1f} ± {stat.std:.1f}"


def _millions(stat: Stat | None) -> str:
    return "n/a" if stat is None or math.isnan(stat.mean) else f"{stat.mean / 1e6:.2f} M"


def _plain(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.1f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
