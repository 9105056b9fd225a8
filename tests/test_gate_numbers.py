"""Tolerances keep their promise, rows say what moved, and the committed baseline is of today's code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.gate.baseline import ALARM, LEAST_MIOU, Baseline, Entry, Figures, pooled, read_baseline, tolerances
from bench.gate.check import subject
from bench.gate.compare import added, compare, distance, moved_share
from bench.gate.quick import protocol_state, settings
from bench.gate.response import response
from bench.gate.steps import first_steps
from bench.gate.table import written
from bench.models.build import build_segmenter
from bench.result import load_all
from bench.spec import RunSpec

COMMITTED = Path(__file__).resolve().parent.parent / "results" / "baselines" / "streets.json"
METHODS = ("rein", "full", "frozen")


@pytest.fixture(scope="module")
def committed() -> Baseline:
    return read_baseline(COMMITTED)


def spec_of(baseline: Baseline, method: str) -> RunSpec:
    return subject(baseline).spec(method, baseline.budget.seeds[0], None)


def figures(entry: Entry, **changes: Any) -> Figures:
    """A check that found exactly the baseline, but for `changes`."""
    values = {**entry.model_dump(), "miou": {group: entry.score(group) for group in entry.miou}}
    return Figures(**values | changes)


def moved(baseline: Baseline, method: str = "rein", **changes: Any) -> set[str]:
    entry = baseline.methods[method]
    return {row.quantity for row in compare(method, entry, figures(entry, **changes), baseline.tolerances) if row.moved}


@pytest.mark.parametrize(("methods", "seeds"), [(3, 4), (1, 3), (2, 10)])
def test_a_seed_drawn_anew_fails_as_rarely_as_promised(methods: int, seeds: int) -> None:
    """Scores of four groups, normal around each method's own mean: at most ALARM of the checks of a whole file fail."""
    rng = np.random.default_rng(0)
    groups, files, failed = [f"g{n}" for n in range(4)], 600, 0
    for _ in range(files):
        centre = rng.uniform(20, 60, (methods, 4, 1))
        drawn = centre + rng.normal(0, 3, (methods, 4, seeds + 1))
        entries = [dict(zip(groups, row[:, :seeds].tolist(), strict=True)) for row in drawn]
        allowed = np.array([tolerances(entries)[group] for group in groups])
        failed += bool((abs(drawn[..., -1] - drawn[..., :-1].mean(-1)) > allowed).any())
    spread = math.sqrt(ALARM * (1 - ALARM) / files)
    assert failed / files < ALARM + 4 * spread


def test_tolerances_follow_the_spread_down_to_a_floor() -> None:
    rows = [{"source": [40.0, 42.0, 44.0]}, {"source": [50.0, 50.0, 50.0]}]
    assert pooled(rows, "source") == pytest.approx(math.sqrt((4 + 0) / 2))
    wide = [{"source": [10 * score for score in row["source"]]} for row in rows]
    assert tolerances(wide)["source"] == pytest.approx(10 * tolerances(rows)["source"], abs=0.1)
    assert tolerances([{"source": [40.0, 40.0]}]) == {"source": LEAST_MIOU}
    many = [{"source": [40.0, 42.0, 44.0] * 4}]
    assert tolerances(many)["source"] < tolerances(rows[:1])["source"] / 2


def test_every_quantity_has_a_row_and_each_can_move(committed: Baseline) -> None:
    entry = committed.methods["rein"]
    allowed = committed.tolerances
    assert moved(committed) == set()
    groups = list(entry.miou)
    for group in groups:
        scores = {name: entry.score(name) for name in groups}
        inside = {**scores, group: scores[group] - 0.99 * allowed.miou[group]}
        assert moved(committed, miou=inside) == set()
        for value in (scores[group] - 1.01 * allowed.miou[group], scores[group] + 1.01 * allowed.miou[group], math.nan):
            assert moved(committed, miou={**scores, group: value}) == {f"mIoU {group}"}
    assert moved(committed, miou={"source": entry.score("source")}) == {
        f"mIoU {name}" for name in groups if name != "source"
    }
    assert moved(committed, trainable_params=entry.trainable_params + 1) == {"trainable parameters"}
    assert moved(committed, total_params=entry.total_params - 1) == {"total parameters"}
    assert entry.gflops is not None
    assert moved(committed, gflops=entry.gflops * 1.009) == set()
    assert moved(committed, gflops=entry.gflops * 1.011) == moved(committed, gflops=None) == {"GFLOPs"}
    assert moved(committed, response=entry.response[:-1]) == {"response"}
    assert moved(committed, response=[value * 1.0002 for value in entry.response]) == {"response"}
    for what, value in entry.steps.items():
        assert moved(committed, steps={**entry.steps, what: value * 1.0004}) == set()
        assert moved(committed, steps={**entry.steps, what: value * 1.0006}) == {what}
        assert moved(committed, steps={name: known for name, known in entry.steps.items() if name != what}) == {what}
    assert moved(committed, steps={**entry.steps, "backbone moved": 0.1}) == {"backbone moved"}
    counts = entry.labels["source"]
    assert moved(committed, labels={**entry.labels, "source": counts[1:] + counts[:1]}) == {"labels source"}


