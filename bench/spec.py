"""RunSpec: the identity of a run. Same spec, same numbers; anything that may change a number is in it.

Paths, workers, device and log level stay out. ``canonical_json`` -> sha256 names the result file.
A change of any field's name, type or default meaning raises ``SPEC_VERSION``.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SPEC_VERSION: Literal[3] = 3

NO_BACKBONE = "none"
"""Stands for the backbone of a method that brings its own model."""

GENERATED = "generated"
"""Key in a run's `data` of the generated images, where it trains on such."""

Group = Literal["source", "unseen", "weather", "corruption", "reliability", "anomaly", "reference"]
"""What a target is scored for; a `reference` is in no mean: the fair weather that a ladder of strengths begins with."""
Classes = Literal["cityscapes-19", "synthia-16"]
"""Over which classes mIoU is a mean: all, or those that SYNTHIA has (terrain, truck and train never occur in it)."""
Precision = Literal["fp32", "bf16"]
Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Frozen(BaseModel):
    """Immutable, strict about names: an unknown key is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")


class Jitter(Frozen):
    """Large-scale jitter: the image fits into `size` (height, width) times a factor drawn evenly from [low, high]."""

    size: tuple[Positive, Positive]
    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Jitter:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Recipe(Frozen):
    """How a segmenter is trained. Defaults: Rein's GTA5 recipe (arXiv 2312.04265 and its configuration)."""

    iterations: Positive = 40_000
    batch_size: Positive = 4
    crop: tuple[Positive, Positive] = (512, 512)
    """Height, width in pixels."""
    lr: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    warmup: Annotated[int, Field(ge=0)] = 0
    """Iterations of linear warm-up."""
    power: Annotated[float, Field(ge=0)] = 0.9
    """Exponent of the polynomial decay to 0."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    short_edges: Annotated[tuple[Positive, ...], Field(min_length=1)] = tuple(256 + 256 * i // 5 for i in range(16))
    """Short edges in pixels; one is drawn per image (0.5x to 2.0x of 512 in steps of 0.1)."""
    long_edge_max: Positive = 2048
    jitter: Jitter | None = None
    """Instead of a short edge: a scale around a fixed size, as CLOUDS trains."""
    cat_max_ratio: Fraction = 0.75
    """A crop is drawn again (up to 10 times) while one class covers more than this share."""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    photometric: bool = True


class HeadConfig(Frozen):
    """The head and its sizes. Defaults: the Mask2Former that Rein was published with.

    `segformer` takes `hidden` of these, `linear` none.
    """

    name: Literal["mask2former", "segformer", "linear"] = "mask2former"
    hidden: Positive = 256
    num_queries: Positive = 100
    encoder_layers: Positive = 6
    encoder_ffn: Positive = 1024
    decoder_layers: Positive = 9
    decoder_ffn: Positive = 2048
    heads: Positive = 8
    points: Positive = 4
    """Deformable sampling points for each head and level."""
    loss_points: Positive = 12_544
    oversample: Annotated[float, Field(ge=1)] = 3.0
    importance: Annotated[float, Field(ge=0, le=1)] = 0.75
    class_weight: Annotated[float, Field(ge=0)] = 2.0
    mask_weight: Annotated[float, Field(ge=0)] = 5.0
    dice_weight: Annotated[float, Field(ge=0)] = 5.0
    no_object: Annotated[float, Field(ge=0)] = 0.1

    @model_validator(mode="after")
    def _heads_divide(self) -> HeadConfig:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}")
        if self.hidden % 32:
            raise ValueError(f"hidden {self.hidden} is not a multiple of 32, the groups of the head's norms")
        return self


class Track(Frozen):
    """How images are put through the model, and which model it is; the sizes are those of each target's `View`."""

    name: str
    windows: Literal["slide", "whole"] = "slide"
    window: tuple[Positive, Positive] | None = None
    """Height, width of a window; None for the training crop."""
    stride_fraction: Fraction = 2 / 3
    """Stride of the windows as a share of the window."""
    selection: Literal["last"] = "last"
    """Which iterate is scored. There is no other: picking one by a target's score is what this suite is against."""


class View(Frozen):
    """The size at which a target's images are shown to the model, and that at which they are scored.

    Without any of the three the image is shown as it is. Aspect ratios are kept, images resized bilinearly.
    """

    halve: bool = False
    """First of all, halve the image (bicubic) and its label (nearest), as Rein's published code prepares Mapillary."""
    fit: tuple[Positive, Positive] | None = None
    """Then as large as fits into this height and width (for an upright image: width and height)."""
    short_edge: Positive | None = None
    """Or so that the short edge has this length."""
    scored: Literal["native", "shown"] = "native"
    """At the size of the ground truth, or at that shown, to which then the label is resized, too."""

    @model_validator(mode="after")
    def _one_size(self) -> View:
        if self.fit is not None and self.short_edge is not None:
            raise ValueError("fit and short_edge exclude each other")
        return self


