"""Published figures in the leaderboard: below measured rows of the same protocol and track, or in tables of their own.

They are not ranked, neither among themselves nor with measured rows: they stand in the order of their files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bench.report.frame import TARGET
from bench.reported import MEAN, UNSTATED, Figure, Reported, ReportedProtocol

INTRODUCTION = """
Rows marked "reported" were published and are not ours (`--reported`). They are never ranked: they stand in the order of
`results/reported/`, with the decimals that were printed, below measured rows of the same protocol and track, or in
tables of their own. Where a source does not say completely how it was tested, the track is "unstated". Trainable
parameters are as printed, often without the head. A printed mean that does not follow from its columns is marked
"misprint", not corrected. Numbers in brackets: what is known of how it was tested, below each table.
"""
EXTRA = (
    "origin",
    "published_backbone",
    "published_trainable_m",
    "mapillary_labels",
    "citation",
    "seen_in",
    "notes",
    "flags",
)
"""The columns that leaderboard.csv has more."""
MEASURED = ("measured", *[""] * (len(EXTRA) - 1))
NOTHING = "-"
"""What a source does not say."""

Place = tuple[str, str]
"""Protocol and track."""


class Row(NamedTuple):
    """What one source prints of one method on one backbone, within a protocol and track."""

    first: Figure
    scores: dict[str, Figure]
    """Column (`unseen_mean`, `target:acdc-fog`) -> figure, in the protocol's order."""
    notes: tuple[str, ...]
    """What the figures' notes say: first what they share, then what some add."""

    @property
    def place(self) -> Place:
        """Protocol and track."""
        return self.first.protocol, self.first.track

    @property
    def published(self) -> str:
        """Backbone and pre-training in the wording of the source."""
        return ", ".join(filter(None, (self.first.printed.backbone, self.first.pretraining)))


class Published(NamedTuple):
    """The rows that a leaderboard shows, and what is said of them."""

    rows: list[Row]
    """By protocol and track, then file and line."""
    tracks: dict[str, str]
    """Track -> what is known of it."""
    order: dict[str, list[str]]
    """Protocol -> every column that its figures may have."""
    left_out: int
    """Figures of no protocol, and those that are not an mIoU."""

    def at(self, place: Place) -> list[Row]:
        """The rows of one protocol and track."""
        return [row for row in self.rows if row.place == place]

    def places(self) -> list[Place]:
        """Every protocol and track with a row."""
        return list(dict.fromkeys(row.place for row in self.rows))

    def columns(self, rows: Sequence[Row], known: Sequence[str] = ()) -> list[str]:
        """The columns that the rows have and ``known`` lacks."""
        wanted = {column for row in rows for column in row.scores} - set(known)
        return list(dict.fromkeys(column for columns in self.order.values() for column in columns if column in wanted))


def published(reported: Reported) -> Published:
    """Figures of one source, method and backbone become one row; a column printed twice, a second one."""
    shown = [figure for figure in reported.figures if figure.protocol and figure.metric == "mIoU"]
    notes = _pieces(figure.note for figure in reported.figures)
    found: dict[tuple[object, ...], dict[str, Figure]] = {}
    for figure in shown:
        column, again = _column(figure, reported), 0
        key = (figure.protocol, figure.track, notes[figure.note][0])
        key += tuple(figure.printed.model_dump(exclude={"target", "value", "protocol_note"}).values())
        while column in found.setdefault((*key, again), {}):
            again += 1
        found[*key, again][column] = figure
    order = {name: _order(protocol) for name, protocol in reported.names.protocols.items()}
    rows = []
    for scores in found.values():
        first = next(iter(scores.values()))
        pieces = dict.fromkeys(piece for figure in scores.values() for piece in notes[figure.note] if piece)
        columns = [column for column in order[first.protocol] if column in scores]
        rows.append(Row(first, {column: scores[column] for column in columns}, tuple(pieces)))
    tracks = {
        name: track.summary + (f"; Mapillary's ids mapped {track.labels}." if track.labels else ".")
        for name, track in reported.notes.tracks.items()
    }
    tracks[UNSTATED] = "Not stated, or not completely: these rows may have been tested in different ways."
    return Published(sorted(rows, key=lambda row: row.place), tracks, order, len(reported.figures) - len(shown))


def title(column: str) -> str:
    """A column as tables head it."""
    return column.removeprefix(TARGET).replace("_", " ")


def cells(rows: Sequence[Row], header: Sequence[str]) -> list[list[str]]:
    """The rows under the titles of a table; where a source says nothing, -."""
    numbers = _numbers(rows)
    lines = []
    for row in rows:
        marks = ", ".join(str(numbers[note]) for note in row.notes)
        where = f"reported: {row.first.citation}, {row.first.seen_in}" + (f" [{marks}]" if marks else "")
        millions = row.first.trainable_params_m
        known = {
            "method": row.first.method,
            "backbone": row.first.backbone or row.published or "not stated",
            "trainable": NOTHING if millions is None else f"{millions} M",
            "measured on": where,
            "origin": where,
            **{title(column): _score(figure) for column, figure in row.scores.items()},
        }
        lines.append([_plain(known.get(name, NOTHING)) for name in header])
    return lines


def footnotes(rows: Sequence[Row]) -> str:
    """What the numbers in brackets stand for, as a list; "" where there is none."""
    lines = "".join(f"{number}. {_plain(note)}\n" for note, number in _numbers(rows).items())
    return f"\n{lines}" if lines else ""


def csv_cells(row: Row) -> dict[str, str]:
    """The row by the columns of leaderboard.csv; scores are those of one number, not of a mean over seeds."""
    flags = [f"{column}: {flag}" for column, figure in row.scores.items() for flag in figure.flags]
    first = row.first
    return {
        "protocol": first.protocol,
        "track": first.track,
        "backbone": first.backbone,
        "method": first.method,
        "origin": first.origin,
        "published_backbone": row.published,
        "published_trainable_m": first.printed.trainable_params_m,
        "mapillary_labels": "; ".join(sorted({figure.labels for figure in row.scores.values()} - {""})),
        "citation": first.citation,
        "seen_in": first.seen_in,
        "notes": "; ".join(row.notes),
        "flags": "; ".join(flags),
        **{f"{column}_mean": str(figure.value) for column, figure in row.scores.items()},
    }


def _column(figure: Figure, reported: Reported) -> str:
    protocol = reported.names.protocols[figure.protocol]
    if figure.target == MEAN:
        return f"{protocol.group}_mean"
    return "source" if figure.target in protocol.sources else TARGET + figure.target


def _order(protocol: ReportedProtocol) -> list[str]:
    targets = [TARGET + target for target in (*protocol.targets, *protocol.also)]
    return ["source", f"{protocol.group}_mean", *targets]


def _pieces(notes: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Note -> (what another note says too, what it adds): "a; b" is a and b where "a" is a note."""
    known = sorted(set(notes), key=len)
    found: dict[str, tuple[str, ...]] = {}
    for note in known:
        bases = [base for base in found if base and note.startswith(f"{base}; ")]
        found[note] = (found[bases[0]][0], note[len(bases[0]) + 2 :]) if bases else (note,)
    return found


def _numbers(rows: Sequence[Row]) -> dict[str, int]:
    notes = dict.fromkeys(note for row in rows for note in row.notes)
    return {note: number for number, note in enumerate(notes, start=1)}


def _score(figure: Figure) -> str:
    return f"{figure.value} ({', '.join(figure.flags)})" if figure.flags else str(figure.value)


def _plain(text: str) -> str:
    """Nothing in it is markup."""
    return text.replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")
