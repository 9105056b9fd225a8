"""Result files -> one pandas frame, a row for each complete run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.report.corruptions import figures, sweep
from bench.report.scores import scores
from bench.report.seen import in_short
from bench.report.single import COST
from bench.result import RunResult, result_path
from bench.spec import NO_BACKBONE, Target, series_hash

TARGET = "target:"
"""Prefix of the columns that hold one target's mIoU; `ece:` and others hold its other scores."""


def to_frame(results: Iterable[RunResult], root: Path | None = None) -> pd.DataFrame:
    """One row per complete run: identity, mIoU in percent (summary and ``target:<name>``), cost, device.

    `root` is the folder that the results were read from: counts of single images beside them are read where a figure
    needs them.

    ``variant`` names the settings that tell apart the series of one method and backbone; it is empty
    where there is only one.
    """
    complete = [result for result in results if result.state == "complete"]
    variants = _variants(complete)
    rows = []
    for result in complete:
        spec, found = result.spec, scores(result)
        swept = sweep(result, found, result_path(spec, root) if root else None)
        rows.append(
            {
                "protocol": spec.protocol,
                "track": spec.track.name,
                "backbone": spec.backbone,
                "method": spec.method,
                "variant": variants[series_of(result)],
                "weights": "random" if spec.weights == "random" else "pretrained",
                "series": series_of(result),
                "seed": spec.seed,
                "device": result.provenance.device_name,
                "seen": in_short(spec),
                "grid": swept.grid if swept else {},
                **figures(swept),
                "trained_on": any(target.trained_on for target in spec.targets),
                **found.summary,
                **{TARGET + name: target.miou for name, target in found.targets.items()},
                **{f"ece:{name}": target.ece for name, target in found.targets.items()},
                **{
                    f"{key}:{name}": value
                    for name, target in found.targets.items()
                    if target.anomaly is not None
                    for key, value in target.anomaly._asdict().items()
                },
                **{key: getattr(result.cost, key) for key in COST},
            }
        )
    return pd.DataFrame(rows)


def targets_of(results: Iterable[RunResult]) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Group -> targets of each (protocol, track), in the order the specs list them."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for result in results:
        groups = found.setdefault((result.spec.protocol, result.spec.track.name), {})
        for target in result.spec.targets:
            names = groups.setdefault(target.group, [])
            if target.name not in names:
                names.append(target.name)
    return found


def series_of(result: RunResult) -> str:
    """Runs with the same one are repetitions: of one spec but for the seed, scored on the same images."""
    lists = sorted(f"{name} {target.file_list_hash}" for name, target in result.targets.items())
    return hashlib.sha256("\n".join([series_hash(result.spec), *lists]).encode()).hexdigest()


def _variants(results: Iterable[RunResult]) -> dict[str, str]:
    """Series hash -> "key=value, ..." of what is not the protocol's choice, and of what tells it from its sisters."""
    families: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    departed: dict[str, dict[str, Any]] = {}
    for result in results:
        spec = result.spec
        family = (spec.protocol, spec.track.name, spec.backbone, spec.method, str(spec.weights == "random"))
        # A method's own model has hundreds of settings; the method names it in its config.
        hidden = {"seed", "backbone_config"} if spec.backbone == NO_BACKBONE else {"seed"}
        swept = [target for target in spec.targets if target.corruption]
        named = {target.name for target in swept}
        kept = spec.model_copy(update={"targets": tuple(target for target in spec.targets if target not in swept)})
        settings = _flatten(kept.model_dump(mode="json", exclude=hidden)) | {
            f"images of {name}": f"{target.images} ({target.file_list_hash[:8]})"
            for name, target in result.targets.items()
            if name not in named
        }
        settings["corruptions"] = _sweep_in_short(swept)
        families.setdefault(family, {})[series_of(result)] = settings
        departed[series_of(result)] = result.settings
    names = {}
    for sisters in families.values():
        keys = sorted({key for settings in sisters.values() for key in settings})
        differing = [key for key in keys if len({repr(settings.get(key)) for settings in sisters.values()}) > 1]
        for series, settings in sisters.items():
            shown = {key: settings.get(key) for key in differing} | departed[series]
            names[series] = ", ".join(f"{key}={_short(shown[key])}" for key in sorted(shown))
    return names


def _sweep_in_short(targets: Sequence[Target]) -> str:
    """Corruptions as a setting: how many, and a few digits that tell which."""
    text = "\n".join(target.model_dump_json() for target in targets)
    return f"{len(targets)} ({hashlib.sha256(text.encode()).hexdigest()[:6]})" if targets else "none"


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [(str(item.get("name", number)), item) for number, item in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in items:
        flat |= _flatten(item, f"{prefix}.{key}" if prefix else key)
    return flat


def _short(value: Any) -> str:
    text = str(value).replace(", ", " ")
    return text if len(text) <= 24 else text[:21] + "..."
