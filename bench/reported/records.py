"""What a published figure is, and what the tables beside the figures hold. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.models import card
from bench.spec import Frozen

UNSTATED = "unstated"
"""The track of a figure whose source does not say how it was tested, or not completely."""
MEAN = "mean"
"""The target of a printed mean; `mean_of` has what it is over."""

Flag = Literal[
    "misprint", "conflict", "suspect", "superseded", "selected on targets", "saw target", "test-time augmentation"
]
Labels = Literal["by-name", "by-id", ""]
Text = Annotated[str, Field(min_length=1)]


class Printed(Frozen):
    """One line of a file: every column as it was read, nothing normalised."""

    method: Text
    backbone: str
    pretraining: str
    trainable_params_m: Annotated[str, Field(pattern=r"^(\d+(\.\d+)?)?$")]
    """Millions, of what the source counts: often without the head."""
    source_datasets: str
    target: Text
    metric: Text
    value: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
    venue: str
    year: Annotated[str, Field(pattern=r"^(\d{4})?$")]
    citation: Text
    seen_in: Text
    """Where it was read, which need not be the publication."""
    protocol_note: str


COLUMNS = tuple(Printed.model_fields)


class Figure(Frozen):
    """One published figure, in the suite's names where they fit; "" where there is nothing of ours that fits."""

    origin: Literal["reported"] = "reported"
    method: str
    backbone: str
    """Name of a backbone card."""
    pretraining: str
    trainable_params_m: Decimal | None
    sources: tuple[str, ...]
    target: str
    """Name of a target, or MEAN."""
    mean_of: tuple[str, ...]
    metric: str
    value: Decimal
    """With the decimals that were printed."""
    track: str
    protocol: str
    labels: Labels
    """Map of Mapillary's ids, where Mapillary is scored and the map is known."""
    venue: str
    year: int | None
    citation: str
    seen_in: str
    note: str
    flags: tuple[Flag, ...]
    printed: Printed
    file: str
    line: int

    @model_validator(mode="after")
    def _percent(self) -> Figure:
        if self.metric == "mIoU" and self.value > 100:
            raise ValueError(f"an mIoU of {self.value} percent")
        return self


class ReportedProtocol(Frozen):
    """Which figures belong to a protocol."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    """What a printed mean must be over, no more and no less."""
    also: tuple[str, ...] = ()
    group: Literal["unseen", "weather", "corruption"] = "unseen"
    """Of `targets`: names the mean's column."""

    def holds(self, sources: tuple[str, ...], target: str, mean_of: tuple[str, ...]) -> bool:
        """Whether a figure of these sources and this target is one of the protocol's."""
        known = target in (*self.targets, *self.also, *self.sources)
        return set(sources) == set(self.sources) and (set(mean_of) == set(self.targets) if mean_of else known)


class Names(Frozen):
    """``names.toml``: published wording -> our name."""

    metrics: tuple[str, ...]
    sources: dict[str, str]
    targets: dict[str, str | tuple[str, ...]]
    backbones: dict[str, dict[str, str]]
    protocols: dict[str, ReportedProtocol]

    @model_validator(mode="after")
    def _cards(self) -> Names:
        wanted = {name for cards in self.backbones.values() for name in cards.values()}
        if unknown := sorted(wanted - {"", *card.names()}):
            raise ValueError(f"there is no backbone card {unknown[0]!r}")
        return self


class ReportedTrack(Frozen):
    """A way of testing that a note states."""

    summary: Text
    labels: Labels = ""


class Rule(Frozen):
    """What follows where a note holds these words; empty `methods` and `targets` are no restriction."""

    states: Text
    methods: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    track: str = ""
    labels: Labels = ""
    flag: Flag | Literal[""] = ""

    def holds(self, printed: Printed, scored: Iterable[str]) -> bool:
        """Whether the rule is for that line, whose target (or what its mean is over) is `scored`."""
        named = not self.methods or printed.method in self.methods
        return self.states in printed.protocol_note and named and (not self.targets or set(scored) <= set(self.targets))


class Notes(Frozen):
    """``notes.toml``: what the notes state."""

    tracks: dict[str, ReportedTrack]
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _tracks(self) -> Notes:
        if unknown := sorted({rule.track for rule in self.rules} - {"", *self.tracks}):
            raise ValueError(f"a rule names the track {unknown[0]!r}, which is not described")
        return self
