"""All that a plugin may import: the contracts of backbones, heads, methods and what a method builds.

A method is one file with a `CARD`; its `build` gets a frozen-or-not `Backbone`, a head factory and its own typed
configuration, and returns a `Segmenter`. Loops, data and evaluation belong to the suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.config import GeneratedConfig, MethodConfig
from bench.data.labels import CLASSES, IGNORE, colourise
from bench.errors import PrerequisiteError, UnknownName, UserError
from bench.models.libraries import load_model
from bench.models.local import located, recorded
from bench.parts import Backbone, Head, HeadFactory, Language, NoBackbone, Refine, ScoreKind
from bench.segmenter import Segmenter, freeze, mismatches

__all__ = [
    "CLASSES",
    "IGNORE",
    "Backbone",
    "GeneratedConfig",
    "Head",
    "HeadFactory",
    "Language",
    "MethodCard",
    "MethodConfig",
    "NoBackbone",
    "OwnModel",
    "PrerequisiteError",
    "Refine",
    "ScoreKind",
    "Segmenter",
    "UnknownName",
    "UserError",
    "colourise",
    "freeze",
    "load_model",
    "located",
    "mismatches",
    "recorded",
    "shipped",
]

MINIS = Path(__file__).parent / "models" / "minis"
"""Where the suite's own small models lie."""


def shipped(name: str) -> Path:
    """Folder or file of one of the suite's own small models; UnknownName, with the known names, for any other."""
    known = {
        path.stem: path
        for path in MINIS.iterdir()
        if path.suffix == ".safetensors" or (path / "model.safetensors").is_file()
    }
    if name not in known:
        raise UnknownName("shipped model", name, known)
    return known[name]


@dataclass(frozen=True)
class OwnModel:
    """What a method that brings its own model puts into the run's identity, in place of a backbone's card."""

    settings: MethodConfig
    """The method's options as the run records them: contents and checksums, no paths."""
    model: Mapping[str, Any]
    """All that decides the model, as JSON values: recorded as the run's `backbone_config`."""
    weights: str = "random"
    """`sha256:<hex>` of the weights that training starts from."""


BuildFn = Callable[[Backbone, HeadFactory, Any], Segmenter]


@dataclass(frozen=True)
class MethodCard:
    """What the suite knows of a method: how to build it, its options, and where it is from.

    `recipe` and `head` hold the method's own overrides of the training recipe and of the head's configuration; the
    protocol's settings go over them.
    `own_model` makes it a method without a backbone (`--backbone none`, no head of the suite): called with the options
    as given and the number of classes, it reads what they name; `build` then gets a `NoBackbone` and what it returned.
    """

    name: str
    summary: str
    build: BuildFn
    config: type[MethodConfig] = MethodConfig
    citation: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    own_model: Callable[[Any, int], OwnModel] | None = None
