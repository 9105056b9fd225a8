"""From an mmsegmentation config to the model that is trained here, as JSON values.

What is changed, and why: the number of classes is the suite's; nothing is downloaded; one process has no SyncBN to
synchronise; everything trains, as frozen random weights would be of no use; windows and crops are the suite's.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from bench.api import PrerequisiteError, UnknownName, UserError

Node = dict[str, Any]


def find_config(text: str) -> Path:
    """The file that is meant: a path, or the name of a config that mmsegmentation ships.

    Raises UserError for a file that is not there, UnknownName (with a suggestion) for an unknown name.
    """
    path = Path(text).expanduser()
    if text.endswith(".py"):
        if not path.is_file():
            raise UserError(f"there is no mmsegmentation config {text}")
        return path
    shipped = {file.stem: file for file in _shipped().rglob("*.py") if "_base_" not in file.parts}
    if text not in shipped:
        raise UnknownName("mmsegmentation config", text, shipped)
    return shipped[text]


def _shipped() -> Path:
    found = importlib.util.find_spec("mmseg")
    if found is None or found.origin is None:
        raise PrerequisiteError("mmsegmentation is not installed: pip install -e '.[mmseg]'")
    return Path(found.origin).parent / ".mim" / "configs"


def read_config(path: Path, classes: int) -> Node:
    """The config's model for so many classes: `segmentor`, `preprocessor`, and the `imports` its types need.

    Raises UserError, naming the config, for one that is no model of mmsegmentation or that JSON cannot hold.
    """
    from mmengine.config import Config

    try:
        config = Config.fromfile(str(path), import_custom_modules=False).to_dict()
    except Exception as error:  # a config is a program: it can fail in any way
        raise UserError(f"config {path.stem} cannot be read: {_first_line(error)}") from error
    if not isinstance(config.get("model"), dict):
        raise UserError(f"config {path.stem} has no model")
    try:
        model = json.loads(json.dumps(_marked(config["model"]), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UserError(f"the model of config {path.stem} is more than JSON can hold: {_first_line(error)}") from error
    given = model.pop("data_preprocessor", None) or config.get("data_preprocessor") or {}
    imports = (config.get("custom_imports") or {}).get("imports", [])
    segmentor = _for_the_suite(model)
    heads = [head for key in ("decode_head", "auxiliary_head") for head in _several(segmentor.get(key))]
    for head in heads:
        if (old := _classes(head)) is None:
            raise UserError(f"config {path.stem} has a head without num_classes: it does not segment into classes")
        _set_classes(head, old, classes, path.stem)
    if not heads:
        raise UserError(f"config {path.stem} has no decode head: is it one of mmsegmentation?")
    testing = {
        key: value for key, value in (segmentor.get("test_cfg") or {}).items() if key not in ("stride", "crop_size")
    }
    segmentor |= {"test_cfg": testing | {"mode": "whole"}}
    return {
        "segmentor": segmentor,
        "preprocessor": _preprocessor(given),
        "imports": [imports] if isinstance(imports, str) else list(imports),
    }


def _marked(value: Any) -> Any:
    """Tuples as {"tuple": [...]}: JSON has none, and some models insist on them."""
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_marked(item) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    return value


def unmarked(value: Any) -> Any:
    """What `_marked` made, as it was."""
    if isinstance(value, dict):
        plain = {key: unmarked(item) for key, item in value.items()}
        return tuple(plain["tuple"]) if plain.keys() == {"tuple"} else plain
    return [unmarked(item) for item in value] if isinstance(value, list) else value


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _several(heads: Node | list[Node] | None) -> list[Node]:
    return heads if isinstance(heads, list) else [] if heads is None else [heads]


def _preprocessor(given: Node) -> Node:
    """What of mmsegmentation's preprocessor is done to an image: all but the padding to a training crop."""
    of_test = given.get("test_cfg") or {}
    return {
        "mean": [float(value) for value in given.get("mean") or [0.0]],
        "std": [float(value) for value in given.get("std") or [1.0]],
        # mmsegmentation reads images as BGR, and either switch turns the channels round.
        "rgb": bool(given.get("bgr_to_rgb") or given.get("rgb_to_bgr")),
        "size_divisor": int(of_test.get("size_divisor") or given.get("size_divisor") or 1),
        "pad_val": float(given.get("pad_val") or 0),
    }


def _for_the_suite(value: Any) -> Any:
    """A copy in which nothing is downloaded, synchronised or frozen."""
    if isinstance(value, list):
        return [_for_the_suite(item) for item in value if not _is_download(item)]
    if not isinstance(value, dict):
        return value
    node = {key: None if _is_download(item) else _for_the_suite(item) for key, item in value.items()}
    if node.get("type") in ("SyncBN", "MMSyncBN", "NaiveSyncBN"):
        node["type"] = "BN"
    if "type" in node and "requires_grad" in node:
        node["requires_grad"] = True
    unfrozen = {"pretrained": None, "frozen_stages": -1, "norm_eval": False}
    return node | {key: plain for key, plain in unfrozen.items() if key in node}


def _is_download(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "Pretrained"


def _parts(node: Node) -> list[Node]:
    """The dicts directly below a dict, those in its lists included."""
    values = [item for value in node.values() for item in (value if isinstance(value, list) else [value])]
    return [value for value in values if isinstance(value, dict)]


def _classes(head: Node) -> int | None:
    """A head's number of classes: its own, or that of the first of its parts that has one (K-Net)."""
    if isinstance(head.get("num_classes"), int):
        return int(head["num_classes"])
    return next((found for part in _parts(head) if (found := _classes(part)) is not None), None)


def _set_classes(node: Node, old: int, new: int, config: str) -> None:
    """Change the number of classes wherever a head's config says it."""
    if node.get("out_channels") in (1, old):  # 1: two classes in one score
        del node["out_channels"]
    weights = node.get("class_weight")
    of_pixels = node.get("type") == "CrossEntropyLoss" and not node.get("use_sigmoid")
    if of_pixels and isinstance(weights, list) and len(weights) == old:
        what = "mmsegmentation 1.2 looks up a weight for ignored pixels too, and fails"
        raise UserError(f"config {config} weights classes in CrossEntropyLoss: {what}; leave class_weight out")
    for key, value in node.items():
        if key == "num_classes" and value == old:
            node[key] = new
        elif key == "class_weight" and isinstance(value, list):
            node[key] = _class_weights(value, old, new, config)
    for part in _parts(node):
        _set_classes(part, old, new, config)


def _class_weights(weights: list[float], old: int, new: int, config: str) -> list[float]:
    """Weights for the new classes; what stands behind those of the classes ("no object") stays behind."""
    own, behind = weights[:old], weights[old:]
    if old != new and len(set(own)) != 1:
        raise UserError(f"config {config} weights its {old} classes unequally: nobody says how to weight {new}")
    return (own if old == new else own[:1] * new) + behind
