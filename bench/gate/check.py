"""The two things the verb `check` does: measure against a baseline, and write a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import UnknownName, UserError
from bench.gate.baseline import (
    RULE,
    Baseline,
    Budget,
    Entry,
    Figures,
    Tolerances,
    pooled,
    tolerances,
    write_baseline,
)
from bench.gate.compare import Outcome, Row, added, compare, require_same_protocol
from bench.gate.quick import Place, Quick, Subject, folder, protocol_state, quick_run
from bench.result import Provenance

DEFAULT = Subject(("rein", "full", "frozen"), "eva02", "streets", "native", (), Budget())
"""What a baseline is of where neither the command nor an earlier file says."""


def subject(baseline: Baseline) -> Subject:
    """What a baseline is of."""
    shared = (baseline.backbone, baseline.protocol, baseline.track, baseline.sets, baseline.budget)
    return Subject(tuple(baseline.methods), *shared)


def check(baseline: Baseline, path: Path, place: Place, methods: tuple[str, ...] = ()) -> Outcome:
    """Run each method of `baseline` (or only these) once, with its first seed, and compare.

    Raises UnknownName for a method that it has not, UserError for one of another version of the protocol, and what
    runs raise.
    """
    wanted = subject(baseline)
    for method in methods:
        if method not in baseline.methods:
            raise UnknownName(f"method of {path}:", method, baseline.methods)
    seed = wanted.budget.seeds[0]
    specs = {method: wanted.spec(method, seed, place.weights) for method in methods or baseline.methods}
    for spec in specs.values():  # all, before the first minute is spent
        require_same_protocol(baseline, protocol_state(spec), path)
    rows: list[Row] = []
    notes: list[str] = []
    quick: Quick | None = None
    with folder(place) as results:
        for method, spec in specs.items():
            quick = quick_run(spec, results, place, "rerun")
            entry = baseline.methods[method]
            rows += compare(method, entry, quick.figures, baseline.tolerances)
            notes += _notes(method, entry, quick.figures)
    assert quick is not None, "a baseline has a method"
    here = quick.result.provenance
    return Outcome(rows, [*notes, *_elsewhere(baseline.provenance, here)], here)


def update(path: Path, wanted: Subject, place: Place) -> Baseline:
    """Run every method with every seed, and write the baseline. Raises what runs raise, before anything is written."""
    specs = {
        (method, seed): wanted.spec(method, seed, place.weights)
        for method in wanted.methods
        for seed in wanted.budget.seeds
    }
    found: dict[str, list[Quick]] = {method: [] for method in wanted.methods}
    with folder(place) as results:
        for (method, seed), spec in specs.items():
            answers = seed == wanted.budget.seeds[0]  # that of a check
            found[method].append(quick_run(spec, results, place, "skip", answers=answers))
    baseline = assemble(wanted, protocol_state(next(iter(specs.values()))), found)
    write_baseline(baseline, path)
    return baseline


def assemble(wanted: Subject, state: dict[str, Any], found: dict[str, list[Quick]]) -> Baseline:
    """The baseline of these runs, one list a method, in the order of the seeds."""
    methods = {method: _entry([quick.figures for quick in runs]) for method, runs in found.items()}
    scores = [entry.miou for entry in methods.values()]
    allowed = tolerances(scores)
    provenance = next(iter(found.values()))[0].result.provenance
    return Baseline(
        protocol=wanted.protocol,
        track=wanted.track,
        backbone=wanted.backbone,
        sets=wanted.sets,
        protocol_state=state,
        budget=wanted.budget,
        rule=RULE,
        spread={group: round(pooled(scores, group), 3) for group in allowed},
        tolerances=Tolerances(miou=allowed),
        methods=methods,
        provenance=provenance.model_copy(update={"method_code": None}),
    )


def _entry(runs: list[Figures]) -> Entry:
    first = runs[0]
    for other in runs[1:]:
        if (first.trainable_params, first.total_params, first.labels) != (
            other.trainable_params,
            other.total_params,
            other.labels,
        ):
            raise UserError(
                "seeds of one method differ in parameters or labels: there is no baseline to take from them"
            )
    miou = {group: [round(run.miou[group], 3) for run in runs] for group in first.miou}
    return Entry(**first._asdict() | {"miou": miou})


def _notes(method: str, entry: Entry, now: Figures) -> list[str]:
    lines = []
    if entry.method_code != now.method_code:
        lines.append(f"the code of method {method} has changed since the baseline was written")
    if only := added(entry, now):
        lines.append(f"{method}: in only one of the two specifications: {', '.join(only)}")
    return lines


def _elsewhere(before: Provenance, now: Provenance) -> list[str]:
    """Packages and machine, where they are others."""
    lines = []
    for name in sorted({*before.packages, *now.packages}):
        old, new = before.packages.get(name), now.packages.get(name)
        if old != new:
            lines.append(f"{name} was {old or 'not installed'}, is {new or 'not installed'}")
    for field in ("device_name", "threads"):
        old, new = getattr(before, field), getattr(now, field)
        if old != new:
            lines.append(f"{field.replace('_', ' ')} was {old}, is {new}")
    return lines
