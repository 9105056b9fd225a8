"""Training state on disk: what trains, its optimiser, and where training stands. Nothing frozen is saved.

One safetensors file (no pickles): tensors `model.<name>`, `training.<name>` (a teacher's) and
`optimizer.<parameter>.<key>`, and the rest as JSON in its header. Written atomically, so a killed run leaves the last
whole one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bench.api import Segmenter
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.result import CurvePoint
from bench.writing import write_atomically


class Progress(BaseModel):
    """Where a training stands."""

    model_config = ConfigDict(extra="forbid")

    spec_hash: str
    step: int = 0
    """Iterations done."""
    seconds: float = 0.0
    """Wall time spent training, all attempts together."""
    curve: list[CurvePoint] = []
    generated: str | None = None
    """Checksum over the generated images that are trained on."""
    recent: list[float] = []
    """Losses since the curve's last point, which is their mean."""


def save_checkpoint(
    path: Path, progress: Progress, segmenter: Segmenter, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Write a checkpoint; without `optimizer` the final weights only. Raises PrerequisiteError."""
    tensors = {f"model.{name}": tensor for name, tensor in segmenter.trainable_state().items()}
    if optimizer is not None:
        tensors |= {f"training.{name}": tensor for name, tensor in segmenter.training_state().items()}
        for parameter, name in _names(segmenter, optimizer).items():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = torch.as_tensor(value)
    _write(path, progress, tensors)


def load_checkpoint(
    path: Path, spec_hash: str, segmenter: Segmenter, optimizer: torch.optim.Optimizer | None = None
) -> Progress | None:
    """Put a checkpoint's state into `segmenter` (and `optimizer`); None if there is no such file.

    Raises DamagedFile for a file that cannot be read, is of another spec, or does not fit the model.
    """
    if not path.exists():
        return None
    try:
        progress, tensors = _read(path)
        if progress.spec_hash != spec_hash:
            raise DamagedFile(path, f"it belongs to the run {progress.spec_hash[:12]}")
        segmenter.load_trainable_state(_below(tensors, "model."))
        if optimizer is not None:
            segmenter.load_training_state(_below(tensors, "training."))
            state = _below(tensors, "optimizer.")
            for parameter, name in _names(segmenter, optimizer).items():
                own = _below(state, f"{name}.")
                optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in own.items()}
    except (SafetensorError, OSError, ValueError, KeyError) as error:  # pydantic's is a ValueError
        raise DamagedFile(path, f"{error}; delete it to start again") from error
    return progress


def read_progress(path: Path) -> Progress:
    """Where the training of a checkpoint stands. Raises DamagedFile."""
    try:
        return _read(path)[0]
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DamagedFile(path, f"{error}; delete it to start again") from error


def adopt(path: Path, copy: Path, spec_hash: str) -> None:
    """Copy the weights of a finished training for the run of another spec, unless it has the same ones already.

    Raises DamagedFile, PrerequisiteError, and UserError where that run has others.
    """
    try:
        progress, tensors = _read(path)
        if copy.exists():
            theirs = _read(copy)[1]
            if theirs.keys() == tensors.keys() and all(torch.equal(theirs[name], tensors[name]) for name in tensors):
                return
            raise UserError(f"run {spec_hash[:12]} has weights of its own: delete {copy} to score these instead")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DamagedFile(path, f"{error}; delete it to start again") from error
    _write(copy, progress.model_copy(update={"spec_hash": spec_hash}), tensors)


def _write(path: Path, progress: Progress, tensors: dict[str, Tensor]) -> None:
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(held, metadata={"progress": progress.model_dump_json()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda stream: stream.write(data))
    except OSError as error:
        raise PrerequisiteError(f"cannot save {path}: {error.strerror or error}") from error


def _read(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    with safe_open(path, framework="pt", device="cpu") as file:
        header: dict[str, Any] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    return Progress.model_validate(json.loads(header["progress"])), tensors


def _names(segmenter: Segmenter, optimizer: torch.optim.Optimizer) -> dict[torch.nn.Parameter, str]:
    held = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    return {parameter: name for name, parameter in segmenter.named_parameters() if parameter in held}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
