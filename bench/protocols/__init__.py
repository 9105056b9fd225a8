"""Protocols: one TOML file each says what is trained on, what is scored, and with which recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from bench.errors import DamagedFile, UnknownName, what_is_wrong
from bench.spec import Frozen, HeadConfig, Positive, Precision, Recipe, Target, Track

FOLDER = Path(__file__).resolve().parent

# Michaelis et al. 2019 (arXiv 1907.07484), as Cityscapes-C is used: four groups of four.
COMMON_CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "gaussian_blur"),
    *("snow", "spatter", "fog", "frost"),
    *("brightness", "contrast", "saturate", "jpeg_compression"),
)


class Corruptions(Frozen):
    """The compact table ``[corruptions]``: one target for each type, on one data set."""

    dataset: str
    types: Literal["common"] | tuple[str, ...] = "common"
    severity: Annotated[int, Field(ge=1, le=5)] = 3
    images: Positive | None = None

    def targets(self) -> tuple[Target, ...]:
        """One target per corruption, named after it."""
        types = COMMON_CORRUPTIONS if self.types == "common" else self.types
        return tuple(
            Target(
                name=name,
                dataset=self.dataset,
                group="corruption",
                images=self.images,
                corruption=name,
                severity=self.severity,
            )
            for name in types
        )


class ProtocolTrack(Track):
    """A track, and what it asks of every backbone: fields of a card's `config()`, as patches converted to 16."""

    backbone: dict[str, Any] = Field(default_factory=dict)


class Protocol(Frozen):
    """A source to train on, targets to score, tracks, and the settings all methods share."""

    name: str
    summary: str
    source: str
    """Data-set card of the training images."""
    targets: tuple[Target, ...]
    corruptions: Corruptions | None = None
    tracks: Annotated[tuple[ProtocolTrack, ...], Field(min_length=1)]
    backbones: dict[str, str] = Field(default_factory=dict)
    """Family -> the exact backbone this protocol takes for it."""
    precision: Precision = "fp32"
    recipe: dict[str, Any] = Field(default_factory=dict)
    head: dict[str, Any] = Field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Method -> overrides of its config; a sub-table ``recipe`` overrides the recipe for it alone."""

    @model_validator(mode="after")
    def _hold(self) -> Protocol:
        for part, overrides, model in (("recipe", self.recipe, Recipe), ("head", self.head, HeadConfig)):
            try:
                model.model_validate(overrides)
            except ValidationError as error:
                raise ValueError(f"{part}.{what_is_wrong(error, 1)}") from error
        names = [target.name for target in self.all_targets()]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"two targets are called {doubles[0]!r}")
        if [target.group for target in self.targets].count("source") != 1:
            raise ValueError("exactly one target has group 'source'")
        return self

    def all_targets(self) -> tuple[Target, ...]:
        """The listed targets, then the expanded corruptions."""
        return self.targets + (self.corruptions.targets() if self.corruptions else ())

    def track(self, name: str) -> Track:
        """The track called ``name``, as it goes into a spec. Raises UnknownName."""
        return Track.model_validate(self._track(name).model_dump(exclude={"backbone"}))

    def backbone_settings(self, track: str) -> dict[str, Any]:
        """What the track asks of every backbone. Raises UnknownName."""
        return self._track(track).backbone

    def _track(self, name: str) -> ProtocolTrack:
        tracks = {track.name: track for track in self.tracks}
        if name not in tracks:
            raise UnknownName("track", name, tracks)
        return tracks[name]


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
