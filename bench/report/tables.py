"""The leaderboard: Markdown, CSV and LaTeX from result files alone, the same bytes each time."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench.cost.figures import COLUMNS
from bench.data.labels import CLASSES
from bench.report import reported
from bench.report.corruptions import FIGURES
from bench.report.frame import CLASS, TARGET, targets_of
from bench.report.latex import Table
from bench.report.missing import Missing, missing
from bench.report.scored import Scored, score_all
from bench.report.scores import SUMMARY
from bench.report.series import KEYS, RELATIVE, Place, Series, Stat, place_of, ranked_by
from bench.report.single import backbone_title
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
table. Significant: p < 0.05 in a paired bootstrap over images and seeds (10,000 draws), adjusted for all pairs of a
table (Holm). In brackets: the place by the mean alone, of rows that were not compared (no counts of single images,
other images, or below the first 20).
Missing: seeds, and pairs of method and backbone, that the table's grid has elsewhere, and not here.
"""


SHOWN = ("unseen", "weather", "reliability")
"""The groups whose targets have columns of their own."""
SEEN = "seen in pre-training"
COSTS = ("trainable", "GFLOPs", "latency, ms")
MISSING = "missing"
SHOWN_MISSING = 20
"""More missing pairs of method and backbone than this are counted, not shown."""
SHOWN_TIES = 30
FEW_TARGETS = 6
"""Groups of more targets have only their mean in LaTeX."""
PLURALS = {"unseen": "unseen targets", "weather": "targets in weather", "corruption": "corruptions"}


def markdown(
    rows: Sequence[Series],
    results: Iterable[RunResult | Scored],
    published: reported.Published | None = None,
    ranks: Mapping[Place, Standing] | None = None,
) -> str:
    """Two tables for each protocol and track, the scores and those of each class; published rows stand below measured
    ones, or alone. Without `ranks` rows have their places in brackets."""
    results = score_all(results)
    targets = targets_of(result.spec for result in results if result.complete)
    parts = [INTRODUCTION, reported.INTRODUCTION if published else ""]
    for protocol, track in sorted({*targets, *(published.places() if published else ())}):
        theirs = published.at((protocol, track)) if published else []
        if published and (protocol, track) not in targets:
            parts.append(_reported_section(protocol, track, theirs, published))
            continue
        mine = [row for row in rows if place_of(row) == (protocol, track)]
        columns = _columns(mine, targets[protocol, track])
        columns += published.columns(theirs, known=columns) if published else []
        header = ["rank", "method", "backbone", *map(reported.title, columns), *COSTS, "measured on", "seeds", SEEN]
        standing, lacks = (ranks or {}).get((protocol, track)), missing(mine, results, (protocol, track))
        cells = [
            [rank, *_cells(row, columns, lacks)] for rank, row in zip(rank_cells(mine, standing), mine, strict=True)
        ]
        cells += [["", *pair, *[MISSING] * (len(columns) + 3), "", "0", ""] for pair in lacks.pairs[:SHOWN_MISSING]]
        lines = [_line(header), _line(["---:", "---", "---", *["---:"] * (len(header) - 6), "---", "---:", "---"])]
        lines += [_line(row) for row in [*cells, *reported.cells(theirs, header)]]
        head = f"\n## {protocol}, track {track}\n\n{_track(results, protocol, track)}\n\n"
        parts.append(head + "\n".join(lines) + "\n" + reported.footnotes(theirs))
        parts.append(_notes(mine, standing, lacks))
        parts.append(_class_section(class_table(mine)))
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
            f"{named(rows[tie.ahead])} = {named(rows[tie.behind])} ({_points(tie.difference.value)}, "
            f"{_points(tie.difference.low)} to {_points(tie.difference.high)})"
            for tie in standing.ties[:SHOWN_TIES]
        ]
        more = len(standing.ties) - SHOWN_TIES
        ties += [f"and {more} more"] if more > 0 else []
        lines.append(f"Ties (difference, its 95% interval before adjusting): {'; '.join(ties)}.")
    if (more := len(lacks.pairs) - SHOWN_MISSING) > 0:
        lines.append(f"Not shown: {more} more pairs of method and backbone without a result.")
    return "".join(f"\n{line}\n" for line in lines)