def test_what_is_no_number_moved_and_is_valid_json(committed: Baseline) -> None:
    entry = committed.methods["rein"]
    found = figures(entry, response=[], miou={"source": math.inf}, gflops=math.nan)
    rows = [row for row in compare("rein", entry, found, committed.tolerances) if row.difference is None]
    assert {row.quantity for row in rows} == {"response", "GFLOPs", *(f"mIoU {group}" for group in entry.miou)}
    assert all(row.moved for row in rows)
    json.dumps([row._asdict() for row in rows], allow_nan=False)


def test_a_setting_that_changed_is_a_row_and_a_new_one_a_note(committed: Baseline) -> None:
    entry = committed.methods["rein"]
    changed = {**entry.settings, "recipe.lr": 1.0, "method_config.later": 3}
    assert moved(committed, settings=changed) == {"recipe.lr"}
    assert added(entry, figures(entry, settings=changed)) == ["method_config.later"]


def test_shares_and_distances() -> None:
    assert moved_share([5, 5, 0], [5, 5, 0]) == 0
    assert moved_share([5, 0, 5], [5, 5, 0]) == 0.5
    assert moved_share([10, 10], [10, 0]) == 0.5  # twice the pixels
    assert moved_share([1, 2, 3], [1, 2]) == 1
    assert distance([3.0, 4.0], [3.0, 4.0]) == 0
    assert distance([3.0, 4.0], [0.0, 4.0]) == 0.75
    assert distance([1.0], [1.0, 2.0]) == math.inf
    assert math.isnan(distance([math.nan], [1.0]))


def test_the_committed_baseline_states_where_its_tolerances_come_from(committed: Baseline) -> None:
    assert set(committed.methods) == set(METHODS)
    scores = [entry.miou for entry in committed.methods.values()]
    assert committed.tolerances.miou == tolerances(scores)
    assert committed.spread == {group: round(pooled(scores, group), 3) for group in committed.tolerances.miou}
    assert set(committed.tolerances.miou) == {"source", "unseen", "weather", "corruption"}
    assert len(committed.budget.seeds) >= 3
    assert committed.provenance.commit is not None
    assert committed.provenance.dirty is False
    assert "torch" in committed.provenance.packages


@pytest.mark.parametrize("method", METHODS)
def test_the_committed_baseline_is_of_todays_code(committed: Baseline, method: str) -> None:
    """All that needs no long training. `python -m bench check` does the rest."""
    entry, spec = committed.methods[method], spec_of(committed, method)
    assert protocol_state(spec) == committed.protocol_state
    assert settings(spec) == entry.settings
    segmenter = build_segmenter(spec)
    counts = [(p.numel(), p.requires_grad) for p in segmenter.parameters()]
    assert sum(number for number, _ in counts) == entry.total_params
    assert sum(number for number, trains in counts if trains) == entry.trainable_params
    assert distance(response(segmenter, spec), entry.response) < committed.tolerances.response
    steps = first_steps(build_segmenter(spec), spec)
    assert steps == pytest.approx(entry.steps, rel=committed.tolerances.steps)


def test_baselines_are_no_results() -> None:
    """They lie in the results folder, and the leaderboard does not take them for damaged runs."""
    assert COMMITTED.is_file()
    assert not [problem for problem in load_all(COMMITTED.parents[1]).problems if "baselines" in str(problem.path)]


def test_a_new_baseline_says_which_scores_it_does_not_guard(committed: Baseline) -> None:
    allowed = dict.fromkeys(committed.tolerances.miou, 0.5)
    narrow = committed.model_copy(update={"tolerances": committed.tolerances.model_copy(update={"miou": allowed})})
    assert "may fall to 0" not in shown(narrow)
    allowed["unseen"] = narrow.methods["rein"].score("unseen")
    wide = narrow.model_copy(update={"tolerances": narrow.tolerances.model_copy(update={"miou": allowed})})
    assert "may fall to 0 within their tolerance, which more seeds (--seeds)" in shown(wide)
    assert "rein unseen" in shown(wide)
    assert "rein source" not in shown(wide).split("may fall")[1]


def shown(baseline: Baseline) -> str:
    return written(baseline, COMMITTED).markdown()
