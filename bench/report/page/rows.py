"""The table of the page: a row for each series of runs and for each published row. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import protocols
from bench.cost.figures import COLUMNS
from bench.data import cards
from bench.data.labels import CLASSES
from bench.models import card as backbone_cards
from bench.report import reported
from bench.report.board import Board
from bench.report.corruptions import FIGURES
from bench.report.frame import CLASS, CLEAN, TARGET
from bench.report.missing import Missing
from bench.report.page import sweeps
from bench.report.page.places import id_of, tables
from bench.report.scored import Known, Scored, once
from bench.report.scores import SUMMARY
from bench.report.seen import seen
from bench.report.series import RELATIVE, Place, Series, Stat, place_of
from bench.report.standings import rank_cells
from bench.result import result_path
from bench.spec import RunSpec

Row = dict[str, Any]
ABBREVIATIONS = {"ece", "auroc", "aupr", "fpr95", "l5"}
MORE_IS_BETTER = {"images_per_s", "best_images_per_s", "best_batch"}
"""Costs of which more is better."""
LESS_IS_BETTER = ("ece", "fpr95", "drop", RELATIVE, *(set(COLUMNS) - MORE_IS_BETTER))
"""Parts of the names of columns where the smaller figure is the better one."""


def measured(board: Board, lacks: Mapping[Place, Missing], known: Known) -> list[Row]:
    """The leaderboard's rows in its order, with its ranks; `runs` names the runs of each, by seed, `lacks` seeds.

    `lacks` is what each table lacks, `known` keeps what is the same for many.
    """
    members: dict[str, list[Scored]] = {}
    for run in sorted((run for run in board.scored if run.complete), key=lambda run: run.spec.seed):
        members.setdefault(run.series, []).append(run)
    ranks = {place: iter(rank_cells(rows, board.standings.get(place))) for place, rows in tables(board).items()}
    return [
        _measured(row, members[row.series], known)
        | {"rank": next(ranks[place_of(row)]), "lacks": list(lacks[place_of(row)].seeds[row.series])}
        for row in board.rows
    ]


def _measured(row: Series, runs: Sequence[Scored], known: Known) -> Row:
    answers = answers_of(runs[0].spec, known)
    figures = {name: stat for name, stat in row.stats.items() if _shown(name)} | sweeps.measured(row)
    return {
        "id": id_of(row),
        "origin": "measured",
        **row.keys,
        "runs": [name_of(run.spec) for run in runs],
        "seeds": row.seeds,
        "device": "; ".join(row.devices),
        "seen": kind_of_seen(answers.values()),
        "seen_text": row.seen,
        "flags": {"source": ["trained on"]} if row.trained_on else {},
        "v": {name: _pair(stat) for name, stat in figures.items()},
    }


def _shown(name: str) -> bool:
    """Whether the table may show a figure; calibration and anomalies of single targets stand in the drawer."""
    return ":" not in name or name.startswith((TARGET, CLASS))


def answers_of(spec: RunSpec, known: Known) -> Mapping[str, str]:
    """Target -> whether the run's pre-training saw images of its data set."""
    return once(known, seen, spec, (spec.targets, spec.backbone, spec.weights == "random"))


def name_of(spec: RunSpec) -> str:
    """How the page names a run: its file's name."""
    return result_path(spec, Path()).stem


def published(found: reported.Published) -> list[Row]:
    """Published rows with the decimals that were printed; never ranked."""
    families = frozenset(cards.load_card(name).family for name in cards.names())
    return [_published(row, families) for row in found.rows]


def columns(rows: Iterable[Row], order: Iterable[str]) -> list[Row]:
    """What any row has a figure of: key, title, kind, and whether less is better; targets in the given order."""
    has = {key for row in rows for key in row["v"]}
    targets = [name for name in dict.fromkeys(order) if name in has]
    classes = [CLASS + name for name in CLASSES]
    relatives = sorted(key for key in has if key.startswith(RELATIVE))
    known = [*SUMMARY, *FIGURES, *relatives, *COLUMNS, CLEAN]
    found = [_column(key) for key in [*(key for key in known if key in has), *targets, *classes] if key in has]
    return found + [
        {"key": str(key), "title": key.name.replace("_", " "), "kind": "corruption", "less": False}
        | {"severities": key.severities}
        for key in sweeps.keys(has)
    ]