def class_table(rows: Sequence[Series]) -> Table | None:
    """IoU of each class, the mean over the targets that the rows are ranked by; None where no row has any."""
    names = [name for name in CLASSES if any(CLASS + name in row.stats for row in rows)]
    cells = [[*titles(row), *(_score(row.stats.get(CLASS + name)) for name in names)] for row in rows]
    group = ranked_by(rows)[place_of(rows[0])].removesuffix("_mean") if names else ""
    title = f"IoU of each class, mean over {PLURALS.get(group, group)}"
    return Table(title, ["method", "backbone", *names], "ll" + "r" * len(names), cells) if names else None


def _class_section(table: Table | None) -> str:
    if table is None:
        return ""
    rule = ["---:" if align == "r" else "---" for align in table.align]
    lines = [_line(row) for row in (table.header, rule, *table.rows)]
    return f"\n{table.title}:\n\n" + "\n".join(lines) + "\n"


def paper_tables(rows: Sequence[Series], ranks: Mapping[Place, Standing], results: Iterable[Scored]) -> list[Table]:
    """What a paper shows of each protocol and track: ranks, means and cost, with targets where a group has few."""
    results = list(results)
    targets = targets_of(result.spec for result in results if result.complete)
    found = []
    for place, groups in sorted(targets.items()):
        mine = [row for row in rows if place_of(row) == place]
        few = {group: names for group, names in groups.items() if len(names) <= FEW_TARGETS}
        columns = _columns(mine, few)
        header = ["rank", "method", "backbone", *map(reported.title, columns), "trainable", "GFLOPs", "seeds"]
        cells = []
        for rank, row in zip(rank_cells(mine, ranks.get(place)), mine, strict=True):
            scores, cost = [_score(row.stats.get(name)) for name in columns], _costs(row)[:2]
            cells.append([rank, *titles(row), *scores, *cost, str(row.seeds)])
        pairs = missing(mine, results, place).pairs[:SHOWN_MISSING]
        cells += [["", *pair, *[MISSING] * (len(columns) + 2), "0"] for pair in pairs]
        where = f"{place[0]}, track {place[1]}"
        align = "rll" + "r" * (len(header) - 3)
        found.append(Table(f"{where}: mIoU in percent, mean ± standard deviation over seeds.", header, align, cells))
        of_classes = class_table(mine)
        if of_classes is not None:
            found.append(of_classes._replace(title=f"{where}: {of_classes.title}, in percent."))
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
        *titles(row),
        *(
            _score(row.stats.get(name)) + (" (trained on)" if row.trained_on and name == "source" else "")
            for name in columns
        ),
        *_costs(row),
        "; ".join(devices),
        str(row.seeds) + (f" ({MISSING}: {', '.join(map(str, absent))})" if absent else ""),
        row.seen,
    ]


def _costs(row: Series) -> tuple[str, str, str]:
    gflops = row.stats["gflops"].mean if "gflops" in row.stats else math.nan
    latency = "; ".join(_plain(row.latency[device]) for device in sorted(row.latency))
    return _millions(row.stats.get("trainable_params")), _plain(gflops), latency


def titles(row: Series) -> tuple[str, str]:
    """Method and backbone, as tables name them."""
    variant = f" ({row.keys['variant']})" if row.keys["variant"] else ""
    return row.keys["method"] + variant, backbone_title(row.keys["backbone"], row.keys["weights"])


def _score(stat: Stat | None) -> str:
    if stat is None or math.isnan(stat.mean):
        return "n/a"
    return f"{stat.mean:.1f}" if math.isnan(stat.std) else f"{stat.mean:.1f} ± {stat.std:.1f}"


def _millions(stat: Stat | None) -> str:
    return "n/a" if stat is None or math.isnan(stat.mean) else f"{stat.mean / 1e6:.2f} M"


def _plain(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.1f}"


def _points(value: float) -> str:
    return f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
