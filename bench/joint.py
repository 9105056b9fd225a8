"""Opens what the joint phase of a run trains on beside the source: generated images, made where they are missing."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.api import GeneratedConfig, MethodCard
from bench.data.stream import Joint
from bench.errors import UserError
from bench.generated import place, revision
from bench.generated.folder import make, open_generated
from bench.observer import Observer
from bench.registry import METHODS
from bench.spec import GENERATED, RunSpec


def open_joint(spec: RunSpec, results: Path, device: torch.device, observer: Observer) -> Joint | None:
    """The generated images of a run, as a part of its stream; None for a method without a joint phase.

    Raises PrerequisiteError where the generator cannot be had, UserError for a painter that has changed since.
    """
    method: MethodCard = METHODS.get(spec.method)
    config = method.config.model_validate(spec.method_config)
    if not isinstance(config, GeneratedConfig) or not config.joint_iterations or not config.images:
        return None
    if spec.data.get(GENERATED) != revision(config):
        raise UserError("what generates the images has changed since this run was specified: specify it again")
    folder = place(results, config)
    make(config, folder, device, observer)
    weights = (config.source_weight, config.generated_weight)
    return Joint(spec.recipe.iterations, open_generated(config, folder), weights)
