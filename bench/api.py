"""All that a plugin may import: the contracts of backbones, heads, methods and what a method builds.

A method is one file with a `CARD`; its `build` gets a frozen-or-not `Backbone`, a head factory and its own typed
configuration, and returns a `Segmenter`. Loops, data and evaluation belong to the suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from bench.config import GeneratedConfig, MethodConfig
from bench.errors import PrerequisiteError, UnknownName, UserError

__all__ = [
    "Backbone",
    "GeneratedConfig",
    "Head",
    "HeadFactory",
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
    "freeze",
    "mismatches",
]

Refine = Callable[[Tensor, int], Tensor]
"""(B, N, C) patch tokens and the block index -> tokens of the same shape."""

ScoreKind = Literal["logits", "evidence"]
"""What class scores are: logits, or evidence (not negative, of any scale; Mask2Former's), whose shares are probable."""

M = TypeVar("M", bound=nn.Module)


class Backbone(nn.Module):
    """A vision foundation model that returns a feature pyramid.

    `channels` are those of the four maps. `widths` has the width of the tokens after each block: all the same in a
    plain vision transformer, one for each stage in ConvNeXt, ResNet or Swin. `plain` says that every block attends to
    all tokens (B, N, C) at once, as VPT's prompts need it.
    """

    channels: tuple[int, int, int, int]
    widths: tuple[int, ...]
    plain: bool = False

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.widths)

    @property
    def width(self) -> int:
        """Width of the last block's tokens."""
        return self.widths[-1]

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks in their order, for methods that work inside them; the backbone goes on using these modules."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in

    def forward(self, images: Tensor, refine: Refine | None = None) -> list[Tensor]:
        """RGB images in [0, 1], (B, 3, H, W) of any size -> maps (B, C, ceil(H / s), ceil(W / s)), s = 4, 8, 16, 32.

        `refine` is called on the patch tokens after every block; what it returns goes on to the next block.
        """
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in


class NoBackbone(Backbone):
    """Given to a method that brings its own model: no parameters, no maps; `config` is `OwnModel.model` of the run."""

    channels = (0, 0, 0, 0)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = config


class Head(nn.Module):
    """Turns a feature pyramid into class scores.

    `no_decay` names parameters exempt from weight decay (prefixes). `score_kind` says what the scores are, for those
    who make probabilities of them: `bench.reliability.probabilities`.
    """

    no_decay: tuple[str, ...] = ()
    score_kind: ScoreKind = "logits"

    def loss(self, features: list[Tensor], labels: Tensor, queries: Tensor | None = None) -> dict[str, Tensor]:
        """Loss terms, already weighted, for labels (B, H, W) int64 with 255 ignored."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in

    def logits(self, features: list[Tensor], size: tuple[int, int], queries: Tensor | None = None) -> Tensor:
        """Class scores (B, classes, *size)."""
        raise NotImplementedError  # a contract: the backbone or head that is built fills it in


class HeadFactory(Protocol):
    """Makes the run's head; the protocol decides its sizes, a method only whether queries are linked to its tokens."""

    @property
    def hidden(self) -> int: ...

    @property
    def num_queries(self) -> int: ...

    @property
    def takes_queries(self) -> bool: ...

    def __call__(self, channels: tuple[int, int, int, int], linked: bool = False) -> Head: ...


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
