"""From what a user types to a RunSpec: families, defaults, overrides and ``--set``, all checked by name and type.

Recipe, weakest first: defaults, the method's own, the protocol's, the track's, the protocol's for it, ``--set``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from bench.config import GeneratedConfig
from bench.data import cards
from bench.errors import UnknownName, UserError, what_is_wrong
from bench.generated import revision
from bench.models import card as backbone_cards
from bench.models import hub
from bench.own_model import check_backbone, own_model
from bench.protocols import Protocol, load_protocol
from bench.protocols import names as protocol_names
from bench.protocols.corruptions import VERSION
from bench.registry import METHODS
from bench.spec import GENERATED, NO_BACKBONE, SAVE, HeadConfig, Precision, Recipe, RunSpec, Source, Target

if TYPE_CHECKING:
    from bench.models.card import BackboneCard

Model = TypeVar("Model", bound=BaseModel)

TOP_LEVEL = ("weights", "compile")
"""``--set`` keys of the spec itself; the rest belong to the recipe, the head, the backbone or the method."""


PATCHES = ("patch_size", "img_size", "resize")
"""What a track may ask of plain transformers; other backbones have none to choose."""

OPTIONS = ("method", "backbone", "protocol", "track", "seed", "precision")
"""What a spec holds too, but options of their own decide."""


class Setting(NamedTuple):
    """One ``--set key=value``: which part of the spec, which field of it, and the value as read."""

    part: str
    field: str
    value: Any
    text: str


def resolve(
    method: str,
    backbone: str,
    protocol: str = "streets",
    track: str = "native",
    seed: int = 0,
    precision: Precision | None = None,
    sets: Iterable[str] = (),
    weights: Path | None = None,
    checkpoint: str | None = None,
    complete: bool = True,
    corruptions: str | None = None,
) -> RunSpec:
    """The complete RunSpec. Raises UnknownName or UserError, in one line, for anything that does not hold.

    `weights` names the backbone's file, or the folder of an `hf:` model, in place of the card's own. `checkpoint` is
    the hash of a published checkpoint that is imported instead of training: head and method then have their published
    sizes, not those the protocol trains with. Without `complete`, a method's own model
    stays unread: no protocol can name it, only `--set`. `corruptions` stand in for the protocol's own.
    """
    rules = load_protocol(protocol).with_corruptions(corruptions)
    METHODS.check(method)
    card = None if backbone == NO_BACKBONE else _backbone(backbone, rules, weights)
    on_track, plugin = rules.rules(track), METHODS.get(method)
    settings = [_setting(text, plugin.config) for text in sets]
    for_method = dict(rules.methods.get(method, {})) if checkpoint is None else {}
    head = {**plugin.head, **rules.head} if checkpoint is None else plugin.head
    recipe = {**plugin.recipe, **rules.recipe, **on_track.recipe, **for_method.pop("recipe", {})}
    config = _part(plugin.config, "method", for_method, settings)
    check_backbone(plugin, backbone)
    if card is None:
        start = own_model(plugin, config, settings, weights, complete)
    else:
        start = _on_card(card, config, on_track.backbone, settings, weights)
    compile_ = [setting.value for setting in settings if (setting.part, setting.field) == ("spec", "compile")]
    sources, targets = rules.sources_of(track), rules.targets_of(track)
    data = revisions(sources, targets) | (_generated(config) if checkpoint is None else {})
    return _build(
        RunSpec,
        {
            "method": method,
            **start,
            "head": _part(HeadConfig, "head", head, settings),
            "protocol": rules.name,
            "sources": sources,
            "targets": targets,
            "classes": rules.classes,
            "data": data,
            "track": rules.track(track),
            "recipe": _part(Recipe, "recipe", recipe, settings),
            "precision": precision or rules.precision,
            "compile": compile_[-1] if compile_ else False,
            "seed": seed,
            "checkpoint": checkpoint,
        },
        "run",
    )


def departures(spec: RunSpec, weights: Path | None = None) -> dict[str, Any]:
    """What of `spec` is not its protocol's own choice: flat key (`recipe.iterations`) -> value.

    Random weights are left out: tables mark them anyway. Empty where the protocol is not one of the suite.
    """
    protocol = spec.protocol.rpartition("@")[2]  # of a run that is scored on another's targets: that of its training
    if protocol not in protocol_names():
        return {}
    tracks = [track.name for track in load_protocol(protocol).tracks]
    track = spec.track.name if spec.track.name in tracks else tracks[0]
    sets = ["weights=random"]  # so that no file is looked for
    named = (spec.method, spec.backbone, protocol, track, spec.seed)
    folder = weights if spec.backbone.startswith("hf:") else None  # it holds the configuration
    own = resolve(*named, sets=sets, weights=folder, complete=False, checkpoint=spec.checkpoint)
    if spec.backbone == NO_BACKBONE:  # the method's options name the model; its hundreds of settings say no more
        own = own.model_copy(update={"backbone_config": spec.backbone_config})
    mine, theirs = spec.model_dump(mode="json"), own.model_dump(mode="json")
    found = {name: mine[name] for name in ("precision", "compile") if mine[name] != theirs[name]}
    if spec.checkpoint is not None:
        found["checkpoint"] = spec.checkpoint
    if weights is not None and spec.weights != "random" and spec.backbone in backbone_cards.names():
        found["weights"] = f"{spec.weights[:19]}, named by hand"
    if mine["sources"] != theirs["sources"]:
        found["sources"] = "+".join(source.dataset for source in spec.sources)
    for part in ("recipe", "head", "method_config", "backbone_config"):
        others = {key: value for key, value in mine[part].items() if value != theirs[part].get(key)}
        found |= {f"{part}.{key}": _short(value) for key, value in others.items() if not key.startswith(SAVE)}
    return found


def _short(value: Any) -> Any:
    """A value as tables show it: of a long list, as of prompts, its length and a checksum."""
    if not isinstance(value, list) or len(value) <= 16:
        return value
    return f"{len(value)} values, sha256:{hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]}"


def known_keys(config_type: type[BaseModel]) -> list[str]:
    """Every key ``--set`` takes for a method with this config."""
    return [
        *TOP_LEVEL,
        *(f"recipe.{name}" for name in Recipe.model_fields),
        *(f"head.{name}" for name in HeadConfig.model_fields),
        *(f"backbone.{name}" for name in backbone_cards.SETTABLE),
        *(f"method.{name}" for name in config_type.model_fields),
    ]


def _setting(text: str, config_type: type[BaseModel]) -> Setting:
    key, equals, value = (piece.strip() for piece in text.partition("="))
    if not equals or not key:
        raise UserError(f"--set {text!r}: write key=value, for instance --set recipe.iterations=100")
    part, dot, field = key.rpartition(".")
    full = key if dot or key in TOP_LEVEL else f"method.{key}"
    known = known_keys(config_type)
    if key in OPTIONS and full not in known:
        raise UserError(f"--set {text}: that is an option of its own, --{key}")
    if full not in known:
        sisters = [name for name in known if dot and name.startswith(part + dot)]
        raise UnknownName("setting", key, sisters or known)
    if not dot:
        part = "spec" if key in TOP_LEVEL else "method"
    return Setting(part, field, _read(value), text)


def _read(value: str) -> Any:
    """JSON where it is JSON (numbers, true, null, lists), a list where there are commas, else the text."""
    if value.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise UserError(f"--set: {value} is not a finite number")
    for candidate in (value, f"[{value.rstrip(',')}]"):
        try:
            return json.loads(candidate)
        except json.JSONDecodeError:
            continue
    return value


def _part(model: type[Model], part: str, overrides: Mapping[str, Any], settings: Iterable[Setting]) -> Model:
    """One part of the spec: validated after each setting, so that an error names the one that caused it."""
    values = dict(overrides)
    built = _build(model, values, part)
    for setting in settings:
        if setting.part == part:
            values[setting.field] = setting.value
            built = _build(model, values, f"--set {setting.text}")
    return built


def _build(model: type[Model], values: Mapping[str, Any], what: str) -> Model:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            raise UnknownName(f"{what} field", str(first["loc"][-1]), model.model_fields) from error
        hint = ": write several values with commas between them" if first["type"] == "tuple_type" else ""
        raise UserError(f"{what}: {what_is_wrong(error, 1)}{hint}") from error


def _backbone(name: str, protocol: Protocol, folder: Path | None) -> BackboneCard:
    exact = protocol.backbones.get(name, name)
    if exact not in backbone_cards.names() and not exact.startswith(backbone_cards.DYNAMIC):
        known = {*backbone_cards.names(), *protocol.backbones, "timm:NAME", "hf:REPOSITORY"}
        raise UnknownName("backbone", name, known)
    return backbone_cards.load_card(exact, folder)


def _on_card(
    card: BackboneCard, config: BaseModel, of_track: Mapping[str, Any], settings: Iterable[Setting], given: Path | None
) -> dict[str, Any]:
    """The part of the spec that says what is trained: a method on a backbone."""
    wanted = [setting.value for setting in settings if setting.part == "spec" and setting.field == "weights"]
    return {
        "method_config": config.model_dump(mode="json"),
        "backbone": card.name,
        "backbone_config": _backbone_config(card, of_track, settings),
        "weights": _weights(card, wanted[-1] if wanted else None, given),
    }


def _backbone_config(card: BackboneCard, of_track: Mapping[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """What decides the features: the card's own, the track's over it, `--set backbone.X` over both."""
    plain = card.patch_size is not None
    config, asked = card.config(), of_track.get("patch_size")
    if card.loader == "transformers" and asked is not None and card.kwargs.get("patch_size", asked) != asked:
        raise UserError(f"{card.name} runs at its own patches, this track asks for {asked}: take a card or timm:NAME")
    config |= {name: value for name, value in of_track.items() if plain or name not in PATCHES}
    for setting in settings:
        if setting.part == "backbone":
            config[setting.field] = setting.value
    return card.with_config(config).config()


def _weights(card: BackboneCard, wanted: object, given: Path | None) -> str:
    """The identity of the weights; absent ones are an error unless random ones are asked for by name."""
    if wanted == "random":
        if given is not None and card.loader != "transformers":  # whose folder has the configuration, too
            raise UserError("--weights names a file, --set weights=random asks for none: leave one out")
        return "random"
    own = hub.weights_id(card, given)
    if wanted not in (None, own):
        raise UserError(f"--set weights={wanted}: only 'random', or the file's own {own} (--weights names a file)")
    return own


def _generated(config: BaseModel) -> dict[str, str]:
    """What decides the generated images, where the method asks for some."""
    if not isinstance(config, GeneratedConfig) or not config.images or not config.joint_iterations:
        return {}
    return {GENERATED: revision(config)}


def revisions(sources: Iterable[Source], targets: Iterable[Target]) -> dict[str, str]:
    """Data-set card -> revision, of all that a run opens, and the version of the corruptions where there are any."""
    names = {*(source.dataset for source in sources), *(target.dataset for target in targets)}
    found = {name: cards.revision(cards.load_card(name)) for name in sorted(names)}
    return found | ({"corruptions": VERSION} if any(target.corruption for target in targets) else {})
