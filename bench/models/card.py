"""Backbone cards: which architecture, with which weights, seen through which normalisation. Imports no torch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import DamagedFile, UnknownName, UserError, what_is_wrong

CARDS = Path(__file__).parent / "cards"

Triple = tuple[float, float, float]
Side = Annotated[int, Field(gt=0)]
Spread = Annotated[float, Field(gt=0)]
Loader = Literal["timm", "transformers"]
Resize = Literal["bicubic", "pinv"]
Seen = Literal["yes", "no", "unknown"]


class BackboneCard(BaseModel):
    """What the suite knows of a backbone. `mean` and `std` are for RGB in [0, 1]; sizes are in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    family: str
    loader: Loader = "timm"
    architecture: str
    """A timm model name with its weight tag, the name of one of timm's classes (`Eva`, `VisionTransformer`), or the
    model type of a transformers configuration."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    patch_size: Side | None = None
    """Of a plain transformer; None for the one the model was made with."""
    img_size: tuple[Side, Side] | None = None
    """Size a plain transformer's position embedding and rotary tables are made for; others are interpolated to."""
    out_indices: tuple[int, int, int, int] | None = None
    """Blocks of a plain transformer whose outputs become the maps; None for thirds, as published."""
    mean: Triple = (0.485, 0.456, 0.406)
    std: tuple[Spread, Spread, Spread] = (0.229, 0.224, 0.225)
    map_norm: bool = False
    """Whether each map of a hierarchical model goes through a layer norm without parameters, as in Rein's ConvNeXt."""
    resize: Resize = "bicubic"
    """How patch kernels of another size are resized when loading: plain bicubic (as published Rein weights need it) or
    timm's pseudo-inverse (FlexiViT). Position embeddings are resized bicubically either way."""
    weights: str = ""
    """File below this package, or, for weights that are not shipped, in the folder of the environment variable; empty:
    the card's name."""
    hub: str = ""
    """Repository of the Hugging Face hub that has the weights as `model.safetensors`, in timm's names."""
    language: str = ""
    """The text tower that pre-training paired the backbone with: a file below this package, or `open_clip:MODEL/TAG`.
    Empty for none."""
    shipped: bool = False
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Empty: the file's own hash is taken, whatever it is, and recorded."""
    dropped: tuple[str, ...] = ()
    """Beginnings of tensor names that the file may hold and the features do not pass through, beside the usual ones."""
    source: str = ""
    """Where the weights come from."""
    licence: str = ""
    pretraining: str = ""
    seen: dict[str, Seen] = Field(default_factory=dict)
    """Whether pre-training saw a family of the suite's data sets (cityscapes, gta5, ...); `*`: those not named."""

    @model_validator(mode="after")
    def _holds_together(self) -> BackboneCard:
        taps = self.out_indices
        if taps is not None and (min(taps) < 0 or sorted(set(taps)) != list(taps)):
            raise ValueError(f"out_indices {taps} must rise from one to the next")
        if self.patch_size and self.img_size and any(side % self.patch_size for side in self.img_size):
            raise ValueError(f"img_size {self.img_size} is no multiple of patch_size {self.patch_size}")
        if self.map_norm and self.out_indices is not None:
            raise ValueError("map_norm is for hierarchical models, whose maps are those of their stages")
        return self

    def config(self) -> dict[str, Any]:
        """What of the card decides the features, as JSON values: goes into the run's identity."""
        return self.model_dump(mode="json", include=CONFIG)

    def with_config(self, config: dict[str, Any]) -> BackboneCard:
        """The card with these fields of `config()` in place of its own.

        Raises UserError for a value that does not hold, and for a field that this kind of model has no use for.
        """
        idle = ["out_indices"] if self.out_indices is None else []
        idle += ["patch_size", "img_size", "resize"] if self.patch_size is None else []
        own = self.config()
        if useless := [name for name in idle if name in config and config[name] != own[name]]:
            what = "transformers' models run at their own" if self.loader == "transformers" else "it has stages"
            raise UserError(f"backbone {self.name} has no {useless[0]} to choose: {what}")
        try:
            return BackboneCard.model_validate(self.model_dump() | config)
        except ValidationError as error:
            raise UserError(f"backbone {self.name}: {what_is_wrong(error)}") from error

    def was_seen(self, family: str) -> Seen:
        """Whether pre-training saw images of a family of data sets."""
        return self.seen.get(family, self.seen.get("*", "unknown"))


CONFIG = {
    *("loader", "architecture", "kwargs", "patch_size", "img_size"),
    *("out_indices", "mean", "std", "map_norm", "resize"),
}
SETTABLE = ("patch_size", "img_size", "out_indices", "mean", "std", "resize", "map_norm")
"""Fields that a run may choose for itself (`--set backbone.patch_size=16`)."""
DYNAMIC = ("timm:", "hf:")
"""Prefixes of backbones without a card: any model of timm, any of transformers."""


def names() -> list[str]:
    """Names of all backbone cards, sorted."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def load_card(name: str, folder: Path | None = None) -> BackboneCard:
    """The card of that exact name, or one made for `timm:NAME` or `hf:REPOSITORY`.

    `folder` holds the configuration of an `hf:` model that is not taken from the hub. Raises UnknownName (with a
    suggestion), DamagedFile when a card does not parse, PrerequisiteError when a hub cannot be reached.
    """
    if name.startswith(DYNAMIC):
        return _dynamic(name, folder)
    path = CARDS / f"{name}.toml"
    if name not in names():
        raise UnknownName("backbone", name, [*names(), "timm:NAME", "hf:REPOSITORY"])
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return BackboneCard.model_validate({"name": name, **fields})
    except ValidationError as error:
        raise DamagedFile(path, what_is_wrong(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(path, str(error)) from error


def card_of_run(name: str, config: dict[str, Any], folder: Path | None = None) -> BackboneCard:
    """The card of a run's backbone as the run has it; `timm:` and `hf:` models need nothing but that."""
    if name.startswith(DYNAMIC) and config:
        fields = {"name": name, "family": name.partition(":")[0], "summary": name, "source": name}
        hub = name.partition(":")[2] if name.startswith("hf:") else _timm_hub(config)
        return BackboneCard.model_validate(fields | {"hub": hub} | config)
    return load_card(name, folder).with_config(config)


def _timm_hub(config: dict[str, Any]) -> str:
    from bench.models.timm_models import describe

    return str(describe(str(config["architecture"]))["hub"])


def _dynamic(name: str, folder: Path | None) -> BackboneCard:
    """The card of a model that has none: what its library knows of it. Imports torch."""
    kind, _, model = name.partition(":")
    if kind == "timm":
        from bench.models.timm_models import describe

        fields = describe(model)
    else:
        from bench.models.huggingface import describe as describe_hf

        fields = describe_hf(model, folder)
    return BackboneCard.model_validate({"name": name, "family": kind, "source": name, **fields})