class Source(Frozen):
    """One set of training images."""

    dataset: str
    weight: Positive | None = None
    """Parts of the mixture that are drawn from it; None in all sources: every image as often as any other."""


class Target(Frozen):
    """One evaluation set: a data-set card, or a corruption of one."""

    name: str
    dataset: str
    group: Group
    images: Positive | None = None
    """Only the first so many; None for all."""
    corruption: str | None = None
    severity: Annotated[int, Field(ge=1, le=5)] | None = None
    view: View = View()
    trained_on: bool = False
    """Its images are among those that are trained on: published protocols hold nothing of the source back."""

    @model_validator(mode="after")
    def _corruption_has_severity(self) -> Target:
        if (self.corruption is None) != (self.severity is None):
            raise ValueError("corruption and severity come together")
        if (self.group == "corruption") != (self.corruption is not None):
            raise ValueError("group 'corruption' and a corruption come together")
        return self


class RunSpec(Frozen):
    """Everything a number depends on, resolved: no family names, no defaults left to look up."""

    spec_version: Literal[3] = SPEC_VERSION
    method: str
    method_config: dict[str, Any]
    backbone: str
    """Exact name of a backbone card; "none" where the method brings its own model (and `head` is not used)."""
    backbone_config: dict[str, Any] = Field(default_factory=dict)
    """What of the card decides the features: architecture, patch size, taps, mean and std; or the method's model."""
    weights: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|random)$")]
    head: HeadConfig
    protocol: str
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Data-set cards that are trained on; the only ones training ever opens."""
    targets: tuple[Target, ...]
    classes: Classes = "cityscapes-19"
    data: dict[str, str]
    """Data-set card name -> revision."""
    track: Track
    recipe: Recipe
    precision: Precision = "fp32"
    compile: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    checkpoint: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    """Of an imported run: the published checkpoint that stands in for training; the recipe is not what made it."""

    @model_validator(mode="after")
    def _targets_differ(self) -> RunSpec:
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError(f"two targets are called {max(names, key=names.count)!r}")
        return self

    @property
    def joint_iterations(self) -> int:
        """Iterations after the recipe's own; of methods that ask for a joint phase (`bench.config.GeneratedConfig`)."""
        return int(self.method_config.get("joint_iterations", 0))

    @property
    def iterations(self) -> int:
        """All iterations of training."""
        return self.recipe.iterations + self.joint_iterations

    def windows(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Size and stride (height, width) of the windows that images are predicted in; None for whole images."""
        if self.track.windows == "whole":
            return None
        height, width = self.track.window or self.recipe.crop
        fraction = self.track.stride_fraction
        return (height, width), (max(1, round(height * fraction)), max(1, round(width * fraction)))


SAVE = "save_"
"""Beginning of the names of a method's options that only say what is written to look at, and decide no number."""


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_fields(spec: RunSpec) -> dict[str, str]:
    """The text of each field: sorted keys, no spaces, ASCII.

    Options of a method that begin with ``save_`` are left out: they are no part of a run's identity.
    """
    return _canonical_but_seed(spec.model_dump_json(exclude={"seed"})) | {"seed": _ENCODER.encode(spec.seed)}


@functools.lru_cache(maxsize=256)
def _canonical_but_seed(dumped: str) -> dict[str, str]:
    """The same for repetitions, and most of the work: of thousands of results it is done once for those of a folder."""
    fields = json.loads(dumped)
    options = fields["method_config"]
    fields["method_config"] = {key: value for key, value in options.items() if not key.startswith(SAVE)}
    return {key: _ENCODER.encode(value) for key, value in fields.items()}


def canonical_json(spec: RunSpec) -> str:
    """One text per spec, of its `canonical_fields`."""
    return _joined(canonical_fields(spec))


def _joined(texts: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{key}":{texts[key]}' for key in sorted(texts)) + "}"


def _digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(_joined(texts).encode("ascii")).hexdigest()


def spec_hash(spec: RunSpec, texts: Mapping[str, str] | None = None) -> str:
    """sha256 of the canonical JSON: 64 hex digits. The first 12 name the result file.

    `texts` are the spec's `canonical_fields`, if at hand.
    """
    return _digest(canonical_fields(spec) if texts is None else texts)


def series_hash(spec: RunSpec, texts: Mapping[str, str] | None = None) -> str:
    """The spec without its seed: runs with the same one are repetitions, averaged in the leaderboard."""
    known = canonical_fields(spec) if texts is None else texts
    return _digest({key: text for key, text in known.items() if key != "seed"})
