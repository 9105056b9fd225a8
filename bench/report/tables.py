"""The leaderboard as Markdown and CSV, from result files alone; the same bytes each time (LaTeX: `paper.py`)."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench.cost.figures import COLUMNS
from bench.report import reported, topics
from bench.report.cells import MISSING, escaped, line, millions, plain, points, score, titles
from bench.report.corruptions import FIGURES
from bench.report.frame import TARGET, targets_of
from bench.report.missing import Missing, missing
from bench.report.scored import Scored, score_all
from bench.report.scores import SUMMARY
from bench.report.series import KEYS, RELATIVE, Place, Series, Stat, place_of, unlike
from bench.report.standings import Standing, named, rank_cells, ranks_and_ties
from bench.result import RunResult

INTRODUCTION = """\
# Leaderboard

Made by `python -m bench report` from the result files beside it; do not edit. mIoU in percent over the classes
present in the ground truth, mean ± standard deviation over seeds (ddof 1). Ranked by the mean of the unseen targets
(where a protocol has none: of weather, corruptions, reliability), within one protocol and one track only. Corruption
drop: percent of the clean mIoU of the very same images that corruptions take on average. Cost: one image of the
training crop's size on the device named.

Rank: 1 + the number of rows that are significantly ahead; = marks rows that tie with others, which stand below the
table. Significant: p < 0.05 in a paired bootstrap over images (10,000 draws) with a t-term for seeds, adjusted for all
pairs of a table (Holm). In brackets: the place by the mean alone, of rows that were not compared (no counts of single
images, other images or labels, or below the first 20).
Missing: seeds, and pairs of method and backbone, that the table's grid has elsewhere, and not here.
"""


SHOWN = ("unseen", "weather", "reliability")
"""The groups whose targets have columns of their own."""
SEEN = "seen in pre-training"
COSTS = ("trainable", "GFLOPs", "latency, ms")
SHOWN_MISSING = 20
"""More missing pairs of method and backbone than this are counted, not shown."""
SHOWN_TIES = 30


def markdown(
    rows: Sequence[Series],
    results: Iterable[RunResult | Scored],
    published: reported.Published | None = None,
    ranks: Mapping[Place, Standing] | None = None,
) -> str:
    """Tables for each protocol and track: the scores, those of each class, and of each corruption; published rows stand
    below measured ones, or alone. Without `ranks` rows have their places in brackets."""
    results = score_all(results)
    targets = targets_of(result.spec for result in results if result.complete)
    parts = [INTRODUCTION, reported.INTRODUCTION if published else ""]
    for protocol, track in sorted({*targets, *(published.places() if published else ())}):
        theirs = published.at((protocol, track)) if published else []
        if published and (protocol, track) not in targets:
            parts.append(_reported_section(protocol, track, theirs, published))
            continue
        mine = [row for row in rows if place_of(row) == (protocol, track)]
        columns = columns_of(mine, targets[protocol, track])
        columns += published.columns(theirs, known=columns) if published else []
        header = ["rank", "method", "backbone", *map(reported.title, columns), *COSTS, "measured on", "seeds", SEEN]
        standing, lacks = (ranks or {}).get((protocol, track)), missing(mine, results, (protocol, track))
        cells = [
            [rank, *_cells(row, columns, lacks)] for rank, row in zip(rank_cells(mine, standing), mine, strict=True)
        ]
        cells += [["", *pair, *[MISSING] * (len(columns) + 3), "", "0", ""] for pair in lacks.pairs[:SHOWN_MISSING]]
        lines = [line(header), line(["---:", "---", "---", *["---:"] * (len(header) - 6), "---", "---:", "---"])]
        lines += [line(row) for row in [*cells, *reported.cells(theirs, header)]]
        head = f"\n## {protocol}, track {track}\n\n{_track(results, protocol, track)}\n\n"
        parts.append(head + "\n".join(lines) + "\n" + reported.footnotes(theirs))
        parts.append(_notes(mine, standing, lacks))
        parts += [topics.section(topics.classes(mine)), topics.section(topics.corruptions(mine))]
    left_out = sum(not result.complete for result in results)
    if left_out:
        parts.append(f"\nLeft out: {left_out} unfinished run{'s' if left_out > 1 else ''}.\n")
    if published:
        parts.append(f"\nLeft out: {published.left_out} reported figures of no protocol here, or no mIoU.\n")
    return "".join(parts)


def _notes(rows: Sequence[Series], standing: Standing | None, lacks: Missing) -> str:
    """What a table cannot show: which rows tie, and missing rows beyond those shown."""
    lines = []
    if standing is not None and standing.ties:
        ties = [
            f"{escaped(named(rows[tie.ahead]))} = {escaped(named(rows[tie.behind]))} ({points(tie.difference.value)}, "
            f"{points(tie.difference.low)} to {points(tie.difference.high)})"
            for tie in standing.ties[:SHOWN_TIES]
        ]
        more = len(standing.ties) - SHOWN_TIES
        ties += [f"and {more} more"] if more > 0 else []
        lines.append(f"Ties (difference, its 95% interval before adjusting): {'; '.join(ties)}.")
    others = unlike(rows)
    if names := [escaped(named(row)) for row in rows if row.series in others]:
        lines.append(f"Of other targets or images than most rows, so not compared, and below them: {'; '.join(names)}.")
    if (more := len(lacks.pairs) - SHOWN_MISSING) > 0:
        lines.append(f"Not shown: {more} more pairs of method and backbone without a result.")
    return "".join(f"\n{line}\n" for line in lines)


def _relatives(rows: Sequence[Series]) -> list[str]:
    return sorted({key for row in rows for key in row.stats if key.startswith(RELATIVE)})


def columns_of(rows: Sequence[Series], groups: dict[str, list[str]]) -> list[str]:
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
    lines = [line(header), line(["---", "---", *["---:"] * (len(header) - 3), "---"])]
    lines += [line(cells) for cells in reported.cells(rows, header)]
    head = f"\n## {protocol}, track {track}, reported only\n\n{published.tracks.get(track, '')}\n\n"
    return head + "\n".join(lines) + "\n" + reported.footnotes(rows)


def comma_separated(
    rows: Sequence[Series],
    published: reported.Published | None = None,
    ranks: Mapping[Place, Standing] | None = None,
) -> str:
    """Every number of the leaderboard and more: all targets, all costs, full names; four decimals.

    Published rows follow the measured ones, with the decimals that were printed and columns that say where.
    """
    metrics = [*SUMMARY, *FIGURES]
    for row in rows:
        metrics += [name for name in row.stats if ":" in name and name not in metrics]
    metrics += published.columns(published.rows, known=metrics) if published else []
    metrics += _relatives(rows)
    metrics += [name for name in COLUMNS if any(name in row.stats for row in rows)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [f"{name}_{kind}" for name in metrics for kind in Stat._fields]
    header = [*KEYS, "rank", "ties", "seeds", "devices", "seen", *names, *(reported.EXTRA if published else ())]
    writer.writerow(header)
    for (rank, ties), row in zip(ranks_and_ties(rows, ranks or {}), rows, strict=True):
        stats = [row.stats.get(name, Stat(math.nan, math.nan)) for name in metrics]
        numbers = ["" if math.isnan(value) else f"{value:.4f}" for stat in stats for value in stat]
        more = reported.MEASURED if published else ()
        start = [*(row.keys[key] for key in KEYS), rank, ties, row.seeds, "; ".join(row.devices), row.seen]
        writer.writerow([*start, *numbers, *more])
    for theirs in published.rows if published else ():
        cells = reported.csv_cells(theirs)
        writer.writerow([cells.get(name, "") for name in header])
    return stream.getvalue()


def _cells(row: Series, columns: Sequence[str], lacks: Missing) -> list[str]:
    devices, absent = sorted(row.latency), lacks.seeds[row.series]
    return [
        *map(escaped, titles(row)),
        *(
            score(row.stats.get(name)) + (" (trained on)" if row.trained_on and name == "source" else "")
            for name in columns
        ),
        *_costs(row),
        "; ".join(devices),
        str(row.seeds) + (f" ({MISSING}: {', '.join(map(str, absent))})" if absent else ""),
        row.seen,
    ]


def _costs(row: Series) -> tuple[str, str, str]:
    gflops = row.stats["gflops"].mean if "gflops" in row.stats else math.nan
    latency = "; ".join(plain(row.latency[device]) for device in sorted(row.latency))
    return millions(row.stats.get("trainable_params")), plain(gflops), latency
