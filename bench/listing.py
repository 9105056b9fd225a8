"""What ``python -m bench ls`` shows: one flat dict for each thing. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench import protocols
from bench.data import cards
from bench.data.layouts import locate
from bench.errors import DamagedFile, DatasetNotFound, UnknownName
from bench.models import card as backbone_cards
from bench.registry import METHODS
from bench.report.scores import scores
from bench.reported import load_reported
from bench.result import load_all, result_path, unfinished
from bench.spec import RunSpec, spec_hash

Row = dict[str, Any]


class Listing(NamedTuple):
    """Rows of one kind, and the files that could not be read."""

    rows: list[Row]
    problems: list[DamagedFile]


def methods() -> list[Row]:
    """Built-in methods and those of installed packages."""
    return [{"name": name, "summary": METHODS.summary(name)} for name in METHODS.names(third_party=True)]


def backbones() -> list[Row]:
    """Every backbone card."""
    loaded = [backbone_cards.load_card(name) for name in backbone_cards.names()]
    shown = ("name", "family", "summary", "licence", "pretraining", "seen", "source", "architecture")
    return [card.model_dump(mode="json", include=set(shown)) for card in loaded]


def all_protocols() -> list[Row]:
    """Every protocol, with what it trains on and scores."""
    return [_protocol(protocols.load_protocol(name)) for name in protocols.names()]


def data_sets() -> list[Row]:
    """Every data-set card."""
    return [cards.load_card(name).model_dump(mode="json") for name in cards.names()]


def data_sets_here(data_root: Path | None) -> list[Row]:
    """Every data set of files: how many images of it are where, or that it is missing."""
    found = map(cards.load_card, cards.names())
    return [_here(card, data_root) for card in found if isinstance(card, cards.FilesCard)]


def _here(card: cards.FilesCard, data_root: Path | None) -> Row:
    row = {"name": card.name, "images": None, "expected": card.count, "state": "missing", "folder": "", "layout": ""}
    try:
        found = locate(card, data_root)
    except DatasetNotFound:
        return row
    except DamagedFile as error:
        return row | {"state": str(error)}
    sound = "complete" if card.count is not None else "found; how many there should be is not published"
    state = "; ".join(problem.what for problem in found.problems) or sound
    state += f"; {found.left_out} excluded" if found.left_out else ""
    return row | {
        "images": len(found.items),
        "state": state,
        "folder": str(found.folder),
        "layout": found.layout.name,
    }


def runs(results: Path) -> Listing:
    """Every run below ``results``, finished, half evaluated, or interrupted in training; mIoU in percent."""
    loaded = load_all(results)
    rows = [_run(one.spec, one.state, results, scores(one).summary, one.settings) for one in loaded.results]
    rows += [_run(spec, "partial", results, {}, {}) for spec in unfinished(results)]
    return Listing(rows, loaded.problems)


def reported() -> Listing:
    """Every published figure, with all that is known of it."""
    loaded = load_reported()
    rows = []
    for figure in loaded.figures:
        printed = figure.printed
        where = f"{printed.source_datasets} -> {printed.target}"
        summary = f"{', '.join(filter(None, (printed.backbone, printed.pretraining, where)))}: "
        summary += f"{printed.metric} {printed.value} ({printed.citation})"
        rows.append({"name": printed.method, "summary": summary, **figure.model_dump(mode="json")})
    return Listing(rows, loaded.problems)


KINDS: dict[str, Callable[[], list[Row]]] = {
    "methods": methods,
    "backbones": backbones,
    "protocols": all_protocols,
    "datasets": data_sets,
}


def listing(kind: str, results: Path) -> Listing:
    """The rows of one kind: a key of KINDS, "runs" or "reported". Raises UnknownName."""
    if kind == "runs":
        return runs(results)
    if kind == "reported":
        return reported()
    if kind not in KINDS:
        raise UnknownName("thing to list", kind, [*KINDS, "runs", "reported"])
    return Listing(KINDS[kind](), [])


def _protocol(protocol: protocols.Protocol) -> Row:
    return {
        "name": protocol.name,
        "summary": protocol.summary,
        "sources": [source.dataset for source in protocol.sources],
        "tracks": [track.name for track in protocol.tracks],
        "backbones": protocol.backbones,
        "targets": {target.name: target.group for target in protocol.all_targets()},
    }


def _run(
    spec: RunSpec, state: str, results: Path, summary: Mapping[str, float | None], settings: Mapping[str, Any]
) -> Row:
    return {
        "run": spec_hash(spec)[:12],
        "protocol": spec.protocol,
        "track": spec.track.name,
        "backbone": spec.backbone,
        "weights": "random" if spec.weights == "random" else "pretrained",
        "method": spec.method,
        "settings": dict(settings),
        "seed": spec.seed,
        "state": state,
        "source": summary.get("source"),
        "unseen_mean": summary.get("unseen_mean"),
        "path": str(result_path(spec, results)),
    }
