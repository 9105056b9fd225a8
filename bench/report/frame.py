"""Result files -> one pandas frame, a row for each complete run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.cost.figures import COLUMNS
from bench.data.labels import CLASSES
from bench.metrics import mean_present
from bench.report.corruptions import figures
from bench.report.scored import Scored, score_all
from bench.result import RunResult
from bench.spec import NO_BACKBONE, Group, RunSpec, Target

TARGET = "target:"
"""Prefix of the columns that hold one target's mIoU; `ece:` and others hold its other scores."""


CLASS = "class:"
"""Prefix of the columns that hold one class's IoU."""
CORRUPTION = "corruption:"
"""Prefix of the columns that hold the mIoU under one corruption, the mean over the severities that were run."""
CLEAN = f"{CORRUPTION}clean"
"""The same without one: on the very same images."""
RANKED_GROUPS: tuple[Group, ...] = ("unseen", "weather", "corruption", "reliability")
"""What rows are ranked by: the mean of the first of these groups that a protocol has targets of."""


def to_frame(results: Iterable[RunResult | Scored], root: Path | None = None) -> pd.DataFrame:
    """One row per complete run: identity, mIoU in percent (summary and ``target:<name>``), cost, device.

    `root` is the folder that the results were read from: counts of single images beside them are read where a figure
    needs them.

    ``variant`` names the settings that tell apart the series of one method and backbone; it is empty
    where there is only one.
    """
    complete = [result for result in score_all(results, root) if result.complete]
    variants = _variants(complete)
    rows = []
    for result in complete:
        spec, found = result.spec, result.found
        rows.append(
            {
                "protocol": spec.protocol,
                "track": spec.track.name,
                "backbone": spec.backbone,
                "method": spec.method,
                "variant": variants[result.series],
                "weights": "random" if spec.weights == "random" else "pretrained",
                "series": result.series,
                "seed": spec.seed,
                "device": result.device,
                "seen": result.seen,
                "grid": result.swept.grid if result.swept else {},
                "scored_on": result.scored_on,
                **figures(result.swept),
                "trained_on": any(target.trained_on for target in spec.targets),
                **found.summary,
                **dict(zip((TARGET + name for name in found.names), found.miou.tolist(), strict=True)),
                **dict(zip((f"ece:{name}" for name in found.names), found.ece.tolist(), strict=True)),
                **{
                    f"{key}:{name}": value
                    for name, anomaly in found.anomaly.items()
                    for key, value in anomaly._asdict().items()
                },
                **_per_class(result),
                **_per_corruption(result),
                **(dict.fromkeys(COLUMNS) | (result.cost.row() if result.cost else {})),
            }
        )
    return pd.DataFrame(rows)


def _per_class(result: Scored) -> dict[str, float]:
    """IoU of each class, the mean over those targets of the ranked group that have it; nan where none has."""
    groups = {target.name: target.group for target in result.spec.targets}
    group = next((key for key in RANKED_GROUPS if key in groups.values()), None)
    mine = [place for place, name in enumerate(result.found.names) if groups[name] == group]
    if not mine:
        return {}
    means = mean_present(result.found.iou[mine].T)
    return {CLASS + name: value for name, value in zip(CLASSES, means.tolist(), strict=False)}


def _per_corruption(result: Scored) -> dict[str, float | None]:
    if result.swept is None:
        return {}
    means = {name: sum(scores.values()) / len(scores) for name, scores in result.swept.grid.items()}
    return {CLEAN: result.swept.clean} | {CORRUPTION + name: value for name, value in means.items()}


def targets_of(specs: Iterable[RunSpec]) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Group -> targets of each (protocol, track), in the order the specs list them."""
    found: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for spec in specs:
        groups = found.setdefault((spec.protocol, spec.track.name), {})
        for target in spec.targets:
            groups.setdefault(target.group, {})[target.name] = None
    return {place: {group: list(names) for group, names in groups.items()} for place, groups in found.items()}


def _variants(results: Iterable[Scored]) -> dict[str, str]:
    """Series -> "key=value, ..." of what is not the protocol's choice, and of what tells it from its sisters."""
    families: dict[tuple[str, ...], dict[str, Scored]] = {}
    for result in results:
        spec = result.spec
        family = (spec.protocol, spec.track.name, spec.backbone, spec.method, str(spec.weights == "random"))
        families.setdefault(family, {})[result.series] = result
    names: dict[str, str] = {}
    for sisters in families.values():
        # An only child differs from nobody, whatever its settings; sisters by their departures, if these suffice.
        shown = {series: chosen(one.settings) for series, one in sisters.items()}
        if len({repr(each) for each in shown.values()}) < len(sisters):
            settings = {series: chosen(_settings(one)) for series, one in sisters.items()}
            keys = sorted({key for each in settings.values() for key in each})
            differing = [key for key in keys if len({repr(each.get(key)) for each in settings.values()}) > 1]
            shown = {
                series: {key: settings[series].get(key) for key in differing} | own for series, own in shown.items()
            }
        names |= {
            series: ", ".join(f"{key}={_short(each[key])}" for key in sorted(each)) for series, each in shown.items()
        }
    return names


def chosen(settings: dict[str, Any]) -> dict[str, Any]:
    """As `--set` names them, sorted; without what follows from others (generated images) or changes no score."""
    kept = (key for key in sorted(settings) if key != "data.generated" and not key.split(".")[-1].startswith("save_"))
    return {key.removeprefix("method_config."): settings[key] for key in kept}


def _settings(result: Scored) -> dict[str, Any]:
    """All that a series' runs have in common, flat."""
    spec = result.spec
    # A method's own model has hundreds of settings; the method names it in its config.
    hidden = {"seed", "backbone_config"} if spec.backbone == NO_BACKBONE else {"seed"}
    swept = [target for target in spec.targets if target.corruption]
    named = {target.name for target in swept}
    kept = spec.model_copy(update={"targets": tuple(target for target in spec.targets if target not in swept)})
    settings = _flatten(kept.model_dump(mode="json", exclude=hidden)) | {
        f"images of {name}": f"{count} ({hash_[:8]})"
        for name, (count, hash_) in result.images.items()
        if name not in named
    }
    return settings | {"corruptions": _sweep_in_short(swept)}


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
    text = " ".join(str(value).replace(", ", " ").split())  # of several lines, one
    return text if len(text) <= 24 else text[:21] + "..."
