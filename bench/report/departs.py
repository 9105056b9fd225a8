"""Does a result hold what its protocol asks for, and say where it does not? Imports no torch.

What a method brings of its own to recipe and options is not known here, so that only those fields are compared that
the protocol, its track or its overrides of the recipe for the method decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.protocols import Protocol, load_protocol, names
from bench.result import RunResult
from bench.spec import RunSpec


def of_protocol(result: RunResult) -> Iterator[str]:
    """One line for each thing that is not as the protocol has it, and not among the settings that tables name.

    Nothing of protocols that are not the suite's. Other corruptions than the protocol's may be asked for: rows of such
    stand apart in every table.
    """
    spec = result.spec
    scored, _, trained = spec.protocol.partition("@")
    if scored in names():
        yield from _scored(spec, load_protocol(scored), whole=not trained)
    home = trained or scored
    if home in names():
        yield from _trained(result, load_protocol(home))


def _scored(spec: RunSpec, rules: Protocol, whole: bool) -> Iterator[str]:
    """Track, classes and targets; not `whole` where the targets of another protocol's source stand beside them."""
    if spec.track.name not in [track.name for track in rules.tracks]:
        yield f"its track {spec.track.name!r} is none of protocol {rules.name}"
        return
    if spec.track != rules.track(spec.track.name):
        yield f"its track is not the {spec.track.name} of protocol {rules.name}"
    if spec.classes != rules.classes:
        yield f"its mIoU is over {spec.classes}, that of protocol {rules.name} over {rules.classes}"
    if not whole:
        return
    mine, theirs = (
        {target.name: target for target in targets if target.corruption is None}
        for targets in (spec.targets, rules.targets_of(spec.track.name))
    )
    for name in [*theirs, *(name for name in mine if name not in theirs)]:
        if name not in mine:
            yield f"target {name!r} of protocol {rules.name} is not in its specification"
        elif name not in theirs:
            yield f"target {name!r} is not one of protocol {rules.name}"
        elif mine[name] != theirs[name]:
            yield f"target {name!r} is not as protocol {rules.name} has it"


def _trained(result: RunResult, rules: Protocol) -> Iterator[str]:
    """Whether what departs from the protocol's own choices is among the settings, and these are the specification's."""
    spec, settings = result.spec, result.settings
    tracks = [track.name for track in rules.tracks]
    on_track = rules.rules(spec.track.name if spec.track.name in tracks else tracks[0])
    for_method = rules.methods.get(spec.method, {}) if spec.checkpoint is None else {}
    wanted: Mapping[str, Mapping[str, Any]] = {
        "recipe": {**rules.recipe, **on_track.recipe, **for_method.get("recipe", {})},
        "head": rules.head if spec.checkpoint is None else {},
    }
    held = spec.model_dump(mode="json")
    for part, fields in wanted.items():
        for key, value in fields.items():
            name, has = f"{part}.{key}", held[part].get(key)
            if _plain(has) != _plain(value) and name not in settings:
                yield f"{name} is {has}, in protocol {rules.name} {value}, and not among its settings"
    if spec.precision != rules.precision and "precision" not in settings:
        yield f"it is in {spec.precision}, protocol {rules.name} in {rules.precision}, and its settings do not say so"
    for name, value in settings.items():
        part, _, key = name.partition(".")
        there = held[part].get(key) if key and isinstance(held.get(part), dict) else value
        if isinstance(value, bool | int | float) and there != value:
            yield f"its settings say that {name} is {value}, its specification {there}"


def _plain(value: Any) -> Any:
    """As JSON has it: lists for tuples."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
