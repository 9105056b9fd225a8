"""Protocols: one TOML file each says what is trained on, what is scored, and with which recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from bench.data.cards import load_card
from bench.errors import DamagedFile, UnknownName, what_is_wrong
from bench.protocols.corruptions import Corruptions, corrupted, parse
from bench.spec import Classes, Frozen, HeadConfig, Precision, Recipe, Source, Target, Track, View

FOLDER = Path(__file__).resolve().parent


class ProtocolTrack(Track):
    """A track, and what it changes in the protocol."""

    views: dict[str, View] = Field(default_factory=dict)
    """Family of data sets -> how its images are shown and scored; the others' are shown as they are."""
    datasets: dict[str, str] = Field(default_factory=dict)
    """Data-set card -> the one that stands in for it: another label map, a source of which nothing is held back."""
    backbone: dict[str, Any] = Field(default_factory=dict)
    """What it asks of every backbone: fields of a card's `config()`, as patches converted to 16."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Its own training recipe, over the protocol's."""


class Protocol(Frozen):
    """A source to train on, targets to score, tracks, and the settings all methods share."""

    name: str
    summary: str
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Data-set cards of the training images, by name or as tables {dataset, weight}."""
    targets: tuple[Target, ...]
    corruptions: Corruptions | None = None
    asked: tuple[Target, ...] | None = Field(default=None, exclude=True)
    """What ``--corruptions`` puts in their place."""
    tracks: Annotated[tuple[ProtocolTrack, ...], Field(min_length=1)]
    seeds: tuple[int, ...] = (0, 1, 2)
    """The repetitions a complete entry of the leaderboard has."""
    classes: Classes = "cityscapes-19"
    backbones: dict[str, str] = Field(default_factory=lambda: _shared("backbones"))
    """Family -> the exact backbone this protocol takes for it; by default the large ones of the published tables."""
    precision: Precision = "fp32"
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Over the published defaults; a name is that of a shared one."""
    head: dict[str, Any] = Field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Method -> overrides of its config; a sub-table ``recipe`` overrides the recipe for it alone."""

    @field_validator("tracks", mode="before")
    @classmethod
    def _over_shared_ones(cls, value: Any) -> Any:
        """Tables by name, each over the track of that name that all protocols share, where there is one."""
        return [_merged(name, own) for name, own in value.items()] if isinstance(value, dict) else value

    @field_validator("recipe", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return _shared(f"recipes/{value}") if isinstance(value, str) else value

    @field_validator("sources", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return [{"dataset": each} if isinstance(each, str) else each for each in value]

    @model_validator(mode="after")
    def _hold(self) -> Protocol:
        if len({source.weight is None for source in self.sources}) > 1:
            raise ValueError("either all sources have a weight or none")
        parts: list[tuple[str, dict[str, Any], type[Frozen]]] = [
            ("recipe", self.recipe, Recipe),
            ("head", self.head, HeadConfig),
            *((f"tracks.{track.name}.recipe", track.recipe, Recipe) for track in self.tracks),
        ]
        for part, overrides, model in parts:
            try:
                model.model_validate(overrides)
            except ValidationError as error:
                raise ValueError(f"{part}.{what_is_wrong(error, 1)}") from error
        names = [target.name for target in self.all_targets()]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"two targets are called {doubles[0]!r}")
        if "source" not in [target.group for target in self.targets]:
            raise ValueError("no target has group 'source': the source's own score stands beside the others")
        return self

    def all_targets(self) -> tuple[Target, ...]:
        """The listed targets, then the expanded corruptions."""
        return self.targets + (self.asked or (self.corruptions.targets() if self.corruptions else ()))

    def with_corruptions(self, text: str | None) -> Protocol:
        """The protocol with these corruptions in place of its own (see `corruptions.parse`); None changes nothing.

        Of the data set that its own are of, else of Cityscapes' validation images where they are a target, else of the
        source's own. Raises UnknownName and UserError.
        """
        if text is None:
            return self
        sets = [target.dataset for target in self.targets]
        homes = [target.dataset for target in self.targets if target.group == "source"]
        other = "cityscapes-val" if "cityscapes-val" in sets else homes[0]
        dataset = self.corruptions.dataset if self.corruptions else other
        images = self.corruptions.images if self.corruptions else None
        taken = {target.name for target in self.targets}
        asked = [
            target.model_copy(update={"name": f"corruption-{target.name}"}) if target.name in taken else target
            for target in corrupted(parse(text), dataset, images)
        ]
        return self.model_copy(update={"asked": tuple(asked)})

    def track(self, name: str) -> Track:
        """The track called ``name``, as it goes into a spec. Raises UnknownName."""
        return Track.model_validate(self.rules(name).model_dump(include=set(Track.model_fields)))

    def rules(self, name: str) -> ProtocolTrack:
        """The track called ``name`` with all that it changes. Raises UnknownName."""
        tracks = {track.name: track for track in self.tracks}
        if name not in tracks:
            raise UnknownName(f"track of protocol {self.name}:", name, tracks)
        return tracks[name]

    def sources_of(self, track: str) -> tuple[Source, ...]:
        """The training images of a track. Raises UnknownName."""
        swap = self.rules(track).datasets
        return tuple(
            source.model_copy(update={"dataset": swap.get(source.dataset, source.dataset)}) for source in self.sources
        )

    def targets_of(self, track: str) -> tuple[Target, ...]:
        """The targets of a track, each with its view and whether its images are trained on. Raises UnknownName."""
        rules = self.rules(track)
        trained = {source.dataset for source in self.sources_of(track)}
        return tuple(on_track(target, rules, trained) for target in self.all_targets())


def _shared(name: str) -> dict[str, Any]:
    """A file of `shared/`, which any protocol may use. Raises UnknownName."""
    path = FOLDER / "shared" / f"{name}.toml"
    if not path.is_file():
        kind, _, short = name.rpartition("/")
        raise UnknownName(f"shared {kind or 'table'}:", short, (each.stem for each in path.parent.glob("*.toml")))
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _merged(name: str, own: dict[str, Any]) -> dict[str, Any]:
    shared = _shared(f"tracks/{name}") if (FOLDER / "shared" / "tracks" / f"{name}.toml").is_file() else {}
    tables = {key: {**table, **own.get(key, {})} for key, table in shared.items() if isinstance(table, dict)}
    return {"name": name, **shared, **own, **tables}


def on_track(target: Target, rules: ProtocolTrack, trained: set[str]) -> Target:
    """The target on a track: its card, its view, and whether its images are among those of the cards `trained`."""
    card = load_card(rules.datasets.get(target.dataset, target.dataset))
    changes: dict[str, Any] = {"dataset": card.name, "trained_on": bool({card.name, card.within} & trained)}
    if view := rules.views.get(card.family):
        changes["view"] = view
    return target.model_copy(update=changes)


def names() -> list[str]:
    """Every protocol of the suite, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_protocol(name: str) -> Protocol:
    """Read ``protocols/<name>.toml``. Raises UnknownName or DamagedFile."""
    if name not in names():
        raise UnknownName("protocol", name, names())
    return read_protocol(FOLDER / f"{name}.toml")


def read_protocol(path: Path) -> Protocol:
    """Read one protocol file; its name is the file's. Raises DamagedFile."""
    try:
        return Protocol(name=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise DamagedFile(path, str(error)) from error
