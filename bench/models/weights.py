"""Weights: files checked and read, official names turned into ours, sizes adapted, everything loaded strictly."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from timm.layers.patch_embed import resample_patch_embed
from timm.models.vision_transformer_sam import VisionTransformerSAM
from torch import Tensor, nn

from bench.api import mismatches
from bench.errors import DamagedFile
from bench.models.card import BackboneCard, Resize, load_card
from bench.models.card import names as card_names
from bench.models.hooked import HookedBackbone
from bench.models.hub import expected_sha256, file_sha256, weights_path
from bench.models.leftovers import of_timm
from bench.models.names import State, fold_class_position, to_timm
from bench.models.vit import Normalised, ViTBackbone, resize_positions

DERIVED = (".relative_position_index", ".attn_mask", "rope.periods")
"""Ends of the names of tables that follow from the sizes and are made, not loaded."""


def read_weights(path: Path, sha256: str = "") -> State:
    """Tensors of a .safetensors or torch file, half precision as float32.

    Raises DamagedFile when the checksum (if given) is another or the file cannot be read.
    """
    if sha256 and file_sha256(path) != sha256:
        raise DamagedFile(path, f"its sha256 is not {sha256}, the one in its card")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
    except UnpicklingError as error:
        raise DamagedFile(path, "cannot be read as tensors (nothing else in a file is ever run)") from error
    except Exception as error:  # a file that is none can fail in any way
        raise DamagedFile(path, f"cannot be read: {error or type(error).__name__}") from error
    if not state:
        raise DamagedFile(path, "holds no named tensors, neither at its top nor under state_dict or model")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


class _Inert:
    """Stands for any object of a library that a checkpoint holds beside its tensors (logs, configurations)."""

    def __init__(self, *_: object, **__: object) -> None:
        """Nothing of it is used."""

    def __setstate__(self, state: object) -> None:
        """Nothing of it is kept."""


def _read_torch(path: Path) -> State:
    """Tensors of a torch file. Its other objects are never built: each is replaced by one that does nothing."""
    others = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []
    # torch fills lists alone: a deque, as training logs are, becomes one.
    inert: list[Any] = [(list if name == "collections.deque" else _Inert, name) for name in others]
    with torch.serialization.safe_globals(inert):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not named tensors")
    return {name: tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


def load_strict(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load `state` into `module`; DamagedFile naming what is missing, unexpected or misshapen."""
    if problems := mismatches(module.state_dict(), state):
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DamagedFile(path, "does not fit: " + "; ".join(problems[:5]) + more)
    module.load_state_dict(dict(state))


def load_backbone(backbone: Normalised, card: BackboneCard, given: Path | None = None) -> None:
    """Load the card's weights, or the file `given` in their place.

    Raises PrerequisiteError when they are absent, DamagedFile, naming what is wrong, when they are not the model's.
    """
    path = weights_path(card, given)
    if card.loader == "transformers":
        from bench.models import huggingface  # transformers takes seconds to import

        huggingface.load(backbone, path)
        return
    state = read_weights(path, expected_sha256(card, given))
    if isinstance(backbone, ViTBackbone):
        load_backbone_state(backbone, state, path, card.resize, card.dropped, _native_grid(card), card.family)
    elif isinstance(backbone, HookedBackbone):
        if isinstance(backbone.model, VisionTransformerSAM):
            state = to_timm(state)
            if "pos_embed" in state:
                state["pos_embed"] = _resize_map(state["pos_embed"], backbone.model.pos_embed)
        state = used(state, of_timm(card.family, type(backbone.model).__name__), card.dropped)
        load_strict(backbone.model, state, path)


def _native_grid(card: BackboneCard) -> tuple[int, int] | None:
    """The patch grid of a card's own weights, whatever size this run takes; None for models without a card."""
    if card.name not in card_names():
        return None
    own = load_card(card.name)
    if own.img_size is None or own.patch_size is None:
        return None
    return own.img_size[0] // own.patch_size, own.img_size[1] // own.patch_size


