"""Methods that bring their own model: what stands in their specs where others have a backbone's card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bench.data.labels import CLASSES
from bench.errors import UserError
from bench.spec import NO_BACKBONE

if TYPE_CHECKING:
    from bench.api import MethodCard
    from bench.resolve import Setting


def check_backbone(plugin: MethodCard, backbone: str) -> None:
    """Raise UserError unless `backbone` is "none" for a method that brings its own model, and for no other."""
    if plugin.own_model is None and backbone == NO_BACKBONE:
        hint = f"--backbone {NO_BACKBONE} is for methods that bring their own model"
        raise UserError(f"method {plugin.name} needs a backbone: {hint}")
    if plugin.own_model is not None and backbone != NO_BACKBONE:
        raise UserError(f"method {plugin.name} brings its own model: give it --backbone {NO_BACKBONE}")


def own_model(
    plugin: MethodCard, config: BaseModel, settings: Iterable[Setting], weights: Path | None, complete: bool
) -> dict[str, Any]:
    """The spec's fields for the model that the method's options name; without `complete` nothing is read.

    Raises UserError for settings that would change nothing, and what the method raises.
    """
    if weights is not None:
        raise UserError(f"--weights {weights}: method {plugin.name} brings its own model; its options name weights")
    for setting in settings:
        if setting.part in ("head", "backbone") or (setting.part == "spec" and setting.field == "compile"):
            raise UserError(
                f"--set {setting.text}: method {plugin.name} brings its own model, which that does not reach"
            )
    fields = {"method_config": config.model_dump(mode="json"), "backbone": NO_BACKBONE, "weights": "random"}
    if not complete or plugin.own_model is None:
        return fields
    own = plugin.own_model(config, len(CLASSES))
    for setting in settings:
        if setting.field == "weights" and setting.part == "spec" and setting.value != own.weights:
            raise UserError(f"--set {setting.text}: the options of method {plugin.name} name the weights {own.weights}")
    recorded = {"method_config": own.settings.model_dump(mode="json"), "backbone_config": dict(own.model)}
    return fields | recorded | {"weights": own.weights}
