"""What a method builds: a backbone, a head and perhaps an adapter, and what of them trains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from bench.parts import Backbone, Head, Refine, ScoreKind

M = TypeVar("M", bound=nn.Module)


def freeze(module: M) -> M:
    """Stop `module` from training and put it in eval mode; returns it."""
    return module.requires_grad_(False).eval()


class Segmenter(nn.Module):
    """A backbone, a head and perhaps an adapter; what trains is what requires a gradient.

    `adapter` is a module called as `refine(tokens, block)`; if it has a method `queries()`, that gives the head's
    queries (num_queries, hidden). `lr_scale` maps name prefixes to learning-rate factors, `no_decay` lists name
    prefixes exempt from weight decay, besides all normalisation layers and what the head itself names.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: Head,
        adapter: nn.Module | None = None,
        lr_scale: Mapping[str, float] | None = None,
        no_decay: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.adapter = adapter
        self._lr_scale = dict(lr_scale or {})
        self._no_decay = no_decay + tuple(f"head.{name}" for name in head.no_decay)

    @property
    def score_kind(self) -> ScoreKind:
        """What `logits` gives: the head's."""
        return self.head.score_kind

    def _features(self, images: Tensor) -> tuple[list[Tensor], Tensor | None]:
        features = self.backbone(images, cast("Refine | None", self.adapter))
        make_queries = getattr(self.adapter, "queries", None)
        return features, make_queries() if make_queries is not None else None

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss terms for RGB images in [0, 1] (B, 3, H, W) and train ids (B, H, W) int64, 255 ignored.

        Their sum is what is minimised.
        """
        features, queries = self._features(images)
        return self.head.loss(features, labels, queries)

    def logits(self, images: Tensor) -> Tensor:
        """Class scores (B, classes, H, W) for RGB images in [0, 1] (B, 3, H, W)."""
        features, queries = self._features(images)
        height, width = images.shape[-2:]
        return self.head.logits(features, (height, width), queries)

    def forward(self, images: Tensor) -> Tensor:
        """The same as `logits`, so that generic tools (FLOP counters, exporters) can call the module."""
        return self.logits(images)

    def train(self, mode: bool = True) -> Segmenter:
        """Set the mode; a module whose parameters are all frozen stays in eval (no drop path, fixed statistics)."""
        _set_mode(self, mode)
        return self

    def lr_scale(self, name: str) -> float:
        """Learning-rate factor of the parameter `name`: that of the longest matching prefix, else 1."""
        matches = [prefix for prefix in self._lr_scale if name.startswith(prefix)]
        return self._lr_scale[max(matches, key=len)] if matches else 1.0

    def no_decay(self, name: str) -> bool:
        """Whether the parameter `name` is exempt from weight decay."""
        return name.startswith(self._no_decay) or _is_norm(self.get_submodule(name.rpartition(".")[0]))

    def prepare(self, folder: Path, device: torch.device) -> None:
        """Called before training begins or goes on: load what only training needs, a teacher's helpers.

        Pictures that show how training goes may be written below `folder`. Raises PrerequisiteError for what cannot be
        had, before anything slow.
        """

    def release(self) -> None:
        """Called when training is over: let go of what `prepare` has loaded."""

    def before_joint_step(self, step: int) -> None:
        """Called before iteration `step` of the joint phase (see `GeneratedConfig`), counted from its start."""

    def pseudo_labels(self, images: Tensor) -> Tensor:
        """Train ids (B, H, W) int64, 255 unknown, of generated RGB images in [0, 1] (B, 3, H, W).

        The joint phase calls it with the images as they are; `loss` then gets another view of them with these labels.
        """
        raise NotImplementedError("a method that asks for generated images must label them")

    def training_state(self) -> dict[str, Tensor]:
        """What an interrupted training needs beside the trainable state to go on, as a teacher; not kept at its end."""
        return {}

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `training_state` gave."""

    def trainable_names(self) -> list[str]:
        """Names of the parameters that train, in the module's order."""
        return [name for name, parameter in self.named_parameters() if parameter.requires_grad]

    def trainable_state(self) -> dict[str, Tensor]:
        """Copies of what training changes: trainable parameters, and the buffers that stand beside them."""
        return {name: tensor.detach().clone() for name, tensor in self._trainable_tensors().items()}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Load what `trainable_state` gave; raises ValueError naming what is missing, unexpected or misshapen."""
        own = self._trainable_tensors()
        if problems := mismatches(own, state):
            raise ValueError("trainable state does not fit: " + "; ".join(problems))
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(state[name])

    def _trainable_tensors(self) -> dict[str, Tensor]:
        full = self.state_dict(keep_vars=True)
        found: dict[str, Tensor] = {}
        for prefix, module in self.named_modules():
            own = [name for name, parameter in module.named_parameters(recurse=False) if parameter.requires_grad]
            if not own:
                continue
            own += [name for name, _ in module.named_buffers(recurse=False)]
            names = (f"{prefix}.{name}" if prefix else name for name in own)
            found.update((name, full[name]) for name in names if name in full)
        return found


def mismatches(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """What of `given` is missing, unexpected or misshapen against `own`, one phrase each."""
    return [
        *(f"missing {name}" for name in own if name not in given),
        *(f"unexpected {name}" for name in given if name not in own),
        *(
            f"{name} has shape {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
            for name, tensor in own.items()
            if name in given and given[name].shape != tensor.shape
        ),
    ]


def _set_mode(module: nn.Module, mode: bool) -> None:
    parameters = list(module.parameters())
    # Modules without parameters (dropout, activations) follow the module they belong to.
    module.training = mode and (not parameters or any(parameter.requires_grad for parameter in parameters))
    for child in module.children():
        _set_mode(child, module.training)


def _is_norm(module: nn.Module) -> bool:
    """Normalisation layers by class: torch's and, by name, those of the libraries (timm, transformers)."""
    known = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._BatchNorm)
    return isinstance(module, known) or type(module).__name__.endswith("Norm")
