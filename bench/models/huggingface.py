"""Vision models of transformers as backbones, by `hf:REPOSITORY`: plain ones, SAM's encoder, ConvNeXt, Swin, ResNet.

The configuration goes into the run's identity, so that a run can be built again from its spec alone.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from timm.layers.pos_embed import resample_abs_pos_embed_nhwc
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.configuration_utils import PretrainedConfig
from transformers.utils import logging

from bench.api import mismatches
from bench.errors import DamagedFile, PrerequisiteError, UserError
from bench.models.card import BackboneCard
from bench.models.hooked import Anatomy, HookedBackbone, Layout
from bench.models.hub import hub_is_reachable
from bench.models.leftovers import of_transformers
from bench.models.timm_models import thirds
from bench.models.vit import Normalised
from bench.models.weights import read_weights

SAM = "sam_vision_model"
AFTER = ("layernorm", "layer_norm", "norm", "post_layernorm", "pooler", "pool", "head")
"""What comes after the last block; features do not pass through it."""
UNTRAINED = "mask_token"
"""Stands for hidden patches in pre-training; features do not pass through it."""
NOT_IDENTITY = (
    "transformers_version",
    "architectures",
    "dtype",
    "torch_dtype",
    "_name_or_path",
    "model_type",
    "id2label",
    "label2id",
)
"""Parts of a configuration file that change no feature, or stand elsewhere in the card."""


def describe(repository: str, folder: Path | None) -> dict[str, Any]:
    """The fields of a card for a repository of the hub, or for its copy in `folder`.

    Raises PrerequisiteError when its configuration cannot be had, UserError for a model that is none of vision.
    """
    source = _source(repository, folder)
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=folder is not None or not hub_is_reachable())
    except (OSError, ValueError) as error:
        advice = "give a folder with its config.json and model.safetensors with --weights"
        raise PrerequisiteError(f"hf:{repository}: no configuration ({_first_line(error)}); {advice}") from error
    config = cast(PretrainedConfig, getattr(config, "vision_config", config))
    kwargs = {name: value for name, value in config.to_diff_dict().items() if name not in NOT_IDENTITY}
    card = BackboneCard(name=repository, summary="", family="hf", architecture=config.model_type, kwargs=kwargs)
    with torch.device("meta"):
        model = _create(card)
    anatomy = _anatomy(model, config)
    fields: dict[str, Any] = {"loader": "transformers", "architecture": config.model_type, "kwargs": kwargs}
    if len(anatomy.stages) == 1:
        fields["out_indices"] = thirds(len(anatomy.stages[0]))
    fields |= {"hub": repository, "summary": f"transformers' {config.model_type} from {repository}"}
    return fields | _normalisation(source)


def build(card: BackboneCard) -> Normalised:
    """The model of the card's configuration with random weights."""
    model = _create(card)
    config = cast(PretrainedConfig, cast(Any, model).config)
    return HookedBackbone(model, _anatomy(model, config), card.out_indices, card)


