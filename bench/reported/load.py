"""Files of published figures -> validated records, in the suite's names. Imports no torch.

A wording that ``names.toml`` does not have is an error; a line that does not hold is named and left out.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from bench.errors import DamagedFile, PrerequisiteError, UnknownName, UserError, what_is_wrong
from bench.reported.records import COLUMNS, MEAN, UNSTATED, Figure, Names, Notes, Printed
from bench.spec import Frozen

FOLDER = Path(__file__).resolve().parents[2] / "results" / "reported"

Value = TypeVar("Value")
Table = TypeVar("Table", bound=Frozen)


class Reported(NamedTuple):
    """What a folder of reported figures holds."""

    figures: list[Figure]
    """By file, then line."""
    problems: list[DamagedFile]
    """Files and lines that are left out."""
    names: Names
    notes: Notes


def load_reported(folder: Path = FOLDER) -> Reported:
    """Every figure of ``folder``. Raises PrerequisiteError without the folder, DamagedFile for its two tables."""
    if not folder.is_dir():
        raise PrerequisiteError(f"there is no folder of reported figures {folder}")
    names, notes = _table(folder / "names.toml", Names), _table(folder / "notes.toml", Notes)
    figures: list[Figure] = []
    problems: list[DamagedFile] = []
    seen: dict[Printed, Figure] = {}
    for path in sorted(folder.glob("*.csv")):
        for line, cells in _lines(path, problems):
            try:
                figure = _figure(cells, names, notes, path.name, line)
                if (first := seen.setdefault(figure.printed, figure)) is not figure:
                    raise UserError(f"the same as line {first.line} of {first.file}")
            except ValidationError as error:
                problems.append(DamagedFile(path, f"line {line}: {what_is_wrong(error)}"))
            except UserError as error:
                problems.append(DamagedFile(path, f"line {line}: {error}"))
            else:
                figures.append(figure)
    wrong = {id(figure) for figure in misprints(figures)}
    flagged = [
        figure.model_copy(update={"flags": ("misprint", *figure.flags)}) if id(figure) in wrong else figure
        for figure in figures
    ]
    return Reported(flagged, problems, names, notes)


def misprints(figures: Iterable[Figure]) -> Iterator[Figure]:
    """Printed means that do not follow from their columns.

    The columns are those of the same method, backbone, source and place, each rounded to its last printed decimal: the
    mean may differ by the mean of half a unit of each, and half a unit of its own. A column printed twice says nothing.
    """
    places: dict[tuple[object, ...], list[Figure]] = {}
    for figure in figures:
        printed = figure.printed.model_dump(exclude={"target", "value", "venue", "year", "protocol_note"})
        places.setdefault(tuple(printed.values()), []).append(figure)
    for together in places.values():
        columns: dict[str, list[Decimal]] = {}
        for figure in together:
            columns.setdefault(figure.target, []).append(figure.value)
        for figure in together:
            found = [columns.get(name, []) for name in figure.mean_of]
            if found and all(len(values) == 1 for values in found):
                values = [value for (value,) in found]
                slack = sum(map(_half_unit, values), Decimal()) / len(values) + _half_unit(figure.value)
                if abs(sum(values, Decimal()) / len(values) - figure.value) > slack:
                    yield figure


def _half_unit(value: Decimal) -> Decimal:
    return Decimal((0, (5,), int(value.as_tuple().exponent) - 1))


def _figure(cells: Mapping[str, str], names: Names, notes: Notes, file: str, line: int) -> Figure:
    """Raises ValidationError, and UserError for a wording without a meaning or rules that contradict each other."""
    printed = Printed.model_validate(cells)
    cards = _named("backbone", printed.backbone, names.backbones)
    wordings = printed.source_datasets.split("+") if printed.source_datasets else []
    sources = tuple(_named("source data set", wording, names.sources) for wording in wordings)
    found = _named("target", printed.target, names.targets)
    target, mean_of = (found, ()) if isinstance(found, str) else (MEAN, found)
    scored = mean_of or (target,)
    rules = [rule for rule in notes.rules if rule.holds(printed, scored)]
    flags = tuple(rule.flag for rule in rules if rule.flag)
    track = _one("track", (rule.track for rule in rules)) or UNSTATED
    maps = [rule.labels for rule in rules] + [notes.tracks[rule.track].labels for rule in rules if rule.track]
    return Figure(
        **printed.model_dump(include={"method", "pretraining", "venue", "citation", "seen_in"}),
        backbone=_named(f"pre-training of backbone {printed.backbone!r}", printed.pretraining, cards),
        trainable_params_m=Decimal(printed.trainable_params_m) if printed.trainable_params_m else None,
        sources=sources,
        target=target,
        mean_of=mean_of,
        metric=_named("metric", printed.metric, {metric: metric for metric in names.metrics}),
        value=Decimal(printed.value),
        track=track,
        protocol="" if "saw target" in flags else _protocol(sources, target, mean_of, names),
        labels=_one("label map", maps) if "mapillary" in scored else "",
        year=int(printed.year) if printed.year else None,
        note=printed.protocol_note,
        flags=flags,
        printed=printed,
        file=file,
        line=line,
    )


def _protocol(sources: tuple[str, ...], target: str, mean_of: tuple[str, ...], names: Names) -> str:
    """The one protocol that the figure belongs to; "" too where it would fit several, as a source's own score may."""
    fitting = [name for name, protocol in names.protocols.items() if protocol.holds(sources, target, mean_of)]
    return fitting[0] if len(fitting) == 1 else ""


def _named(kind: str, wording: str, table: Mapping[str, Value]) -> Value:
    if wording not in table:
        raise UnknownName(kind, wording, table)
    return table[wording]


def _one(kind: str, values: Iterable[str]) -> str:
    found = sorted({value for value in values if value})
    if len(found) > 1:
        raise UserError(f"the note leaves the {kind} open: {' or '.join(found)}")
    return found[0] if found else ""


def _table(path: Path, model: type[Table]) -> Table:
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error


def _lines(path: Path, problems: list[DamagedFile]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of one file with their numbers; what cannot be read goes to ``problems``."""
    try:
        # utf-8-sig and newline="": a spreadsheet may have saved it.
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if tuple(next(reader, ())) != COLUMNS:
                raise csv.Error(f"the first line is not {','.join(COLUMNS)}")
            for cells in reader:
                if len(cells) == len(COLUMNS):
                    yield reader.line_num, dict(zip(COLUMNS, cells, strict=True))
                else:
                    reason = f"line {reader.line_num}: {len(cells)} cells for {len(COLUMNS)} columns"
                    problems.append(DamagedFile(path, reason))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(DamagedFile(path, str(error)))
