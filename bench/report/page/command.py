"""The command that makes a run again, from its result file alone. Imports no torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bench import protocols
from bench.result import RunResult
from bench.spec import RunSpec, Target, canonical_fields, spec_hash

PROGRAM = "python -m bench"
PARTS = {"method_config": "method", "backbone_config": "backbone", "recipe": "recipe", "head": "head"}
"""Part of a specification -> what `--set` calls it."""


class Commands(NamedTuple):
    """How a run is made again."""

    lines: list[str]
    """Shell commands, one after the other."""
    notes: list[str]
    """What they need, or cannot say."""


def commands(result: RunResult, known: Mapping[str, RunSpec] | None = None) -> Commands:
    """The commands that lead to the very specification of `result`, into a folder of their own.

    A run that was scored on another protocol's targets is made in two steps; its first is looked up in `known`, which
    are the `trainings` of what lies beside it.
    """
    spec, lines, notes = result.spec, [], []
    scored, elsewhere, base = spec.protocol.rpartition("@")
    options, more = _options(result)
    notes += more
    named = ["--method", spec.method, "--backbone", spec.backbone, "--protocol", base, "--track", spec.track.name]
    if spec.checkpoint is not None:
        lines.append(_line("import", "CHECKPOINT", *named, *options))
        notes.append(f"CHECKPOINT is the published file with {spec.checkpoint[:19]}...")
        lines.append(_line("evaluate", "RUN"))
        notes.append("RUN is the folder that `import` prints.")
        return Commands(lines, notes)
    swept = _corruptions(spec, base, scored if elsewhere else base)
    lines.append(_line("run", *named, "--seed", str(spec.seed), *options, *([] if elsewhere else swept)))
    if elsewhere:
        trained = (known or {}).get(_training(spec, base))
        first = spec_hash(trained) if trained else ""
        lines.append(_line("evaluate", first[:12] or "RUN", "--protocol", scored, "--track", spec.track.name, *swept))
        if not first:
            notes.append("RUN is the run that the first command makes: the first digits of its file's name.")
    return Commands(lines, notes)


def _line(*words: str) -> str:
    return f"{PROGRAM} {shlex.join([*words, '--results', 'mine'])}"


def _options(result: RunResult) -> tuple[list[str], list[str]]:
    """The settings that were not the protocol's own, as options, and what cannot be one."""
    options: list[str] = []
    notes: list[str] = []
    spec = result.spec
    for key, value in sorted(result.settings.items()):
        part, _, field = key.partition(".")
        if key == "precision":
            options += ["--precision", str(value)]
        elif key == "weights":
            options += ["--weights", "WEIGHTS"]
            notes.append(f"WEIGHTS is the backbone's file with {spec.weights[:19]}...")
        elif key == "sources":
            notes.append(f"It was trained on {value}, which its protocol no longer names.")
        elif key == "compile" or part in PARTS:
            whole = value if key == "compile" else getattr(spec, part)
            full = (
                whole
                if key == "compile"
                else (whole if isinstance(whole, dict) else whole.model_dump(mode="json"))[field]
            )
            options += ["--set", f"{key if key == 'compile' else f'{PARTS[part]}.{field}'}={_text(full)}"]
    if spec.weights == "random":
        options += ["--set", "weights=random"]
    return options, notes


def _text(value: Any) -> str:
    """A value as `--set` reads it back: bare text where it is no JSON, else JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            if "," not in value:
                return value
    return json.dumps(value, separators=(",", ":"))


def _corruptions(spec: RunSpec, base: str, scored: str) -> list[str]:
    """`--corruptions`, where those of the run are not what the protocol sweeps anyway."""
    if scored not in protocols.names():
        return []
    mine = _pairs(spec.targets)
    if mine == _pairs(protocols.load_protocol(scored).all_targets()):
        return []
    return ["--corruptions", ",".join(f"{name}:{severity}" for name, severity in mine)] if mine else []


def _pairs(targets: Sequence[Target]) -> list[tuple[str, int]]:
    return [(target.corruption, target.severity) for target in targets if target.corruption and target.severity]


def trainings(specs: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """Runs by what they were trained as, the first of each: to look up whose weights another was scored with."""
    found: dict[str, RunSpec] = {}
    for spec in specs:
        found.setdefault(_training(spec, spec.protocol), spec)
    return found


def _training(spec: RunSpec, protocol: str) -> str:
    """All of a specification but where it was scored, as one text."""
    scored = {"protocol", "targets", "track", "data"}
    texts = {key: text for key, text in canonical_fields(spec).items() if key not in scored}
    return json.dumps([protocol, *sorted(texts.items())])
