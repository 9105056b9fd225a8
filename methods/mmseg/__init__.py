"""Any mmsegmentation model, trained and scored like the rest: --backbone none --set config=NAME_OR_FILE."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.api import (
    Backbone,
    Head,
    HeadFactory,
    MethodCard,
    MethodConfig,
    NoBackbone,
    OwnModel,
    PrerequisiteError,
    Segmenter,
    UserError,
    mismatches,
)
from methods.mmseg.library import load_library, quiet, require_packages
from methods.mmseg.plan import find_config, read_config, unmarked

IGNORE = 255
WRONG_SIZE = ("must match the size of tensor", "Output size is too small", "Kernel size can't be greater")
"""torch's words when a model's parts do not meet, or an image is too small for its kernels."""
OF_MASKS = {"MaskFormerHead", "Mask2FormerHead", "SideAdapterCLIPHead"}
"""The decode heads that score a class by the sum of its masks, which is evidence and not a logit."""
_CHECKPOINTS: dict[str, Path] = {}
"""Where the checkpoints named in this process lie: paths are no part of a run's identity."""


class MmsegConfig(MethodConfig):
    """Which mmsegmentation model."""

    config: str = ""
    """File of an mmsegmentation config, or the name of one that mmsegmentation ships; recorded without its folder."""
    checkpoint: str | None = None
    """File with the whole model's weights; recorded as sha256:<hex>. None: random, no pre-training of any part."""
    digest: str | None = None
    """Filled in: 12 hex digits that change when the config's model does."""


def own_model(config: MmsegConfig, classes: int) -> OwnModel:
    """Read the config file: its model as it is trained here, and the checksum of the checkpoint.

    Raises PrerequisiteError without mmsegmentation, UnknownName for a config nobody ships, UserError for files that
    are not there or cannot be used.
    """
    require_packages()
    if not config.config:
        raise UserError("method mmseg needs a model: --set config=NAME_OR_FILE of an mmsegmentation config")
    if config.digest is not None:
        raise UserError("--set digest: it is taken from the config")
    path = find_config(config.config)
    model = read_config(path, classes)
    text = json.dumps(model, sort_keys=True, separators=(",", ":"))
    weights = _identify(config.checkpoint) if config.checkpoint is not None else None
    settings = MmsegConfig(config=path.stem, checkpoint=weights, digest=hashlib.sha256(text.encode()).hexdigest()[:12])
    return OwnModel(settings, model, weights or "random")


def build(backbone: Backbone, make_head: HeadFactory, config: MmsegConfig) -> Segmenter:
    """The model that `own_model` read, all of it trainable, with random weights or the checkpoint's."""
    if not isinstance(backbone, NoBackbone):
        raise UserError("method mmseg brings its own model: give it --backbone none")
    load_library()
    plan = backbone.config
    model = _build_model(config.config, plan)
    if config.checkpoint is not None:
        _load_checkpoint(model, config.checkpoint)
    return MmsegSegmenter(model.requires_grad_(True), plan["preprocessor"])


class MmsegSegmenter(Segmenter):
    """A segmentor of mmsegmentation behind the suite's contract; plan.py says what `preprocessor` holds."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, preprocessor: Mapping[str, Any]) -> None:
        embeddings = [name for name, module in model.named_modules() if isinstance(module, nn.Embedding)]
        super().__init__(NoBackbone({}), Head(), no_decay=tuple(f"model.{name}." for name in embeddings))
        self.model = model
        last = getattr(model, "decode_head", None)  # of a cascade, a list: its last one's scores are given
        last = last[-1] if isinstance(last, nn.ModuleList) else last
        if OF_MASKS & {kind.__name__ for kind in type(last).__mro__}:
            self.head.score_kind = "evidence"
        self.rgb, self.divisor = bool(preprocessor["rgb"]), int(preprocessor["size_divisor"])
        self.pad_value = float(preprocessor["pad_val"])
        # Not persistent: the normalisation belongs to the config, not to the weights.
        self.register_buffer("mean", torch.tensor(preprocessor["mean"]).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessor["std"]).view(-1, 1, 1), persistent=False)

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted losses of the decode head and, if there are any, of the auxiliary heads."""
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        inputs, labels = self._prepare(images), self._pad(labels, IGNORE)
        samples = []
        for label in labels:
            sample = SegDataSample(metainfo=_meta(inputs))
            sample.gt_sem_seg = PixelData(data=label[None])
            samples.append(sample)
        with _refusals(images):
            found = cast("Callable[..., Mapping[str, Any]]", self.model.loss)(inputs, samples)
        # What else is in there (accuracies) is for mmsegmentation's log.
        return {name: _total(value) for name, value in found.items() if "loss" in name}

    def logits(self, images: Tensor) -> Tensor:
        """Class scores (B, classes, H, W) for RGB images in [0, 1] (B, 3, H, W)."""
        inputs = self._prepare(images)
        encode_decode = cast("Callable[..., Tensor]", self.model.encode_decode)
        with _refusals(images):
            scores = encode_decode(inputs, [_meta(inputs) for _ in inputs])
        return scores[..., : images.shape[-2], : images.shape[-1]].float()

    def _prepare(self, images: Tensor) -> Tensor:
        """As mmsegmentation's preprocessor: 0 to 255, channel order, mean and std, then padding at bottom and right."""
        channels = images if self.rgb else images.flip(1)
        return self._pad((channels * 255 - self.mean) / self.std, self.pad_value)

    def _pad(self, maps: Tensor, value: float) -> Tensor:
        height, width = (-side % self.divisor for side in maps.shape[-2:])
        return F.pad(maps, (0, width, 0, height), value=value) if height or width else maps