def load_backbone_state(
    backbone: ViTBackbone,
    state: Mapping[str, Tensor],
    path: Path,
    resize: Resize = "bicubic",
    dropped: tuple[str, ...] = (),
    native: tuple[int, int] | None = None,
    family: str = "",
) -> None:
    """Load timm's, Facebook's or official EVA02 names; patch kernel and position embedding are resized to fit.

    `native` is the patch grid of the weights that are expected; None takes any square. `family` is the card's: what its
    files may hold beside the backbone.
    """
    converted = used(to_timm(state), of_timm(family, type(backbone.vit).__name__), dropped)
    for axis in ("cos", "sin"):
        table = converted.pop(f"rope.freqs_{axis}", None)
        if table is not None:
            _check_rope(backbone, axis, table, path)
    kernel = converted.get("patch_embed.proj.weight")
    if kernel is not None and kernel.dim() == 4:
        converted["patch_embed.proj.weight"] = resize_kernel(kernel, backbone.patch_size, resize)
    if "pos_embed" in converted and backbone.vit.pos_embed is not None:
        prefix = backbone.vit.pos_embed.shape[1] - backbone.grid[0] * backbone.grid[1]
        if not prefix and "cls_token" in converted and _square(converted["pos_embed"].shape[1] - 1):
            fold_class_position(converted)
        positions = converted["pos_embed"]
        count = positions.shape[1] - prefix
        side = math.isqrt(count)
        # Published models are pre-trained on squares; a grid that is neither one nor the card's, or that is the
        # model's own, is taken as it is.
        if positions.shape != backbone.vit.pos_embed.shape:
            if native is not None and math.prod(native) == count:
                converted["pos_embed"] = resize_positions(positions, native, backbone.grid, prefix)
            elif side * side == count:
                if native is not None:
                    _check_grid(side, backbone, native, path)
                converted["pos_embed"] = resize_positions(positions, (side, side), backbone.grid, prefix)
    load_strict(backbone.vit, converted, path)


def _check_grid(side: int, backbone: ViTBackbone, native: tuple[int, int] | None, path: Path) -> None:
    """A position embedding of a grid that is neither the card's nor this run's belongs to other weights."""
    grids = {backbone.grid, native or backbone.grid}
    if (side, side) not in grids:
        known = " or ".join(f"{h} x {w}" for h, w in sorted(grids))
        raise DamagedFile(path, f"are other weights: its positions are a {side} x {side} grid, the card's {known}")


def _square(count: int) -> bool:
    return math.isqrt(count) ** 2 == count


def _resize_map(positions: Tensor, like: Tensor | None) -> Tensor:
    """SAM's position embedding (1, h, w, C) at the grid of another, bicubic."""
    if like is None or positions.dim() != 4 or positions.shape == like.shape:
        return positions
    resized = F.interpolate(positions.movedim(-1, 1), size=like.shape[1:3], mode="bicubic", align_corners=False)
    return resized.movedim(1, -1)


def used(state: Mapping[str, Tensor], leftovers: re.Pattern[str], dropped: tuple[str, ...] = ()) -> State:
    """What of a published backbone its features pass through: all but `leftovers`, names that begin as `dropped` say,
    and derived tables."""
    return {
        name: tensor
        for name, tensor in state.items()
        if not (leftovers.fullmatch(name) or name.startswith(dropped) or name.endswith(DERIVED))
    }


def resize_kernel(kernel: Tensor, patch: int, how: Resize = "bicubic") -> Tensor:
    """Patch kernel (C, 3, p, p) -> (C, 3, patch, patch).

    `bicubic`: plain, what published Rein weights were trained on; `pinv`: timm's, the pseudo-inverse of FlexiViT
    (arXiv 2212.08013, section 3.4). Features of the two differ: a run's weights fit only the one it was made with.
    """
    if kernel.shape[-1] == patch:
        return kernel
    if how == "pinv":
        return cast(Tensor, resample_patch_embed(kernel, [patch, patch]))
    return F.interpolate(kernel, size=(patch, patch), mode="bicubic", align_corners=False)


def _check_rope(backbone: ViTBackbone, axis: str, table: Tensor, path: Path) -> None:
    """The file's rotary table must be ours: it follows from the sizes, another one means another model."""
    ours = backbone.rope_table(backbone.grid)
    if ours is None:
        raise DamagedFile(path, "has a rotary embedding, the model has none")
    sine, cosine = ours.chunk(2, dim=-1)
    expected = cosine if axis == "cos" else sine
    if table.shape != expected.shape:
        # Made for another grid; the model computes its own.
        return
    if not torch.allclose(table, expected.to(table.device), atol=1e-4):
        raise DamagedFile(path, f"rope.freqs_{axis} is not the table of a {backbone.grid} grid of this model")
