"""What a paper shows of a leaderboard: scores, targets, reliability, corruptions, classes, cost. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from bench.report import reported, topics
from bench.report.cells import MISSING, NOTHING, plain, score, titles
from bench.report.corruptions import FIGURES, pairs
from bench.report.frame import CLEAN, CORRUPTION, TARGET, targets_of
from bench.report.latex import slug
from bench.report.layout import BLANK, PaperTable, fits
from bench.report.missing import missing
from bench.report.scored import Scored
from bench.report.series import RELATIVE, Place, Series, Stat, place_of, ranked_by
from bench.report.standings import Standing, rank_cells
from bench.report.tables import SHOWN, SHOWN_MISSING, columns_of
from bench.spec import Group

RELIABILITY = ("unseen_ece", "reliability_ece", "anomaly_auroc", "anomaly_aupr", "anomaly_fpr95")
DROP = FIGURES[-1]
SWEPT = FIGURES[:-1]
LESS_IS_BETTER = ("ece", "fpr95", DROP, RELATIVE)
"""Parts of the names of figures of which the least is best."""
COSTS = {
    "trainable_params": "trainable (M)",
    "total_params": "total (M)",
    "gflops": "GFLOPs",
    "latency_ms": "latency (ms)",
    "best_images_per_s": "images/s",
    "peak_mb": "memory (MB)",
    "train_step_ms": "training step (ms)",
    "train_peak_mb": "its memory (MB)",
    "energy_j_per_image": "energy (J)",
    "images_per_s": "images/s, by 8",
    "peak_memory_mb": "tensors (MB)",
}
"""Figures of the cost and their headings; the last two of files of schema 2."""
TRAINABLE = COSTS["trainable_params"]
BY = "reported by"
RANKS = (
    "Rank: 1 + the number of rows that are significantly ahead (paired bootstrap, Holm); = marks rows that tie with "
    "others, so that 1= is the first place shared."
)
UNTESTED = "In brackets: the place by the mean alone, of rows that were not compared."
REPORTED = (
    "†: reported by its source, with the decimals printed there; not measured here, and not ranked. ‡: flagged in "
    "leaderboard.csv (misprint, conflict and others)."
)


class _Section(NamedTuple):
    """One protocol and track."""

    place: Place
    rows: list[Series]
    theirs: list[reported.Row]
    standing: Standing | None
    key: str
    """What the rows are ranked by."""
    lacks: list[tuple[str, str]]
    """Pairs of method and backbone without a result."""

    def label(self, topic: str) -> str:
        """What the table of a topic is referred to by."""
        return slug(*self.place, topic)

    def caption(self, text: str) -> str:
        """What the table of a topic begins with."""
        return f"{self.place[0]}, track {self.place[1]}: {text}"


def paper_tables(
    rows: Sequence[Series],
    ranks: Mapping[Place, Standing],
    results: Iterable[Scored],
    published: reported.Published | None = None,
) -> list[PaperTable]:
    """The tables of each protocol and track; published rows stand below measured ones, marked and unranked."""
    results = list(results)
    targets = targets_of(result.spec for result in results if result.complete)
    keys = ranked_by(rows)
    found: list[PaperTable] = []
    for place in sorted({*targets, *(published.places() if published else ())}):
        mine = [row for row in rows if place_of(row) == place]
        theirs = published.at(place) if published else []
        pairs = list(missing(mine, results, place).pairs[:SHOWN_MISSING]) if mine else []
        section = _Section(place, mine, theirs, ranks.get(place), keys.get(place, ""), pairs)
        columns = columns_of(mine, targets.get(place, {}))
        columns += published.columns(theirs, known=columns) if published else []
        found += _scores(section, columns)
        found += filter(None, (_corruptions(section), _classes(section), _cost(section)))
    return found


def _scores(section: _Section, columns: Sequence[str]) -> list[PaperTable]:
    """One table of means and targets if it fits a page, else one of each; one of reliability where there is much."""
    mine = [name for name in columns if name not in SWEPT and not name.startswith(RELATIVE)]
    trust = [name for name in mine if name in RELIABILITY]
    group, grouped = "", dict[str, str]()
    for name in mine:  # targets stand after the mean that they make
        group = group if name.startswith(TARGET) else name.removesuffix("_mean")
        grouped[name] = group
    trust += [name for name in mine if grouped[name] == "reliability" and name not in trust]
    mine = [name for name in mine if name not in trust] + (trust if len(trust) == 1 else [])
    what = "mIoU in percent, mean ± standard deviation over seeds."
    whole = _table(section, "scores", what, mine, grouped, ends=True)
    found = [whole]
    if section.rows and not fits(whole):
        means = [name for name in mine if not name.startswith(TARGET)]
        others = [name for name in mine if name.startswith(TARGET)]
        found = [_table(section, "scores", what, means, dict.fromkeys(means, ""), ends=True)]
        if others:
            by_target = f"each target, {what}"
            found.append(_table(section, "targets", by_target, others, grouped, ends=False))
    if len(trust) > 1:
        trusted = "reliability in percent, mean ± standard deviation over seeds."
        found.append(_table(section, "reliability", trusted, trust, grouped, ends=False))
    return found


def _table(
    section: _Section, topic: str, text: str, columns: Sequence[str], grouped: Mapping[str, str], *, ends: bool
) -> PaperTable:
    """Rows with ranks, the pairs that are missing, then published rows; `ends`: with trainable parameters and seeds."""
    ranked, theirs = bool(section.rows), [row for row in section.theirs if set(row.scores) & set(columns)]
    last = ([TRAINABLE] if ends and theirs else []) + (["seeds"] if ends and ranked else [])
    cells = []
    for row in section.rows:
        ending = {TRAINABLE: _amount(row, "trainable_params"), "seeds": str(row.seeds)}
        cells.append([*titles(row), "", *(score(row.stats.get(name)) for name in columns), *(ending[k] for k in last)])
    blank = {TRAINABLE: MISSING, "seeds": "0"}
    cells += [[*pair, "", *[MISSING] * len(columns), *(blank[name] for name in last)] for pair in section.lacks]
    first = len(cells)
    cells += [_published(row, columns, last) for row in theirs]
    ranks = rank_cells(section.rows, section.standing) + [""] * (len(cells) - len(section.rows))
    cells = [[rank, *row] for rank, row in zip(ranks, cells, strict=True)]
    keys = {"rank": ranked, "method": True, "backbone": True, BY: bool(theirs)}
    kept = [number for number, there in enumerate(keys.values()) if there]
    cells = [[*(row[number] for number in kept), *row[len(keys) :]] for row in cells]
    notes = [text] if ranked else ["mIoU in percent."]
    if ranked:
        notes += [RANKS, UNTESTED][: 1 + any("(" in rank for rank in ranks)]
        notes += [_of_bold(section, columns)] if len(section.rows) > 1 else []
    notes += [REPORTED] if theirs else []
    return PaperTable(
        label=section.label(topic),
        caption=section.caption(" ".join(notes)),
        keys=len(kept),
        header=[*(list(keys)[number] for number in kept), *map(_title, columns), *last],
        align="".join("rlll"[number] for number in kept) + "r" * (len(columns) + len(last)),
        rows=cells,
        blocks=[*_sizes([grouped[name] for name in columns]), *[1] * len(last)],
        bold=_best(section, columns, len(kept)),
        rule=first,
    )


def _of_bold(section: _Section, columns: Sequence[str]) -> str:
    """What the caption says of it."""
    tied = f", and what ties with it by the {_title(section.key)}" if section.key in columns else ""
    return f"Bold: the best of a column{tied}."


def _published(row: reported.Row, columns: Sequence[str], last: Sequence[str]) -> list[str]:
    first = row.first
    millions = first.trainable_params_m
    ending = {TRAINABLE: BLANK if millions is None else str(millions), "seeds": ""}
    scores = (row.scores.get(name) for name in columns)
    figures = [BLANK if one is None else f"{one.value}{'‡' if one.flags else ''}" for one in scores]
    backbone = first.backbone or row.published or "not stated"
    by = first.citation.removeprefix("https://")
    return [f"{first.method}†", backbone, by, *figures, *(ending[name] for name in last)]


def _corruptions(section: _Section) -> PaperTable | None:
    """mIoU under each corruption, then the means of sweeps."""
    topic = topics.corruptions(section.rows)
    if topic is None:
        return None
    columns = topic.columns
    more = [name for name in columns_of(topic.rows, {}) if name in SWEPT or name.startswith(RELATIVE)]
    return _of_topic(section, topic._replace(columns=columns + more), "corruptions")


def _classes(section: _Section) -> PaperTable | None:
    topic = topics.classes(section.rows)
    return None if topic is None else _of_topic(section, topic, "classes")


def _of_topic(section: _Section, topic: topics.Topic, name: str) -> PaperTable:
    """Means alone, under upright headings."""
    extra = [topic.severities] if topic.severities else []
    cells = []
    for number, row in enumerate(topic.rows):
        told = [column[number] for column in extra]
        cells.append([*titles(row), *told, *(score(_mean(row.stats.get(key))) for key in topic.columns)])
    keys = 2 + len(extra)
    best = " Bold: the best of a column." if len(topic.rows) > 1 else ""
    return PaperTable(
        label=section.label(name),
        caption=section.caption(f"{topic.title}, in percent, mean over seeds.{best}"),
        keys=keys,
        header=["method", "backbone", *(["severities"] if extra else []), *map(_topic_title, topic.columns)],
        align="l" * keys + "r" * len(topic.columns),
        rows=cells,
        blocks=[len(topic.columns)],
        bold=_best(section._replace(rows=topic.rows, standing=None), topic.columns, keys),
        rotated=True,
    )


def _cost(section: _Section) -> PaperTable | None:
    columns = [name for name in COSTS if any(name in row.stats for row in section.rows)]
    if not columns:
        return None
    devices = ["; ".join(row.devices) for row in section.rows]
    one = len(set(devices)) == 1
    where = devices[0] if one else "the device named"
    cells = [[*titles(row), *(_amount(row, name) for name in columns)] for row in section.rows]
    return PaperTable(
        label=section.label("cost"),
        caption=section.caption(f"cost of one image of the training crop's size, on {where}."),
        keys=2,
        header=["method", "backbone", *(COSTS[name] for name in columns), *([] if one else ["measured on"])],
        align="ll" + "r" * len(columns) + ("" if one else "l"),
        rows=cells if one else [[*row, device] for row, device in zip(cells, devices, strict=True)],
        blocks=[len(columns) + (not one)],
    )


def _amount(row: Series, name: str) -> str:
    """A figure of the cost; times and memory of several devices are not averaged."""
    if name == "latency_ms":
        return "; ".join(plain(row.latency[device]) for device in sorted(row.latency))
    if name not in row.stats:
        return NOTHING
    mean = row.stats[name].mean
    return f"{mean / 1e6:.2f}" if name.endswith("_params") and not math.isnan(mean) else plain(mean)


def _best(section: _Section, columns: Sequence[str], keys: int) -> frozenset[tuple[int, int]]:
    """Row and column of the best measured figure of each comparable column as it is shown, and of what ties with it."""
    found = set[tuple[int, int]]()
    for column, name in enumerate(columns, start=keys):
        means = {place: row.stats[name].mean for place, row in enumerate(section.rows) if name in row.stats}
        shown = {place: round(mean, 1) for place, mean in means.items() if not math.isnan(mean)}
        if len(shown) < 2 or len({_basis(section.rows[place], name) for place in shown}) > 1:
            continue
        best = min(shown.values()) if _less(name) else max(shown.values())
        there = {place for place, value in shown.items() if value == best}
        if name == section.key and section.standing is not None:
            first = max(shown, key=means.__getitem__)
            there |= {place for tie in section.standing.ties for place in tie[:2] if first in tie[:2]}
        found |= {(place, column) for place in there}
    return frozenset(found)


def _basis(row: Series, name: str) -> Hashable:
    """The corruptions, or the targets and images, that a figure is of: over others a mean is not comparable."""
    if name.startswith(CORRUPTION) and name != CLEAN:
        corruption = name.removeprefix(CORRUPTION)
        return frozenset((corruption, severity) for severity in row.grid.get(corruption, ()))
    of = row.scored_on.get(cast("Group", name.partition("_")[0]))
    return (of, pairs(row.grid)) if name.startswith("corruption_") else of


def _less(name: str) -> bool:
    return any(part in name for part in LESS_IS_BETTER) and not name.startswith(TARGET)


def _title(name: str) -> str:
    words = reported.title(name).replace("ece", "ECE").replace("auroc", "AUROC").replace("aupr", "AUPR")
    return words.replace("fpr95", "FPR95") + (" ↓" if _less(name) else "")


def _topic_title(name: str) -> str:
    return (topics.title(name) if ":" in name else reported.title(name)) + (" ↓" if _less(name) else "")


def _mean(stat: Stat | None) -> Stat | None:
    return None if stat is None else stat._replace(std=math.nan)


def _sizes(groups: Sequence[str]) -> list[int]:
    """How many columns of each group stand side by side."""
    sizes: list[int] = []
    for number, group in enumerate(groups):
        if number and group == groups[number - 1] and group in SHOWN:
            sizes[-1] += 1
        else:
            sizes.append(1)
    return sizes