def _column(key: str) -> Row:
    prefixes = {TARGET: "target", CLASS: "class"}
    own = next((kind for prefix, kind in prefixes.items() if key.startswith(prefix)), "summary")
    kind = "cost" if key in COLUMNS else "clean" if key == CLEAN else own
    less = key not in MORE_IS_BETTER and own == "summary" and any(part in key for part in LESS_IS_BETTER)
    return {"key": key, "title": _title(key), "kind": kind, "less": less}


def kind_of_seen(answers: Iterable[str]) -> str:
    """What pre-training saw of a row's targets, in one word: `none`, `some`, `all` or `unknown`."""
    found = set(answers)
    if "yes" in found:
        return "all" if found == {"yes"} else "some"
    return "unknown" if "unknown" in found or not found else "none"


def _published(row: reported.Row, families: frozenset[str]) -> Row:
    first = row.first
    answers = _seen_in_pretraining(first.backbone, first.protocol, row.scores, families)
    values = {name: [float(figure.value), None, str(figure.value)] for name, figure in row.scores.items()}
    values |= sweeps.published(values)
    if first.trainable_params_m is not None:
        values["trainable_params"] = [float(first.trainable_params_m) * 1e6, None, f"{first.trainable_params_m} M"]
    flags = {name: list(figure.flags) for name, figure in row.scores.items() if figure.flags}
    flags |= sweeps.published(flags)
    return {
        "id": f"{first.file.removesuffix('.csv')}-{first.line}",
        "origin": "reported",
        "protocol": first.protocol,
        "track": first.track,
        "backbone": first.backbone or row.published or "not stated",
        "method": first.method,
        "variant": "",
        "weights": "pretrained",
        "published": row.published,
        "seen": kind_of_seen(answers.values()),
        "seen_text": ", ".join(name for name, answer in answers.items() if answer == "yes")
        or kind_of_seen(answers.values()),
        "citation": first.citation,
        "venue": " ".join(filter(None, (first.venue, str(first.year or "")))),
        "seen_in": first.seen_in,
        "notes": list(row.notes),
        "flags": flags,
        "v": values,
    }


def _seen_in_pretraining(
    backbone: str, protocol: str, scores: Mapping[str, object], families: frozenset[str]
) -> dict[str, str]:
    """Target -> whether the backbone's card says that its data set was seen; nothing for a backbone without a card."""
    if backbone not in backbone_cards.names() or protocol not in protocols.names():
        return {}
    card = backbone_cards.load_card(backbone)
    own = {target.name: target.dataset for target in protocols.load_protocol(protocol).all_targets()}
    found: dict[str, str] = {}
    for column in scores:
        name = column.removeprefix(TARGET)
        if column.startswith(TARGET):
            family = cards.load_card(own[name]).family if name in own else _family(name, families)
            found[name] = card.was_seen(family) if family else "unknown"
    if not found:  # only a printed mean: of the protocol's own targets
        found = {name: card.was_seen(cards.load_card(dataset).family) for name, dataset in own.items()}
    return found


def _family(target: str, families: Iterable[str]) -> str:
    """The family of data sets that a published target's name begins with; "" where none does."""
    fits = [family for family in families if f"{target}-".startswith(f"{family}-")]
    return max(fits, key=len, default="")


def _title(key: str) -> str:
    if key.startswith((TARGET, CLASS)):
        return key.partition(":")[2]
    if key == CLEAN:
        return "Clean"
    if key.startswith(RELATIVE):
        return f"{_title(RELATIVE.rstrip('_'))} {key.removeprefix(RELATIVE)}"
    words = (COLUMNS.get(key) or key).split("_")
    title = " ".join(word.upper() if word in ABBREVIATIONS else word for word in words)
    return title[0].upper() + title[1:]


def _pair(stat: Stat) -> list[float | None]:
    return [_short(stat.mean), _short(stat.std)]


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.7g}")
