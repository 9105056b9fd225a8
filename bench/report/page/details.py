"""What the page's drawer shows of one run. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.byproducts import Byproducts
from bench.data.labels import CLASSES
from bench.report.corruptions import Sweep
from bench.report.page.command import commands
from bench.report.page.rows import answers_of
from bench.report.scored import Known, Scored
from bench.report.scores import TargetScore, scores
from bench.result import RunResult, result_path
from bench.spec import RunSpec

Detail = dict[str, Any]
BINS_OF = ("source", "unseen", "weather")
"""Groups whose calibration is drawn."""
RUNG = re.compile(r"([a-z]+)-([1-5])")
"""Name of a target that is one of a ladder's."""


def detail(
    run: Scored, result: RunResult, byproducts: Byproducts, trained: Mapping[str, RunSpec], known: Known
) -> Detail:
    """One run as plain data: specification, provenance, scores by target and class, curves, cost, and its commands.

    `result` is what the file of `run` holds, `byproducts` are of its reading. `trained` are the `trainings` of all
    runs, `known` keeps what is the same for many.
    """
    spec, found = result.spec, scores(result, byproducts)
    answers = answers_of(run.spec, known)
    swept, how = run.swept, commands(result, trained)
    file = result_path(spec, Path(), result.spec_hash)
    return {
        "run": file.stem,
        "file": file.as_posix(),
        "spec": spec.model_dump(mode="json"),
        "spec_hash": result.spec_hash,
        "settings": result.settings,
        "provenance": result.provenance.model_dump(mode="json"),
        "track": run.tested,
        "classes": list(CLASSES),
        "summary": {key: _round(value) for key, value in found.summary.items() if value is not None},
        "targets": [_target(result, name, score, answers.get(name, "")) for name, score in found.targets.items()],
        "curve": {key: [getattr(point, key) for point in result.curve] for key in ("iteration", "loss", "lr")},
        "severities": _severities(swept, found.targets),
        "calibration": _calibration(result),
        "cost": result.cost.row() if result.cost else None,
        "seconds": result.seconds.model_dump(mode="json"),
        "commands": how.lines,
        "notes": how.notes,
    }


def _target(result: RunResult, name: str, score: TargetScore, answer: str) -> Detail:
    plain = score._asdict() | {"iou": [_round(value) for value in score.iou.values()]}
    plain |= {key: _round(plain[key]) for key in ("miou", "pixel_accuracy", "mean_accuracy", "ece", "nll")}
    plain["anomaly"] = None if score.anomaly is None else {k: _round(v) for k, v in score.anomaly._asdict().items()}
    return {"name": name, **plain, "left_out": result.targets[name].left_out, "seen": answer}


def _severities(swept: Sweep | None, targets: dict[str, TargetScore]) -> dict[str, list[list[float | None]]]:
    """Curves of mIoU against severity: corruptions, and ladders of targets named `fog-1`, `fog-2`, ... .

    Severity 0 is the same images clean, where they are known: of ladders, the protocol's one target for reference.
    """
    found: dict[str, dict[int, float | None]] = {name: dict(row) for name, row in swept.grid.items()} if swept else {}
    clean: dict[str, float | None] = dict.fromkeys(found, swept.clean if swept else None)
    reference = [score.miou for score in targets.values() if score.group == "reference"]
    for name, score in targets.items():
        rung = RUNG.fullmatch(name)
        if rung and score.group != "corruption":
            found.setdefault(rung[1], {})[int(rung[2])] = score.miou
            clean[rung[1]] = reference[0] if len(reference) == 1 else None
    return {
        name: [
            [severity, _round(score)]
            for severity, score in sorted((row if clean[name] is None else row | {0: clean[name]}).items())
        ]
        for name, row in found.items()
        if len(row) > 1
    }


def _calibration(result: RunResult) -> dict[str, list[list[float]]]:
    """Group -> [mean confidence, share of right pixels, share of all pixels], percent, of each bin that has pixels."""
    found: dict[str, list[list[float]]] = {}
    for group in BINS_OF:
        bins = [target.reliability.bins for target in result.targets.values() if target.group == group]
        if bins:
            found[group] = list(_bins(zip(*bins, strict=True)))
    return found


def _bins(columns: Iterable[Sequence[tuple[int, float, int]]]) -> Iterable[list[float]]:
    sums = [tuple(sum(part) for part in zip(*column, strict=True)) for column in columns]
    total = sum(pixels for pixels, _, _ in sums)
    for pixels, confidence, right in sums:
        if pixels:
            yield [round(100 * share, 2) for share in (confidence / pixels, right / pixels, pixels / total)]


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