def load(backbone: Normalised, path: Path) -> None:
    """Load the model's weights from this very file, under whatever names transformers gives them.

    Raises DamagedFile naming what is missing, unexpected or misshapen; heads and text towers that models of this type
    have may be there, too.
    """
    model = cast(HookedBackbone, backbone).model
    config, given = cast(Any, model).config, read_weights(path)
    with _silent():
        try:
            loaded, info = cast(Any, type(model)).from_pretrained(
                None, config=config, state_dict=dict(given), output_loading_info=True, ignore_mismatched_sizes=True
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise DamagedFile(path, _first_line(error)) from error
    wanted, aside = model.state_dict(), of_transformers(config.model_type)
    strange = [name for name in info["unexpected_keys"] if not aside.fullmatch(name)]
    problems = [f"missing {name}" for name in sorted(info["missing_keys"]) if name in wanted]
    problems += [f"unexpected {name}" for name in sorted(strange)]
    problems += [f"{entry[0]} has shape {tuple(entry[1])}, not {tuple(entry[2])}" for entry in info["mismatched_keys"]]
    state = {name: tensor for name, tensor in loaded.state_dict().items() if name in wanted}
    if problems := problems or mismatches(wanted, state):
        raise DamagedFile(path, "does not fit: " + "; ".join(problems[:5]))
    model.load_state_dict(state)


@contextmanager
def _silent() -> Iterator[None]:
    """Without transformers' report and progress bar: what is wrong is said in one line by whoever loads."""
    before = logging.get_verbosity()
    logging.set_verbosity(50)  # critical
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers' own
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # transformers' own


def _create(card: BackboneCard) -> nn.Module:
    try:
        config = AutoConfig.for_model(card.architecture, **card.kwargs)
        model = cast(nn.Module, cast(Any, AutoModel).from_config(config))
        for module in model.modules():
            if UNTRAINED in dict(module.named_parameters(recurse=False)):
                module.register_parameter(UNTRAINED, None)
        return model
    except (ValueError, KeyError) as error:
        raise UserError(f"{card.name}: transformers cannot build {card.architecture}: {_first_line(error)}") from error


def _anatomy(model: nn.Module, config: PretrainedConfig) -> Anatomy:
    """Where the blocks are: in the first list of stages that have lists of layers, else in the first list of layers."""
    lists = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    }
    stages = next((found for module in lists.values() if (found := _stages(module))), None)
    patch = int(getattr(config, "patch_size", 4))
    run = partial(_run, model)
    after = _present(model)
    if stages is not None:
        first = patch if config.model_type.startswith("swin") else 4
        cells = [first * 2**stage for stage in range(len(stages))]
        widths = getattr(config, "hidden_sizes", None) or [config.embed_dim * 2**stage for stage in range(len(stages))]
        layout: Layout = "tokens" if config.model_type.startswith("swin") else "nchw"
        return Anatomy(run, stages, widths, cells, layout, after)
    blocks = next(
        (list(m) for name, m in lists.items() if name.rpartition(".")[2] in ("layer", "layers", "blocks")), None
    )
    if blocks is None or not hasattr(config, "patch_size"):
        raise UserError(f"transformers' {config.model_type} cannot be a backbone here: it has no list of vision layers")
    if config.model_type == SAM:
        run, after = partial(_run_sam, model), ["vision_encoder.neck"]
        return Anatomy(run, [blocks], [config.hidden_size], [patch], "nhwc", after)
    if "sam" in config.model_type:
        raise UserError(f"hf: takes no {config.model_type}: of SAM's family only the first ({SAM})")
    return Anatomy(run, [blocks], [config.hidden_size], [patch], "tokens", after, plain=True)


def _stages(module: nn.ModuleList) -> list[list[nn.Module]] | None:
    """The blocks of each stage, if that is what the list holds."""
    inner = [getattr(stage, "layers", getattr(stage, "blocks", None)) for stage in module]
    if not all(isinstance(layers, nn.ModuleList | nn.Sequential) for layers in inner):
        return None
    return [list(cast(nn.ModuleList, layers)) for layers in inner]


def _run(model: nn.Module, images: Tensor) -> object:
    """All blocks on normalised images, at whatever size they have."""
    options: dict[str, Any] = {}
    known = _parameters(type(model))
    if "interpolate_pos_encoding" in known:
        options["interpolate_pos_encoding"] = True
    if "noise" in known:
        # MAE's encoder hides patches in the order of this noise; with a ratio of 0 it hides none and keeps their order.
        cells = images[0, 0].numel() // int(cast(Any, model).config.patch_size) ** 2
        cast(Any, model).config.mask_ratio = 0.0
        options["noise"] = torch.arange(cells, device=images.device).expand(len(images), -1)
    return model(pixel_values=images, **options)


def _run_sam(model: nn.Module, images: Tensor) -> object:
    """All blocks of SAM on normalised images. Its own forward pass is this, but takes one size alone.

    The position embedding is resized to the grid of the images as timm does it; the blocks take any grid: windows are
    padded, relative positions resized, by themselves.
    """
    encoder = cast(Any, model).vision_encoder
    tokens = encoder.patch_embed.projection(images).movedim(1, -1)
    if encoder.pos_embed is not None:
        tokens = tokens + resample_abs_pos_embed_nhwc(encoder.pos_embed, list(tokens.shape[1:3]))
    for block in encoder.layers:
        tokens = block(tokens)
    return tokens


def _parameters(kind: type[nn.Module]) -> set[str]:
    return set(inspect.signature(kind.forward).parameters)


def _present(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_children() if name in AFTER]


def _source(repository: str, folder: Path | None) -> str:
    if folder is None:
        return repository
    return str(folder if folder.is_dir() else folder.parent)


def _normalisation(source: str) -> dict[str, Any]:
    """Mean and std of the model's own image processor, where it has one; else ImageNet's, the card's default."""
    from transformers.utils.hub import cached_file

    try:
        path = cached_file(source, "preprocessor_config.json", local_files_only=not hub_is_reachable())
        found = json.loads(Path(str(path)).read_text(encoding="utf-8"))
        return {"mean": found["image_mean"], "std": found["image_std"]}
    except (OSError, KeyError, ValueError):
        return {}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