def _meta(inputs: Tensor) -> dict[str, Any]:
    size = tuple(inputs.shape[-2:])
    return {"ori_shape": size, "img_shape": size, "pad_shape": size, "padding_size": [0, 0, 0, 0]}


@contextmanager
def _refusals(images: Tensor) -> Iterator[None]:
    """One line for what a model cannot be given, where its own code says something else."""
    height, width = images.shape[-2:]
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise UserError("this model normalises over the batch: recipe.batch_size must be 2 or more") from error
        raise
    except AttributeError as error:
        if "gt_" in str(error):
            raise UserError(f"this model needs labels that the suite has not: {error}") from error
        raise
    except RuntimeError as error:
        if any(words in str(error) for words in WRONG_SIZE):
            raise UserError(
                f"this model cannot take {height} x {width} pixels: set recipe.crop to what it can"
            ) from error
        raise


def _total(value: Tensor | list[Tensor]) -> Tensor:
    """A loss as mmengine reduces it: the mean of each tensor, summed over lists."""
    terms = [value] if isinstance(value, Tensor) else value
    return torch.stack([term.float().mean() for term in terms]).sum()


def _build_model(name: str, plan: Mapping[str, Any]) -> nn.Module:
    """The segmentor, initialised as mmsegmentation does it, from torch's generator."""
    from mmengine.config import ConfigDict
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    try:
        # In the scope its own programs have: some models build parts of themselves in whichever is the current one.
        with quiet(), DefaultScope.overwrite_default_scope("mmseg"):
            for module in plan["imports"]:
                importlib.import_module(module)
            model = cast(nn.Module, MODELS.build(ConfigDict(unmarked(plan["segmentor"]))))
            cast("Callable[[], None]", model.init_weights)()
    except ModuleNotFoundError as error:
        raise PrerequisiteError(f"config {name} needs {error.name}, which is not installed") from error
    except (KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
        what = f"{type(error).__name__} {' '.join(str(error).split())[:300]}"
        raise UserError(f"config {name} cannot be built: {what}") from error
    if not hasattr(model, "encode_decode"):
        raise UserError(f"config {name}: {type(model).__name__} is no segmentor (it has no encode_decode)")
    return model


def _identify(text: str) -> str:
    """`sha256:<hex>` of a checkpoint, which is then known to `build`."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise UserError(f"there is no checkpoint {text}")
    identity = _sha256(path)
    _CHECKPOINTS[identity] = path
    return identity


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _load_checkpoint(model: nn.Module, identity: str) -> None:
    """Load the whole model. Nothing may be missing, left over or misshapen, auxiliary heads included: they train too.

    Raises PrerequisiteError when this process was not told where the file is, UserError when it does not fit.
    """
    path = _CHECKPOINTS.get(identity)
    if path is None or not path.is_file():
        raise PrerequisiteError(f"the checkpoint {identity} is not at hand: name its file with --set checkpoint=FILE")
    if _sha256(path) != identity:
        raise UserError(f"checkpoint {path} has changed since this run was specified")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        advice = "save its state_dict alone"
        raise UserError(f"checkpoint {path} cannot be read without running its code: {advice}") from error
    state = held.get("state_dict", held) if isinstance(held, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"checkpoint {path} holds no state_dict")
    if (classes := _other_classes(model, state)) is not None:
        raise UserError(f"checkpoint {path} is for {classes} classes, the suite has {model.num_classes}")
    if problems := mismatches(model.state_dict(), state):
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(f"checkpoint {path} does not fit: {'; '.join(problems[:3])}{more}")
    model.load_state_dict(state)


def _other_classes(model: nn.Module, given: Mapping[str, Tensor]) -> int | None:
    """The classes of a checkpoint whose layers of class scores, and nothing else, are of another size."""
    shapes = [
        (tuple(given[name].shape), tuple(tensor.shape))
        for name, tensor in model.state_dict().items()
        if name in given and given[name].shape != tensor.shape
    ]
    classes = int(cast(int, model.num_classes))
    scores = all(
        theirs and ours and theirs[1:] == ours[1:] and ours[0] in (classes, classes + 1) for theirs, ours in shapes
    )
    surplus = {theirs[0] - ours[0] for theirs, ours in shapes} if scores else set()
    return classes + surplus.pop() if len(surplus) == 1 else None


CARD = MethodCard(
    name="mmseg",
    summary="any mmsegmentation model (extra mmseg), with --backbone none --set config=NAME_OR_FILE",
    build=build,
    config=MmsegConfig,
    own_model=own_model,
)
